"""The chain of models of a simulated SunSpec device: marker, common model, meter model, end."""

from collections.abc import Mapping, Sequence
from typing import Final

from phasewatch.meters.profile import HEADER_WORDS, Profile
from phasewatch.meters.sunspec import END, MARKER
from phasewatch.simulator.meter import registers

COMMON: Final = 1
MAKER: Final = "phasewatch"
NOT_A_NUMBER: Final = (0x7FC0, 0)
TEXTS: Final = ((16, MAKER), (16, "simulated meter"), (8, ""), (8, "1"), (16, "1"))
"""Words and text of maker, model, options, version and serial number; the unit id ends the common model."""


def chain(profile: Profile, values: Mapping[str, float], model: int | None = None) -> dict[int, int]:
    """Return address -> word of a device whose meter shows these values.

    `model` None: that which sees most. What the model does not see is not implemented.

    Raises: ValueError for a profile without SunSpec models.
    """
    if profile.sunspec is None:
        raise ValueError(f"{profile.id} is no profile of SunSpec models")
    models = profile.sunspec.models
    number = model or max(models, key=lambda one: len(models[one]))
    seen = {name: values[name] for name in models[number] if name in values}
    meter = _block(number, _shown(profile, seen), max(block.end for block in profile.blocks) - HEADER_WORDS)
    words = [*MARKER, *_common(profile), *meter, END, 0]
    return dict(enumerate(words, start=profile.sunspec.bases[0]))


def _common(profile: Profile) -> list[int]:
    body = [word for count, text in TEXTS for word in _text(text, count)]
    return [COMMON, len(body) + 1, *body, profile.unit_id]


def _shown(profile: Profile, values: Mapping[str, float]) -> dict[int, int]:
    words = registers(profile, values)
    absent = [one for name, one in profile.registers.items() if one.type == "f32" and name not in values]
    return words | {one.address + n: word for one in absent for n, word in enumerate(NOT_A_NUMBER)}


def _block(number: int, words: Mapping[int, int], length: int) -> list[int]:
    return [number, length, *(words.get(place, 0) for place in range(HEADER_WORDS, HEADER_WORDS + length))]


def _text(text: str, count: int) -> Sequence[int]:
    """Return a text in words of two characters, padded with NUL."""
    padded = text.encode("ascii").ljust(2 * count, b"\0")
    return [int.from_bytes(padded[place : place + 2], "big") for place in range(0, 2 * count, 2)]
