"""What a meter on a bus answers to a request, as a real one would: its registers, and its refusals.

The chain of models of a simulated SunSpec device: marker, common model, meter model, end.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from phasewatch.meters.profile import HEADER_WORDS, Profile
from phasewatch.meters.sunspec import END, MARKER
from phasewatch.simulator.feeder import solve
from phasewatch.simulator.meter import Meter, registers
from phasewatch.simulator.scenario import Scenario

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


ILLEGAL_FUNCTION: Final = 1
ILLEGAL_DATA_ADDRESS: Final = 2
ILLEGAL_DATA_VALUE: Final = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a unit; by default nothing."""

    silent: bool = False
    """Does not answer."""
    hang_up: bool = False
    """Closes the connection instead of answering."""
    refuse: int | None = None
    """Answers everything with this exception code."""
    delay_s: float = 0.0
    """Answers late; requests behind it on the same line wait."""
    truncate_bytes: int = 0
    """Leaves off this many bytes at the end of the frame."""
    unit_id: int | None = None
    """Answers under this unit id."""
    noise: bytes = b""
    """Comes in front of the frame."""

    def answer(self, unit: "Unit", pdu: bytes) -> bytes:
        """Return the PDU of the unit's reply, or of the refusal that the fault makes of it."""
        return unit.answer(pdu) if self.refuse is None else bytes([pdu[0] | 0x80, self.refuse])


SOUND: Final = Fault()


@dataclass(frozen=True, slots=True)
class Unit:
    """A meter on a bus."""

    profile: Profile
    values: Callable[[], Mapping[str, float]]
    """What it measures at this moment: quantity -> value; asked once for each request."""
    readable: Mapping[int, frozenset[int]] = field(init=False, repr=False)
    """Function code -> addresses that it answers."""

    def __post_init__(self) -> None:
        """Work out once which addresses are answered."""
        object.__setattr__(self, "readable", _readable(self.profile))

    def answer(self, pdu: bytes) -> bytes:
        """Return the PDU of the reply or of the refusal."""
        code, body = pdu[0], pdu[1:]
        refused = self._refusal(code, body)
        if refused:
            return bytes([code | 0x80, refused])
        address, count = struct.unpack(">HH", body)
        words = _words(self.profile, self.values(), code)
        chosen = (words.get(place, 0) for place in range(address, address + count))
        return struct.pack(f">BB{count}H", code, 2 * count, *chosen)

    def _refusal(self, code: int, body: bytes) -> int | None:
        if code not in self.readable:
            return ILLEGAL_FUNCTION
        if len(body) != 4:
            return ILLEGAL_DATA_VALUE
        address, count = struct.unpack(">HH", body)
        if not 1 <= count <= self.profile.max_words:
            return ILLEGAL_DATA_VALUE
        aligned = address % self.profile.align_words == 0 and count % self.profile.align_words == 0
        if not aligned or not self.readable[code].issuperset(range(address, address + count)):
            return ILLEGAL_DATA_ADDRESS
        return None


def played(meter: Meter, scenario: Scenario, clock: Callable[[], float], loop: bool = False) -> Unit:
    """Return a meter on a bus whose board lives through a scenario; the clock counts seconds from its start."""

    def values() -> Mapping[str, float]:
        t_s = clock() % scenario.length_s if loop else clock()
        return meter.readings(solve(scenario.feeder_at(t_s)))

    return Unit(meter.profile, values)


def _words(profile: Profile, values: Mapping[str, float], code: int) -> dict[int, int]:
    return registers(profile, values, code) if profile.sunspec is None else chain(profile, values)


def _readable(profile: Profile) -> dict[int, frozenset[int]]:
    """Return what each function code reads: registers and blocks, less the holes."""
    if profile.sunspec is not None:
        return {profile.function_code: frozenset(chain(profile, {}))}
    holes = {place for hole in profile.holes for place in range(hole.address, hole.end)}
    gaps = {place for block in profile.blocks for place in range(block.address, block.end)}
    by_code: dict[int, set[int]] = {}
    for register in profile.registers.values():
        places = by_code.setdefault(register.function_code or profile.function_code, set(gaps))
        places.update(range(register.address, register.address + register.words))
        if register.exponent_at is not None:
            places.add(register.exponent_at)
    return {code: frozenset(places - holes) for code, places in by_code.items()}
