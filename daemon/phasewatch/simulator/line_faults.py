"""What is wrong with a serial line: noise, lost characters, late replies, echo, another master, a unit id twice."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Final

NOISE_BYTES: Final = range(1, 4)
"""How many stray bytes come at a time."""


@dataclass(frozen=True, slots=True)
class LineFaults:
    """Faults of a line; by default none."""

    noise: float = 0.0
    """Share of replies with stray bytes in front, 0 to 1."""
    loss: float = 0.0
    """Share of characters that get lost, in requests and replies, 0 to 1."""
    late: float = 0.0
    """Share of replies that come late, 0 to 1."""
    late_s: float = 1.5
    """How late those come."""
    echo: bool = False
    """Whether the adapter hears what it sends."""
    other_master_s: float = 0.0
    """How often another master asks the first unit, whoever is speaking; 0 = there is none."""
    duplicate_s: float = 0.0
    """How much later than the first unit a second meter of its unit id answers; 0 = there is none."""

    def worn(self, text: bytes, chance: random.Random) -> bytes:
        """Return the characters that are not lost."""
        if not self.loss:
            return text
        return bytes(byte for byte in text if chance.random() >= self.loss)

    def stray(self, chance: random.Random) -> bytes:
        """Return the noise in front of the next reply; mostly there is none."""
        if not self.noise or chance.random() >= self.noise:
            return b""
        return chance.randbytes(chance.choice(NOISE_BYTES))

    def lateness_s(self, chance: random.Random) -> float:
        """Return how late the next reply comes."""
        return self.late_s if self.late and chance.random() < self.late else 0.0


QUIET: Final = LineFaults()


def parse_line_faults(texts: Iterable[str]) -> LineFaults:
    """Return the faults of texts such as `noise=0.1`, `late_s=2`, `echo`.

    Raises: ValueError naming the place and what there is.
    """
    return LineFaults(**dict(_setting(text) for text in texts))  # type: ignore[arg-type]


def _setting(text: str) -> tuple[str, float | bool]:
    name, _, value = text.partition("=")
    if name not in _KINDS:
        raise ValueError(f"{text}: no such fault of a line; there are {', '.join(_KINDS)}")
    try:
        return name, _KINDS[name](value)
    except ValueError:
        raise ValueError(f"{text}: {_MENDS.get(name, 'write seconds, 0 or more')}") from None


def _share(text: str) -> float:
    share = float(text)
    if not 0.0 <= share <= 1.0:
        raise ValueError
    return share


def _seconds(text: str) -> float:
    time_s = float(text)
    if not 0.0 <= time_s < 1e6:
        raise ValueError
    return time_s


def _bare(text: str) -> bool:
    if text:
        raise ValueError
    return True


_KINDS: Final[dict[str, Callable[[str], float | bool]]] = {
    field.name: _bare if field.name == "echo" else _seconds if field.name.endswith("_s") else _share
    for field in fields(LineFaults)
}
_MENDS: Final = {"echo": "write echo alone"} | dict.fromkeys(("noise", "loss", "late"), "write a share from 0 to 1")
