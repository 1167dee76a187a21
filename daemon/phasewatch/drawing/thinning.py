"""Samples made few enough to draw: stretches without gaps, with no peak lost."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import isfinite
from statistics import median
from typing import Final

Sample = tuple[float, float]
"""Seconds, value."""

GAP: Final = 2.5
"""Samples farther apart than this many of the usual distances have a gap between them."""


def usual_gap_s(times_s: Sequence[float]) -> float:
    """Return the distance from which on two samples have a gap between them; 0 for fewer than two."""
    apart = [later - earlier for earlier, later in pairwise(times_s) if later > earlier]
    return GAP * median(apart) if apart else 0.0


def stretches(times_s: Sequence[float], values: Sequence[float | None], gap_s: float) -> Iterator[list[Sample]]:
    """Yield the samples between gaps; a missing value is a gap."""
    run: list[Sample] = []
    for t_s, value in zip(times_s, values, strict=True):
        known = value is not None and isfinite(value)
        if run and (not known or t_s - run[-1][0] > gap_s > 0.0):
            yield run
            run = []
        if value is not None and known:
            run.append((t_s, value))
    if run:
        yield run


def thinned(run: Sequence[Sample], column_s: float) -> list[Sample]:
    """Return at most first, lowest, highest and last sample of each column of a stretch, in their order."""
    kept: list[Sample] = []
    column: list[Sample] = []
    for sample in run:
        if column and sample[0] // column_s != column[0][0] // column_s:
            kept += _outline(column)
            column = []
        column.append(sample)
    return kept + _outline(column)


def _outline(column: Sequence[Sample]) -> list[Sample]:
    if len(column) <= 2:
        return list(column)
    places = range(len(column))
    lowest = min(places, key=lambda place: column[place][1])
    highest = max(places, key=lambda place: column[place][1])
    return [column[place] for place in sorted({0, lowest, highest, len(column) - 1})]
