"""What the page shows of a running daemon beyond what is published."""

import asyncio
import json
from functools import lru_cache
from typing import Any, Final

from phasewatch.alerts.event import stamp
from phasewatch.alerts.point_monitor import PointMonitor
from phasewatch.configuration.files import load_messages
from phasewatch.drawing.limits import Limits
from phasewatch.electrical.explanation import Messages, explain
from phasewatch.history import History, Span
from phasewatch.meters.quantities import LN
from phasewatch.polling import Clock
from phasewatch.publications import point_state
from phasewatch.report.limits import circles
from phasewatch.running import Running

LANGUAGES: Final = ("en", "zh")

_words = lru_cache(load_messages)


class Showing:
    """Looks at one running daemon; called in its loop."""

    def __init__(self, running: Running, clock: Clock, history: History) -> None:
        self._running, self._clock, self._history = running, clock, history
        for language in LANGUAGES:
            _words(language)  # now, and not when somebody asks: files are read, and the loop would wait

    def briefs(self) -> list[dict[str, Any]]:
        """Return a line of each point; the age only of what is too old to be used."""
        now_s = self._clock.monotonic_s()
        return [_brief(point, now_s) for point in self._running.watch.points.values()]

    def point_state(self, point: str) -> dict[str, Any] | None:
        """Return the state of a point, and `stale_s`; without readings only its name; None if there is none such."""
        watch = self._running.watch.points.get(point)
        if watch is None:
            return None
        state = point_state(watch, self._running.loaded, self._clock.monotonic_s())
        return {**(state or {"point": point, "verdict": None}), "stale_s": watch.stale_s}

    def explanation(self, point: str, language: str) -> dict[str, Any] | None:
        """Return the verdict of a point in words; None without a diagnosis."""
        watch = self._running.watch.points.get(point)
        if watch is None or watch.diagnosis is None:
            return None
        told = explain(watch.diagnosis, self.words(language))
        return {
            "verdict": watch.diagnosis.verdict.code,
            "summary": told.summary,
            "causes": [{"code": code, "text": text} for code, text in told.causes],
            "cannot_tell": list(told.cannot_tell),
            "next_steps": list(told.next_steps),
        }

    def circles(self, point: str) -> tuple[float, Limits]:
        """Return the nominal voltage, phase to neutral, and the limits that the picture of a point shows."""
        return self._running.watch.points[point].supply.nominal_v, circles(self._running.loaded, point)

    def trend(self, point: str, span: Span) -> dict[str, Any]:
        """Return the trend of a point, and the time stamp of now."""
        trend = self._history.trend(point, span, self._clock.monotonic_s())
        return {"at": stamp(self._clock.now()), **trend}

    def words(self, language: str | None) -> Messages:
        """Return the words of a language; of the site's for None or one that there is not."""
        loaded = self._running.loaded
        if language not in LANGUAGES or language == loaded.site.language:
            return loaded.messages
        return _words(language)

    async def events(self, limit: int, before: int | None) -> list[dict[str, Any]]:
        """Return events as published, newest first, each with its `place`."""
        asked = self._running.delivery.ask(lambda journal: journal.events(limit, before))
        return [{**json.loads(past.payload), "place": past.place} for past in await asyncio.wrap_future(asked)]

    async def evidence(self, alert_id: str) -> dict[str, Any] | None:
        """Return the readings around the onset of an occurrence; None if none are kept."""
        asked = self._running.delivery.ask(lambda journal: journal.evidence(alert_id))
        found = await asyncio.wrap_future(asked)
        if found is None:
            return None
        return {
            "alert_id": found.alert_id,
            "subject": found.subject,
            "rule": found.rule,
            "at": stamp(found.at),
            "samples": found.samples,
            "complete": found.complete,
        }


def _brief(point: PointMonitor, now_s: float) -> dict[str, Any]:
    reading, diagnosis = point.reading, point.diagnosis
    if reading is None or diagnosis is None:
        return {"point": point.name, "verdict": None, "severity": None, "quality": None}
    age_s = now_s - reading.monotonic_s
    stale = age_s > point.stale_s
    phases_v = [reading.values[name] for name in LN if name in reading.values]
    return {
        "point": point.name,
        "verdict": diagnosis.verdict.code,
        "severity": diagnosis.verdict.severity,
        "quality": "stale" if stale else "partial" if reading.missing else "good",
        "low_v": round(min(phases_v)) if phases_v else None,
        "high_v": round(max(phases_v)) if phases_v else None,
        "age_s": round(age_s) if stale else None,
    }
