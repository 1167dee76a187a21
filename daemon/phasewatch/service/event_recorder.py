"""Records in the journal: events, their evidence, and what a restart needs.

To limit flash wear, a healthy site writes what it learned every ten minutes, and nothing else.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from phasewatch.adapters.http.stream import Broadcast, slim
from phasewatch.alerts.event import Event
from phasewatch.alerts.evidence import SHIFTS, Recorder
from phasewatch.alerts.point_monitor import PointMonitor
from phasewatch.alerts.site_monitor import FORGOTTEN, SiteMonitor
from phasewatch.drawing.trends import History
from phasewatch.electrical.diagnosis import NUMBERS
from phasewatch.meters.reading import Moment
from phasewatch.service.build import LEARNED, SEEN_LIVE
from phasewatch.service.delivery import Delivery
from phasewatch.service.state import Running

LEARNED_S: Final = 600.0
"""Between two records of what was learned."""

_log = logging.getLogger(__name__)


class EventRecorder:
    """Writes for one running daemon."""

    def __init__(
        self,
        running: Running,
        envelope: Callable[[], dict[str, Any]],
        now_s: float,
        history: History,
        broadcast: Broadcast,
    ) -> None:
        """`envelope`: keys that every event gets beside its own: how far its time can be trusted."""
        self._running, self._envelope = running, envelope
        self._recorder, self._history, self._broadcast = Recorder(), history, broadcast
        self._learned_due_s = now_s + LEARNED_S

    @property
    def _delivery(self) -> Delivery:
        return self._running.delivery

    def commit(self, events: Sequence[Event], now_s: float) -> None:
        """Journal events in one transaction, log them, and begin the evidence of what was raised."""
        if events:
            self._delivery.commit([replace(event, payload={**event.payload, **self._envelope()}) for event in events])
        for event in events:
            level = logging.WARNING if event.payload["state"] != "cleared" else logging.INFO
            _log.log(level, "%s %s: %s", event.key, event.transition, event.payload["summary"])
            self._broadcast.tell("alert", slim(event.payload))
            if event.transition == "raised":
                self._witness(event, now_s)

    def retire(self, gone: Sequence[str], ends: Sequence[Event], watch: SiteMonitor, now_s: float) -> None:
        """Journal the ends of what is no longer configured and its numbers, then forget it, here and at the broker."""
        self.commit(ends, now_s)
        if gone:
            self._remember({FORGOTTEN: watch.desk.numbers})
            self._delivery.forget(gone)

    # Evidence

    def reading(self, point: PointMonitor) -> None:
        """Keep the newest moment of a point, in case that something is raised within the next minute."""
        if point.reading is None or point.diagnosis is None:
            return
        values = dict(point.reading.values)
        for name in SHIFTS:
            shift_v = NUMBERS[name](point.diagnosis)
            if shift_v is not None:
                values[name] = shift_v
        self._recorder.reading(point.name, point.reading.monotonic_s, values)
        if self._running.loaded.site.web is not None:  # trends take as much memory as all else of a point
            self._history.reading(point.name, point.reading.monotonic_s, values)

    def _witness(self, event: Event, now_s: float) -> None:
        watch, subject = self._running.watch, event.key.subject
        point = subject if subject in watch.points else None
        if point is None and subject in watch.meters:
            point = watch.point_of(subject)
        if point is not None:
            at = datetime.fromisoformat(event.payload["at"])
            self._recorder.raised(point, event.payload["alert_id"], subject, event.key.rule, at, now_s)

    # What a restart must not forget

    def live(self, point: PointMonitor) -> None:
        """Keep which phases a point has ever seen live, when that has grown."""
        if point.live_changed:
            point.live_changed = False
            self._delivery.remember({f"{point.name}/{SEEN_LIVE}": json.dumps({"phases": point.seen_live})})

    def turn(self, watch: SiteMonitor, moment: Moment) -> None:
        """Write what is due."""
        self._remember(watch.running(moment))
        self._delivery.keep_evidence(self._recorder.due(moment.monotonic_s))
        if moment.monotonic_s >= self._learned_due_s:
            self._learned_due_s = moment.monotonic_s + LEARNED_S
            self._remember(_learned(watch))

    def close(self, watch: SiteMonitor, moment: Moment) -> None:
        """Write what a clean end still can."""
        self._remember({**watch.running(moment, every=True), **_learned(watch)})
        self._delivery.keep_evidence(self._recorder.flush())

    def _remember(self, records: Mapping[str, Mapping[str, Any]]) -> None:
        if records:
            self._delivery.remember({path: json.dumps(record) for path, record in records.items()})


def readable_records(records: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the records of a journal; one that a disk has damaged is named in the log, and starts empty."""
    found = {}
    for path, text in records.items():
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            found[path] = record
        else:
            _log.error("journal: the record of %s is damaged; what it held starts again", path)
    return found


def _learned(watch: SiteMonitor) -> dict[str, dict[str, Any]]:
    """Return what the rules have learned since they were asked, of all points."""
    found = {name: point.learned() for name, point in watch.points.items()}
    return {f"{name}/{LEARNED}": learned for name, learned in found.items() if learned is not None}
