"""Timelines in a line: `"230x5 195x10 _x2 230"` is five samples of 230, ten of 195, two missing, one more of 230."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from phasewatch.meters.quantities import LN
from phasewatch.meters.reading import Reading

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
"""A moment at which a 10-minute block begins."""


def samples(notation: str) -> Iterator[float | None]:
    """Yield the samples of a notation; None where one is missing."""
    for part in notation.split():
        value, _, times = part.partition("x")
        yield from [None if value == "_" else float(value)] * int(times or 1)


def readings(
    notation: str | Mapping[str, str], *, step_s: float = 1.0, start_s: float = 0.0, source: str = "main"
) -> Iterator[Reading]:
    """Yield one reading a step; a bare notation is the three phase voltages, a mapping names each quantity."""
    lines = dict.fromkeys(LN, notation) if isinstance(notation, str) else notation
    columns = {quantity: list(samples(line)) for quantity, line in lines.items()}
    for step in range(max(map(len, columns.values()))):
        at_s = start_s + step * step_s
        row = {quantity: column[step] for quantity, column in columns.items() if step < len(column)}
        yield Reading(
            source=source,
            at=START + timedelta(seconds=at_s),
            monotonic_s=1000.0 + at_s,
            values={quantity: value for quantity, value in row.items() if value is not None},
            missing={quantity: "not read" for quantity, value in row.items() if value is None},
        )
