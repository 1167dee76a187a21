"""Plays rows through the rules and alerts of one point, exactly as live readings go through them.

Rows in the order of time: duplicates, steps back and strays are dropped and counted, gaps are named.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any, Final, NamedTuple

from phasewatch.alerts.bus_monitor import BusMonitor, MeterConfig
from phasewatch.alerts.event import Event
from phasewatch.alerts.point_monitor import VOID_POLLS, VOID_S, PointMonitor
from phasewatch.alerts.site_monitor import SiteMonitor
from phasewatch.configuration.site import LoadedSite
from phasewatch.meters.measuring_point import Joined
from phasewatch.meters.reading import Moment, Reading
from phasewatch.replay.summary import Findings, RecordingError
from phasewatch.service.build import build_watch, point_names

JOURNAL: Final = "replay"
"""Stands in every id where the journal's own stands in those of live events."""

Played = tuple[Event, dict[str, Any]]
"""An event and its whole payload."""


def chosen_point(loaded: LoadedSite, asked: str | None) -> str:
    """Return the point that a recording is of. Raises: RecordingError naming those there are."""
    points = point_names(loaded)
    if asked is not None and asked not in points:
        raise RecordingError(f"--point {asked}: the site has no such point; one of {', '.join(points)}")
    if asked is None and len(points) > 1:
        raise RecordingError(f"the site has {len(points)} points; say with --point which: {', '.join(points)}")
    return points[0] if asked is None else asked


def gap_s(interval_s: float) -> float:
    """Return the longest step that is not a gap: beyond it half-run timers are void, standing alerts unknown."""
    return max(VOID_S, VOID_POLLS * interval_s)


class Player:
    """One point with its rules; time is that of the rows."""

    def __init__(self, loaded: LoadedSite, point: str, interval_s: float) -> None:
        """Take the site, the point's name and the step of the rows, which stands for the polling interval."""
        self._site, self._gap_s = loaded.site.site, gap_s(interval_s)
        self.watch, _ = build_watch(_recorded(loaded, point, interval_s), JOURNAL, {})
        self.point = self.watch.points[point]
        self._meter = _only_meter(self.watch, self.point)
        self._begin: datetime | None = None
        self._last_s = 0.0
        self._seq = 0

    def play(self, at: datetime, values: dict[str, float], missing: dict[str, str]) -> Iterator[Played]:
        """Take one row; yield its events with their payloads, as the journal would number them."""
        if self._begin is None:
            self._begin = at
        now_s = (at - self._begin).total_seconds()
        if now_s - self._last_s > self._gap_s:
            silent_s = self._last_s + self._gap_s
            yield from self._numbered(
                self.point.silence(Moment(self._begin + timedelta(seconds=silent_s), silent_s)), silent_s
            )
        self._last_s = now_s
        reading = Reading(self.point.name, at, now_s, values, missing)
        events = [] if self._meter is None else list(self._polled(*self._meter, reading))
        events += self.point.judge(Joined(reading, values))
        if events:
            yield from self._numbered(events, now_s)

    def _polled(self, bus: BusMonitor, meter: MeterConfig, reading: Reading) -> Iterator[Event]:
        return bus.poll(meter, reading, None, reading.moment)

    def _numbered(self, events: list[Event], now_s: float) -> Iterator[Played]:
        for event in events:
            self._seq += 1
            # Nothing is known of the clock that stamped the rows.
            clock = {"clock": "unsync", "boot_id": None, "uptime_s": round(now_s, 3)}
            yield event, {**event.payload, **clock, "id": f"{self._site}-{JOURNAL}-{self._seq}", "seq": self._seq}


def _only_meter(watch: SiteMonitor, point: PointMonitor) -> tuple[BusMonitor, MeterConfig] | None:
    """Return the meter that every row is a poll of; None where a point has several: a row is of none of them."""
    meters = [(bus, meter) for bus in watch.buses.values() for meter in bus.meters if meter.point == point.name]
    return meters[0] if len(meters) == 1 else None


def _recorded(loaded: LoadedSite, point: str, interval_s: float) -> LoadedSite:
    """Return the site with the meters of one point only, polled as often as the file has rows."""
    buses = []
    for bus in loaded.site.buses:
        own = tuple(
            meter.model_copy(update={"interval_s": interval_s}) for meter in bus.meters if meter.point_name == point
        )
        if own:
            buses.append(bus.model_copy(update={"meters": own}))
    return replace(loaded, site=loaded.site.model_copy(update={"buses": tuple(buses)}))


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
