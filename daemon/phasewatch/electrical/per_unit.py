"""One picture in per unit of nominal, ready for the signatures, and what they share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from phasewatch.electrical.geometry import Picture, Triple
from phasewatch.electrical.supply import Supply

ALL: Final = (0, 1, 2)
DEAD: Final = 0.1
"""Per unit of nominal: below it a phase carries nothing but what its neighbours couple into it."""
CORNER_KAPPA: Final = 2.0
"""kappa below this: a corner moved, and took the centroid with it."""
GOOD_TRIANGLE: Final = 0.3
"""Flatness q above which the line triangle has an inside."""


@dataclass(frozen=True, slots=True)
class History:
    """What earlier readings of the same point showed."""

    seen_live: tuple[bool, bool, bool] = (True, True, True)
    """Whether each phase has ever carried voltage here."""
    lasted_s: float | None = None
    """How long the voltages have stood as they are; None: not known."""


@dataclass(frozen=True, slots=True)
class Look:
    """One picture in per unit of nominal, ready for the signatures."""

    picture: Picture
    supply: Supply
    v: Triple | None
    line: Triple | None
    """Per unit of the nominal phase voltage: healthy is sqrt3."""
    e: Triple | None
    currents: tuple[float | None, float | None, float | None]
    n: float | None
    """Length of the neutral shift, per unit."""
    kappa: float | None
    history: History | None


@dataclass(frozen=True, slots=True)
class Match:
    """A signature that holds: its code and the phases concerned, 0 to 2."""

    code: str
    phases: tuple[int, ...] = ()


Signature = Callable[[Look], Match | None]


def near(value: float, target: float, tolerance: float) -> bool:
    """Return whether a value lies within a relative tolerance of a target."""
    return abs(value - target) <= tolerance * abs(target)


def others(x: int) -> tuple[int, int]:
    """Return the two phases behind x in rotation."""
    return (x + 1) % 3, (x + 2) % 3


def between(line: Triple, i: int, j: int) -> float:
    """Return the line-to-line value of two phases; order L12, L23, L31."""
    return line[i if (i + 1) % 3 == j else j]
