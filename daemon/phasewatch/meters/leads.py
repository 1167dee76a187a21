"""Finds leads that are swapped between two meters of one point."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations
from math import sqrt
from typing import Final

from phasewatch.meters.measuring_point import Member, translation
from phasewatch.meters.quantities import LL, LN, LPE, PHASES

ENOUGH: Final = 3
"""Voltages that both meters must see."""
CLEARER: Final = 3.0
"""The right order must fit this many times better."""


def at_point(member: Member, values: Mapping[str, float]) -> dict[str, float]:
    """Return what a meter says in the names of its point."""
    table = translation(member)
    return {table[name][0]: value * table[name][1] for name, value in values.items() if name in table}


def swapped_phases(
    first: Mapping[str, float], member: Member, values: Mapping[str, float], step_v: float
) -> tuple[str, str, str] | None:
    """Return the `phases` with which a second meter agrees with the first; None where it agrees, or none fits.

    `first` is what the first meter says in the names of the point; below `step_v` two voltages are equal.
    """
    orders = [(a, b, c) for a, b, c in permutations(PHASES)]
    apart_v = {phases: _apart_v(first, replace(member, phases=phases), values) for phases in orders}
    now_v = apart_v[member.phases]
    best = min(apart_v, key=lambda phases: (apart_v[phases] or 0.0, phases))
    best_v = apart_v[best]
    if now_v is None or best_v is None or now_v <= step_v or best_v > step_v or now_v < CLEARER * best_v:
        return None
    return best


def _apart_v(first: Mapping[str, float], member: Member, values: Mapping[str, float]) -> float | None:
    """Return the largest difference between two meters, phase to phase by the root of 3; None: too little in common.

    Meters are wrong in proportion, and by more volts where there are more.
    """
    second = at_point(member, values)
    both = [name for name in (*LN, *LL, *LPE) if name in first and name in second]
    if len(both) < ENOUGH:
        return None
    return max(abs(first[name] - second[name]) / (sqrt(3.0) if name in LL else 1.0) for name in both)
