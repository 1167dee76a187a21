"""Tells by its readings that two meters answer in turn where one was asked."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

ENOUGH: Final = 8
"""Readings that are needed."""
TURNS: Final = 4
"""Changes from one meter to the other; a load that is switched makes one or two meanwhile."""
CLEARER: Final = 10.0
"""The two must differ so many times more than each changes by itself."""


def alternates(readings: Sequence[Mapping[str, float]], names: Sequence[str], least_v: float) -> bool:
    """Return whether some voltage goes to and fro between two values that are at least `least_v` apart."""
    return any(_two_valued([one[name] for one in readings if name in one], least_v) for name in names)


def _two_valued(values: Sequence[float], least_v: float) -> bool:
    if len(values) < ENOUGH:
        return False
    ordered = sorted(values)
    gap_v, middle_v = max((high - low, (high + low) / 2.0) for low, high in pairwise(ordered))
    low, high = ([value for value in ordered if (value > middle_v) == above] for above in (False, True))
    spread_v = max(low[-1] - low[0], high[-1] - high[0]) if low and high else gap_v
    turns = sum((before > middle_v) != (after > middle_v) for before, after in pairwise(values))
    return gap_v >= least_v and gap_v >= CLEARER * spread_v and turns >= TURNS
