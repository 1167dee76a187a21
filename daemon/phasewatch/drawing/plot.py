"""Quantities over time as SVG: around an onset, or over the last hour or day.

Samples made few enough to draw: stretches without gaps, with no peak lost.

Round numbers and round times for axes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil, floor, isfinite, log10
from statistics import median
from typing import Final, NamedTuple
from zlib import crc32

from phasewatch.drawing.svg import (
    DASHES,
    NOTHING,
    STYLE,
    Markup,
    Spot,
    coordinate,
    element,
    escaped,
    joined,
    line,
    path,
    series_line,
    text,
)
from phasewatch.electrical.explanation import Messages

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


_STEPS_S: Final = (
    *(1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800),
    *(3600, 7200, 10800, 14400, 21600, 43200, 86400, 172800, 604800),
)
_SMALLEST: Final = 1e-3


def round_up(value: float) -> float:
    """Return the next of 1, 1.5, 2, 3, 4, 5, 7.5, 10 times a power of ten."""
    value = max(value, _SMALLEST)
    power = 10.0 ** floor(log10(value))
    digit = next(digit for digit in (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0) if value <= digit * power * (1 + 1e-9))
    return float(f"{digit * power:.6g}")


def number_step(span: float, most: int) -> float:
    """Return 1, 2 or 5 times a power of ten so that no more than `most` steps lie in a span."""
    rough = max(span, _SMALLEST) / max(most, 1)
    power = 10.0 ** floor(log10(rough))
    digit = next(digit for digit in (1.0, 2.0, 5.0, 10.0) if rough <= digit * power * (1 + 1e-9))
    return digit * power


def number_ticks(low: float, high: float, most: int = 5) -> list[tuple[float, str]]:
    """Return round values from low to high with their texts."""
    step = number_step(high - low, most)
    decimals = max(0, -floor(log10(step) + 1e-9))
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [(place * step, f"{place * step + 0.0:.{decimals}f}") for place in range(first, last + 1)]


def time_ticks(at: datetime, first_s: float, last_s: float, most: int = 5) -> list[tuple[float, str]]:
    """Return round times of the clock of `at` with their texts; first_s and last_s count from `at`."""
    span_s = last_s - first_s
    step_s = next(
        (step for step in _STEPS_S if span_s / step <= most), _STEPS_S[-1] * ceil(span_s / _STEPS_S[-1] / most)
    )
    at_s = (at.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001  wall clock of its zone
    places = range(ceil((at_s + first_s) / step_s - 1e-9), floor((at_s + last_s) / step_s + 1e-9) + 1)
    return [(place * step_s - at_s, _text(at, place * step_s - at_s, step_s)) for place in places]


def _text(at: datetime, moment_s: float, step_s: float) -> str:
    moment = at + timedelta(seconds=moment_s + 0.0005)
    return moment.strftime("%H:%M:%S" if step_s < 60 else "%H:%M" if step_s < 86400 else "%m-%d")


def zone(at: datetime) -> str:
    """Return the zone of a time as people read it: UTC, UTC+02:00."""
    offset = at.utcoffset()
    if offset is None:
        raise ValueError("the time must know its zone")
    if not offset:
        return "UTC"
    minutes = round(offset.total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


WIDTH: Final = 340.0
HEIGHT: Final = 230.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 50.0, 44.0
_COLUMN: Final = 1.5
"""Width of the columns of which each keeps its outline only."""
_LEAST_SPAN: Final = 0.01
"""Of the greatest value: less is drawn flat, and not as noise across the whole height."""
_KEY: Final = 72.0
"""Width that a name in the key takes."""


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity over time."""

    name: str
    values: Sequence[float | None]
    """One for each time; None: missing."""
    mark: str = "other"
    """`l1`, `l2`, `l3`, `n`, `pe` or `other`: how its line looks."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What a plot shows."""

    at: datetime
    """Where times count from; its zone is the one of the axis."""
    times_s: Sequence[float]
    """From `at`, rising."""
    series: Sequence[Series]
    unit: str = "V"
    onset_s: float | None = None
    """Marked with a line; None: nothing began."""
    limits: Sequence[float] = ()
    gap_s: float | None = None
    """Samples farther apart have a gap between them; None: 2.5 times the usual distance."""
    span_s: tuple[float, float] | None = None
    """What the axis shows; None: the times of the samples."""


class _Axes(NamedTuple):
    first_s: float
    last_s: float
    low: float
    high: float

    def at(self, t_s: float, value: float) -> Spot:
        across = (t_s - self.first_s) / (self.last_s - self.first_s)
        up = (value - self.low) / (self.high - self.low)
        return _LEFT + across * (WIDTH - _LEFT - _RIGHT), HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM)


def plot(chart: Chart, messages: Messages, *, style: bool = True) -> str:
    """Return the SVG of a chart. `style`: False in a page that has STYLE."""
    words, axes = messages["drawing"], _axes(chart)
    title, told = _title(chart, axes, words), _description(chart, words)
    name = f"pw{crc32(f'{title}{told}'.encode()):08x}"
    return element(
        "svg",
        element("title", escaped(title), id=f"{name}t"),
        element("desc", escaped(told), id=f"{name}d"),
        STYLE if style else NOTHING,
        joined(_grid(chart, axes, words)),
        joined(_key(chart.series)),
        joined(_limits(chart, axes, words)),
        joined(_onset(chart, axes, words)),
        joined(_lines(chart, axes)),
        NOTHING if _values(chart) else text((WIDTH / 2.0, HEIGHT / 2.0), words["no_samples"], "mid"),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        width=WIDTH,
        height=HEIGHT,
        class_="pw",
        role="img",
        aria_labelledby=f"{name}t {name}d",
    )


