"""What a running daemon answers: commands over MQTT and HTTP, its state, what the page shows, its metrics."""

import asyncio
import json
import logging
import queue
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from phasewatch import version
from phasewatch.adapters.journal.types import decode, encode
from phasewatch.adapters.metrics import Measures, MeterMeasures, PointMeasures
from phasewatch.adapters.mqtt.client import Arrived
from phasewatch.adapters.mqtt.homeassistant import BIRTH_TOPIC
from phasewatch.adapters.systemd import clock_synchronised
from phasewatch.alerts.event import stamp
from phasewatch.alerts.operations import Answer, CommandError, parse, refusal
from phasewatch.alerts.point_monitor import PointMonitor
from phasewatch.configuration.files import load_messages
from phasewatch.contract.payloads import point_state
from phasewatch.contract.topics import ALERT, COMMAND, PHASE_ALERT, REPLY, kind_of
from phasewatch.drawing.places import Limits
from phasewatch.drawing.trends import History, Span
from phasewatch.electrical.diagnosis import NUMBERS
from phasewatch.electrical.explanation import Messages, explain
from phasewatch.meters.quantities import LN, UNITS
from phasewatch.meters.reading import Moment
from phasewatch.service.build import circles
from phasewatch.service.event_recorder import EventRecorder
from phasewatch.service.poller import KINDS, Clock
from phasewatch.service.publisher import delivery_state, status
from phasewatch.service.state import Running
from phasewatch.settings import LANGUAGES

_words = lru_cache(load_messages)

MOST_BYTES: Final = 64 * 1024
"""Of a command."""

_log = logging.getLogger(__name__)


class Api:
    """Answers for one running daemon; called in its loop."""

    def __init__(
        self, running: Running, books: EventRecorder, clock: Clock, history: History, greet: Callable[[], None]
    ) -> None:
        """`greet`: tell Home Assistant what there is."""
        self._running, self._books, self._greet = running, books, greet
        self._clock, self._history = clock, history
        for language in LANGUAGES:
            _words(language)  # now, and not at a request: files are read, and the loop would wait

    # The API

    def status(self) -> dict[str, Any]:
        """Return the heartbeat, and how the way to the broker stands."""
        return {**self.heartbeat(), "delivery": delivery_state(self._running.delivery.status)}

    def heartbeat(self) -> dict[str, Any]:
        """Return the heartbeat as published."""
        return status(self._running, self._clock.now(), self._clock.monotonic_s())

    def points(self) -> list[dict[str, Any]]:
        """Return the state of every point; of one without readings only its name."""
        loaded, now_s = self._running.loaded, self._clock.monotonic_s()
        points = self._running.watch.points.values()
        return [point_state(point, loaded, now_s) or {"point": point.name, "verdict": None} for point in points]

    async def alerts(self) -> list[dict[str, Any]]:
        """Return the current state of every alert as published; those that are cleared, too."""
        asked = self._running.delivery.ask(lambda journal: journal.states())
        return [json.loads(payload) for payload in await asyncio.wrap_future(asked)]

    def measures(self) -> Measures:
        """Return a picture of every metric."""
        return measures(self._running, self._clock.now(), self._clock.monotonic_s())

    # The page

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

    # Commands

    def operate(self, verb: str, body: object) -> dict[str, Any]:
        """Do a command; return the reply as published."""
        try:
            answer = self._do(verb, body)
        except CommandError as error:
            answer = refusal(verb, body, error)
        return self._reply(answer)

    def _reply(self, answer: Answer) -> dict[str, Any]:
        site, at = self._running.loaded.site.site, stamp(self._clock.now())
        return {"schema": "phasewatch.reply/1", "site": site, "at": at, **answer.payload()}

    def _do(self, verb: str, body: object) -> Answer:
        at, now_s = self._clock.now(), self._clock.monotonic_s()
        command = parse(verb, body, at)
        answer, events = self._running.watch.operate(command, Moment(at, now_s))
        self._books.commit(events, now_s)
        if answer.ok and verb == "resync":
            self._running.delivery.mqtt.resync()
        return answer

    def take_commands(self) -> None:
        """Do what has come over MQTT."""
        with suppress(queue.Empty):
            while True:
                self._take(self._running.delivery.mqtt.messages.get_nowait())

    def _take(self, arrived: Arrived) -> None:
        if arrived.topic == BIRTH_TOPIC:
            if arrived.payload == b"online":
                self._greet()
            return
        if arrived.retain and arrived.payload and kind_of(arrived.topic) in (ALERT, PHASE_ALERT):
            self._running.delivery.ask(lambda journal: journal.empty(arrived.topic))
            return
        site, verb = self._running.loaded.site.site, arrived.topic.rpartition("/")[2]
        if arrived.topic != COMMAND.address(site=site, verb=verb):
            return
        if not arrived.payload:
            return  # somebody clears a command that was retained
        reply = self._answer(verb, arrived)
        if not reply["ok"]:
            _log.warning("command %s: %s", verb, reply["error"])
        self._running.delivery.mqtt.publish_once(REPLY.address(site=site), encode(reply))

    def _answer(self, verb: str, arrived: Arrived) -> dict[str, Any]:
        try:
            body = _body(arrived)
        except CommandError as error:
            return self._reply(refusal(verb, None, error))
        return self.operate(verb, body)


