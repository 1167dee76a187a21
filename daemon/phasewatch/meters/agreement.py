"""Whether the meters of one point can be on one point: what two of them measure must be the same."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from phasewatch.meters.quantities import LL, LN, LPE

HIDDEN_V: Final = 28.5
"""A register that reads exactly 0 may hide up to this: some meters show nothing below their starting voltage."""
_COMPARED: Final = frozenset((*LN, *LL, *LPE))  # neutral to earth is mostly harmonics and pick-up


@dataclass(frozen=True, slots=True)
class Said:
    """What one meter says, in the names of its point."""

    meter: str
    accuracy_percent: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One quantity that two meters of a point do not agree on."""

    quantity: str
    first: str
    first_v: float
    second: str
    second_v: float


def contradiction(parts: Iterable[Said], drift_v: float) -> Contradiction | None:
    """Return the worst contradiction; None where all agree within their classes.

    `drift_v`: how far two steady readings may have moved apart.
    """
    found = _contradictions(parts, drift_v)
    return max(found, key=lambda one: (abs(one.first_v - one.second_v), one.quantity), default=None)


def _contradictions(parts: Iterable[Said], drift_v: float) -> Iterator[Contradiction]:
    said: dict[str, Said] = {}
    for part in parts:
        for name in part.values.keys() & _COMPARED:
            first = said.setdefault(name, part)
            if first is part:
                continue
            a_v, b_v = first.values[name], part.values[name]
            apart_v = abs(a_v - b_v)
            if apart_v > drift_v and apart_v > _tolerance_v(first, part, name, drift_v):
                yield Contradiction(name, first.meter, a_v, part.meter, b_v)


def _tolerance_v(first: Said, second: Said, name: str, drift_v: float) -> float:
    a_v, b_v = first.values[name], second.values[name]
    classes_v = (first.accuracy_percent * a_v + second.accuracy_percent * b_v) / 100.0
    return max(classes_v + drift_v, HIDDEN_V if 0.0 in (a_v, b_v) else 0.0)