def _values(chart: Chart) -> list[float]:
    return [value for one in chart.series for value in one.values if value is not None and isfinite(value)]


def _axes(chart: Chart) -> _Axes:
    first_s, last_s = chart.span_s or _span_s(chart.times_s)
    values = [*_values(chart), *chart.limits] or [0.0, 1.0]
    low, high = min(values), max(values)
    if 0.0 <= low < 0.35 * high:
        low = 0.0
    short = max(_LEAST_SPAN * max(abs(low), abs(high)), 1.0) - (high - low)
    if short > 0.0:
        low, high = (low - short / 2.0 if low else 0.0), high + short / 2.0
    step = number_step(high - low, 5)
    # The scale ends at round values, so that its highest and lowest line have a number.
    return _Axes(first_s, max(last_s, first_s + 1.0), step * _down(low / step), -step * _down(-high / step))


def _down(value: float) -> int:
    return int((value + 1e-9) // 1)


def _span_s(times_s: Sequence[float]) -> tuple[float, float]:
    return (min(times_s), max(times_s)) if times_s else (0.0, 1.0)


def _grid(chart: Chart, axes: _Axes, words: Mapping[str, str]) -> Iterator[Markup]:
    bottom = HEIGHT - _BOTTOM
    for value, told in number_ticks(axes.low, axes.high):
        y = axes.at(axes.first_s, value)[1]
        yield line((_LEFT, y), (WIDTH - _RIGHT, y), "faint", 0.5)
        yield text((_LEFT - 5.0, y + 4.0), told, "end")
    for t_s, told in time_ticks(chart.at, axes.first_s, axes.last_s, 4):
        x = axes.at(t_s, axes.low)[0]
        yield line((x, bottom), (x, bottom + 4.0), "n")
        yield text((min(max(x, _LEFT), WIDTH - 31.0), bottom + 17.0), told, "mid")
    yield line((_LEFT, bottom), (WIDTH - _RIGHT, bottom), "n")
    yield text((6.0, _TOP - 12.0), chart.unit, "b")
    middle = (_LEFT + WIDTH - _RIGHT) / 2.0
    yield text((middle, HEIGHT - 8.0), words["time"].format(zone=zone(chart.at)), "mid")


def _key(series: Sequence[Series]) -> Iterator[Markup]:
    for place, one in enumerate(series):
        x, y = _LEFT + _KEY * (place % 4), 14.0 + 14.0 * (place // 4)
        yield line((x, y - 4.0), (x + 18.0, y - 4.0), one.mark, 2.0, DASHES[one.mark])
        yield text((x + 23.0, y), one.name)


def _limits(chart: Chart, axes: _Axes, words: Mapping[str, str]) -> Iterator[Markup]:
    for limit in chart.limits:
        start, end = axes.at(axes.first_s, limit), axes.at(axes.last_s, limit)
        yield line(start, end, "limit", 1.5, "6 3")
        yield text((end[0] - 2.0, end[1] - 4.0), words["limit"].format(value=f"{limit:.4g}", unit=chart.unit), "end")


def _onset(chart: Chart, axes: _Axes, words: Mapping[str, str]) -> Iterator[Markup]:
    if chart.onset_s is None or not axes.first_s <= chart.onset_s <= axes.last_s:
        return
    x, bottom = axes.at(chart.onset_s, axes.low)
    yield line((x, _TOP - 14.0), (x, bottom), "n", 1.0, "3 3")
    moment = chart.at + timedelta(seconds=chart.onset_s)
    side = "end" if x > WIDTH / 2.0 + 30.0 else None
    yield text((x + (-4.0 if side else 4.0), _TOP - 6.0), words["onset"].format(time=f"{moment:%H:%M:%S}"), side)


def _lines(chart: Chart, axes: _Axes) -> Iterator[Markup]:
    gap_s = usual_gap_s(chart.times_s) if chart.gap_s is None else chart.gap_s
    column_s = (axes.last_s - axes.first_s) * _COLUMN / (WIDTH - _LEFT - _RIGHT)
    for one in chart.series:
        runs = [thinned(run, column_s) for run in stretches(chart.times_s, one.values, gap_s)]
        d = "".join(_run([axes.at(*sample) for sample in run]) for run in runs)
        if d:
            yield series_line(d, one.mark)


def _run(spots: Sequence[Spot]) -> str:
    """Return a line; a lonely sample becomes a dot."""
    return path(spots) if len(spots) > 1 else f"M{coordinate(spots[0][0])} {coordinate(spots[0][1])}h.1"


def _title(chart: Chart, axes: _Axes, words: Mapping[str, str]) -> str:
    moments = (f"{chart.at + timedelta(seconds=t_s):%Y-%m-%d %H:%M:%S}" for t_s in (axes.first_s, axes.last_s))
    first, last = moments
    names = ", ".join(one.name for one in chart.series)
    return words["plot"].format(names=names, unit=chart.unit, first=first, last=last, zone=zone(chart.at))


def _description(chart: Chart, words: Mapping[str, str]) -> str:
    parts = [_range(one, chart.unit, words) for one in chart.series]
    parts += [words["limit"].format(value=f"{limit:.4g}", unit=chart.unit) for limit in chart.limits]
    if chart.onset_s is not None:
        moment = chart.at + timedelta(seconds=chart.onset_s)
        parts.append(words["onset"].format(time=f"{moment:%H:%M:%S}"))
    return "; ".join(parts)


def _range(one: Series, unit: str, words: Mapping[str, str]) -> str:
    known = [value for value in one.values if value is not None and isfinite(value)]
    if not known:
        return f"{one.name}: {words['no_samples']}"
    return words["range"].format(name=one.name, low=f"{min(known):.1f}", high=f"{max(known):.1f}", unit=unit)
