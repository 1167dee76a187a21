"""Rows in the order of time: duplicates, steps back and strays are dropped and counted, gaps are named."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

from phasewatch.replay.findings import Findings

IRREGULAR: Final = 0.5
"""A step that is off by more than this share of the interval is irregular."""


class Row(NamedTuple):
    """One row with its moment."""

    line: int
    at: datetime
    """Aware UTC."""
    cells: Sequence[str]


def median_step_s(moments: Sequence[datetime]) -> float | None:
    """Return the median of the steps forward; None without one."""
    steps = [(b - a).total_seconds() for a, b in pairwise(moments) if b > a]
    return median(steps) if steps else None


def newest_first(moments: Sequence[datetime]) -> bool:
    """Return whether the rows run backwards."""
    back = sum(b < a for a, b in pairwise(moments))
    return len(moments) > 2 and back > 0.9 * (len(moments) - 1)


def in_order(rows: Iterable[Row], interval_s: float, gap_s: float, findings: Findings) -> Iterator[Row]:
    """Yield the rows that follow in time.

    A row behind a gap waits for the next one: if that one belongs before it, a clock was wrong for a moment.
    """
    last: Row | None = None
    waiting: Row | None = None
    for row in rows:
        if waiting is not None:
            if row.at < waiting.at and (last is None or row.at > last.at):
                findings.add(
                    "rows of another time among their neighbours, dropped", waiting.line, waiting.at.isoformat()
                )
            else:
                yield from _behind_a_gap(last, waiting, findings)
                last = waiting
            waiting = None
        if last is None:
            waiting = row
            continue
        step_s = (row.at - last.at).total_seconds()
        if step_s <= 0.0:
            _drop(row, last, step_s, findings)
        elif step_s > gap_s:
            waiting = row
        else:
            if abs(step_s - interval_s) > IRREGULAR * interval_s:
                findings.add("irregular steps", row.line, f"{step_s:g} s")
            last = row
            yield row
    if waiting is not None:
        yield from _behind_a_gap(last, waiting, findings)


def _behind_a_gap(last: Row | None, row: Row, findings: Findings) -> Iterator[Row]:
    if last is not None:
        findings.add("gaps", row.line, f"{(row.at - last.at).total_seconds():g} s")
    yield row


def _drop(row: Row, last: Row, step_s: float, findings: Findings) -> None:
    if step_s < 0.0:
        findings.add("rows back in time, dropped", row.line, row.at.isoformat())
        return
    findings.add("duplicates, dropped", row.line, row.at.isoformat())
    if row.cells != last.cells:
        findings.add("duplicates with other values: are the times too coarse?", row.line, row.at.isoformat())