def _body(arrived: Arrived) -> object:
    """Return what a command says. Raises: CommandError."""
    if arrived.retain:
        raise CommandError("body: a retained command would be done again at every start; publish it without retain")
    if len(arrived.payload) > MOST_BYTES:
        raise CommandError(f"body: more than {MOST_BYTES} bytes")
    try:
        body: object = decode(arrived.payload)
    except RecursionError:
        raise CommandError("body: nested too deep") from None
    except ValueError as error:
        raise CommandError(f"body: is no JSON: {' '.join(str(error).split())[:200]}") from None
    return body


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


def measures(running: Running, at: datetime, now_s: float) -> Measures:
    """Return a picture of everything that is measured; `now_s`: the monotonic clock."""
    return Measures(
        version=version(),
        site=running.loaded.site.site,
        delivery=running.delivery.status,
        clock_synchronised=clock_synchronised(),
        meters=tuple(_meters(running)),
        bus_loads={poller.name: poller.load for poller in running.pollers},
        lines={poller.name: poller.line.copy() for poller in running.pollers},
        points=tuple(_point(point, now_s) for point in running.watch.points.values()),
        alerts=running.watch.counts(Moment(at, now_s)),
    )


def _meters(running: Running) -> Iterator[MeterMeasures]:
    for poller in running.pollers:
        for meter in poller.meters:
            name = meter.plan.name
            yield MeterMeasures(
                bus=poller.name,
                meter=name,
                polls=meter.polls,
                failures={kind: 0 for _, kind in KINDS} | meter.kinds,
                overruns=meter.overruns,
                busy_s=meter.busy_s,
                online=running.watch.online(name) if meter.polls else None,
            )


def _point(point: PointMonitor, now_s: float) -> PointMeasures:
    reading, diagnosis = point.reading, point.diagnosis
    if reading is None or diagnosis is None or now_s - reading.monotonic_s > point.stale_s:
        return PointMeasures(point.name)
    u2_percent = NUMBERS["u2_percent"](diagnosis)
    return PointMeasures(
        point=point.name,
        voltages_v={name: value for name, value in reading.values.items() if UNITS[name] == "V"},
        neutral_shift_v=NUMBERS["neutral_shift_v"](diagnosis),
        earth_shift_v=NUMBERS["earth_shift_v"](diagnosis),
        unbalance_ratio=None if u2_percent is None else u2_percent / 100.0,
        verdict=diagnosis.verdict.code,
    )
