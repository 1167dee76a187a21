"""What is told without the journal: states of points, who is online, the heartbeat, and what Home Assistant may show.

Only the newest of each counts. What is no longer configured is emptied at the broker.

What is published beside alerts: the state of each point, and the heartbeat of the daemon.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

from phasewatch.adapters.journal.types import DeliveryStatus, Restored, encode
from phasewatch.adapters.mqtt.delivery import Delivery
from phasewatch.adapters.mqtt.homeassistant import BIRTH_TOPIC, discovery, essence
from phasewatch.adapters.systemd import boot_id, clock_synchronised
from phasewatch.alerts.event import stamp
from phasewatch.alerts.point_monitor import PointMonitor
from phasewatch.alerts.statistics import Counts
from phasewatch.configuration.site import LoadedSite
from phasewatch.contract.topics import ALERTS, COMMAND, METER_AVAILABILITY, POINT_STATE, STATUS
from phasewatch.electrical.diagnosis import Diagnosis, diagnose, joining, numbers
from phasewatch.electrical.explanation import explain
from phasewatch.meters.moment import Moment
from phasewatch.meters.reading import Reading
from phasewatch.rules.rule import Health
from phasewatch.service.build import DISCOVERED, point_names
from phasewatch.service.poller import BusPoller
from phasewatch.service.state import Running

NO_DATA: Final = "not_enough_data"
"""Verdict of a point of which nothing was read."""
LOSS_S: Final = 3600.0
"""A journal that was lost at the start is told for so long."""
STATUS_S: Final = 60.0
"""Between two heartbeats."""
_COUNTED: Final = (
    *("active", "unacknowledged", "shelved", "suppressed", "stale"),
    *("standing_24h", "chattering", "raised_10min"),
)


def clock_state() -> dict[str, str | None]:
    """Return how far time stamps can be trusted: whether the clock is synchronised, and which boot counts uptime."""
    return {"clock": "sync" if clock_synchronised() else "unsync", "boot_id": boot_id()}


def point_state(point: PointMonitor, loaded: LoadedSite, now_s: float) -> dict[str, Any]:
    """Return the payload of `points/<point>/state`: readings, picture and verdict of a point that has them."""
    reading, diagnosis = point.reading, point.diagnosis
    if reading is None or diagnosis is None:
        return {}
    age_s = now_s - reading.monotonic_s
    return _state(point, loaded, reading, diagnosis, round(age_s, 3), _quality(point, age_s))


def no_data(point: PointMonitor, loaded: LoadedSite, at: datetime) -> dict[str, Any]:
    """Return the payload of `points/<point>/state` for a point of which nothing was read since the start."""
    nothing = Reading(point.name, at, 0.0, {})
    return _state(point, loaded, nothing, diagnose({}, point.supply), None, "stale")


def _state(
    point: PointMonitor,
    loaded: LoadedSite,
    reading: Reading,
    diagnosis: Diagnosis,
    age_s: float | None,
    quality: str,
) -> dict[str, Any]:
    return {
        "schema": "phasewatch.point/1",
        "site": loaded.site.site,
        "point": point.name,
        "meters": list(point.meters),
        "at": stamp(reading.at),
        "age_s": age_s,
        "quality": quality,
        "readings": {name: round(value, 3) for name, value in reading.values.items()},
        "missing": reading.missing,
        **joining(diagnosis),
        "picture": numbers(diagnosis),
        "verdict": diagnosis.verdict.code,
        "summary": explain(diagnosis, loaded.messages).summary,
        "stale_after_s": max(3.0 * loaded.site.publish_interval_s, point.stale_s, 30.0),
    }


def _quality(point: PointMonitor, age_s: float) -> str:
    """Return how far the readings of a point can be used: good, partial, or stale when they are old."""
    if age_s > point.stale_s:
        return "stale"
    missing = point.reading is not None and point.reading.missing
    unjudged = point.diagnosis is not None and point.diagnosis.unjudged
    return "partial" if missing or unjudged else "good"


def nominal_doubt(point: str, nominal_v: float, likelier_v: float) -> str:
    """Return the line that names a nominal voltage which does not fit what is read."""
    return (
        f"point {point}: the readings are far from supply.nominal_v {nominal_v:g} V and fit {likelier_v:g} V;"
        " nominal_v is phase to neutral: correct it, or vt_ratio, or the profile"
    )


def status(running: Running, now: datetime, now_s: float) -> dict[str, Any]:
    """Return the payload of `status`, the heartbeat; `now_s`: the monotonic clock."""
    delivery = running.delivery.status
    return {
        "schema": "phasewatch.status/1",
        "site": running.loaded.site.site,
        "version": version("phasewatch"),
        "since": stamp(running.started),
        "at": stamp(now),
        "heartbeat_s": STATUS_S,
        **clock_state(),
        "buses": {poller.name: _bus(poller) for poller in running.pollers},
        "alerts": _alerts(running.watch.counts(Moment(now, now_s))),
        "outbox": {
            "depth": delivery.outbox_depth,
            "dropped": delivery.dropped,
            "dropped_by": {reason: dict(counts) for reason, counts in delivery.dropped_by.items()},
            "stranded": delivery.stranded,
            "dead_letters": delivery.dead_letters,
            "held": list(delivery.held),
            "rejects_visible": delivery.rejects_visible,
            "last_error": delivery.last_error,
        },
        "storage": delivery.degraded or "good",
        "configuration": {
            "since": stamp(running.configuration.since),
            "refused": running.configuration.refused,
            "refused_at": stamp(running.configuration.refused_at),
        },
        "unserved": running.unserved,
    }


def health(running: Running, now_s: float) -> Health:
    """Return how the daemon itself stands; `now_s`: the monotonic clock."""
    delivery = running.delivery.status
    lost = delivery.set_aside if now_s - running.begun_s < LOSS_S else None
    return Health(
        now_s,
        delivery.dropped,
        delivery.dead_letters,
        delivery.held,
        delivery.last_error,
        delivery.degraded or (lost and f"it was damaged, what it knew of alerts is lost; the old one is {lost}"),
        clock_synchronised(),
    )


def _alerts(counts: Counts) -> dict[str, Any]:
    """Return how many alerts there are of each kind."""
    return {name: getattr(counts, name) for name in _COUNTED} | {"by_severity": dict(counts.by_severity)}


def _bus(poller: BusPoller) -> dict[str, Any]:
    return {
        "meters": len(poller.meters),
        "failing": [meter.plan.name for meter in poller.meters if meter.failures],
        "polls": poller.polls,
        "failures": sum(sum(meter.kinds.values()) for meter in poller.meters),
        "overruns": poller.overruns,
        "load_percent": None if poller.load is None else round(100.0 * poller.load, 1),
    }


def delivery_state(delivery: DeliveryStatus) -> dict[str, Any]:
    """Return how the way to the broker stands, for those who ask over HTTP: who gets it over MQTT knows."""
    return {
        "connected": delivery.connected,
        "url": delivery.url,
        "protocol": delivery.protocol,
        "connects": delivery.connects,
        "delivered": delivery.delivered,
        "refused": delivery.refused,
    }


class Publisher:
    """Says what is new, at once; and what goes on, at the site's interval."""

    def __init__(
        self, loaded: LoadedSite, delivery: Delivery, restored: Restored, discovered: Mapping[str, str]
    ) -> None:
        """`restored`: what the journal knew at the start; `discovered`: what Home Assistant knows, by topic."""
        self._loaded, self._delivery = loaded, delivery
        self._known = {topic: text.encode() for topic, text in discovered.items() if isinstance(text, str)}
        self._verdicts: dict[str, str] = {}
        self._published_s: dict[str, float] = {}
        self._online: dict[str, bool] = {}
        if loaded.site.mqtt.commands:
            delivery.subscribe(COMMAND.address(site=loaded.site.site, verb="+"))
        if loaded.site.mqtt.homeassistant:
            delivery.subscribe(BIRTH_TOPIC)
        if restored.fresh:
            # What an earlier journal told may still be retained, and nothing else would ever take it back.
            delivery.subscribe(f"{ALERTS.address(site=loaded.site.site)}/#")
        self._begin(set(restored.announced) - self._known.keys())

    def take_over(self, loaded: LoadedSite) -> None:
        """Go on with another site file: everything is told anew."""
        before, self._loaded = set(_topics(self._loaded)), loaded
        self._verdicts.clear()
        self._online.clear()
        self._begin(before)

    def _begin(self, before: set[str]) -> None:
        """Empty what is told no more, and tell Home Assistant what there is now."""
        for topic in before - set(_topics(self._loaded)):
            self._delivery.unpublish(topic)
        self.greet()

    def greet(self) -> None:
        """Tell Home Assistant what there is, and what there is no more."""
        told = discovery(self._loaded, self._known)
        for topic, payload in told.items():
            if payload:
                self._delivery.publish(topic, payload)
            else:
                self._delivery.unpublish(topic)
        known = {topic: essence(payload) for topic, payload in told.items() if payload}
        if known != self._known:
            self._known = known
            text = json.dumps({topic: payload.decode() for topic, payload in known.items()})
            self._delivery.remember({DISCOVERED: text})

    def known(self, point: str) -> bool:
        """Return whether a point's state was ever told."""
        return point in self._verdicts

    def availability(self, meter: str, *, online: bool, failing: bool) -> None:
        """Say that a meter is online once it answers, and offline once it is known to be; in between nothing is new."""
        answers = online and not failing
        if self._online.get(meter) is not answers and (answers or not online):
            self._online[meter] = answers
            topic = METER_AVAILABILITY.address(site=self._loaded.site.site, meter=meter)
            self._delivery.publish(topic, b"online" if answers else b"offline")

    def point(self, point: PointMonitor, now_s: float) -> None:
        """Tell the state of a point when its verdict changed, or its time has come."""
        if point.diagnosis is None or point.reading is None:
            return
        code = point.diagnosis.verdict.code
        due = now_s - self._published_s.get(point.name, -1e9) >= self._loaded.site.publish_interval_s
        if due or code != self._verdicts.get(point.name):
            self._verdicts[point.name], self._published_s[point.name] = code, now_s
            topic = POINT_STATE.address(site=self._loaded.site.site, point=point.name)
            self._delivery.publish(topic, encode(point_state(point, self._loaded, now_s)))

    def silent(self, point: PointMonitor, at: datetime, now_s: float) -> None:
        """Tell that a point has no data, in the place of what it may have told in an earlier life."""
        if point.reading is None and not self.known(point.name):
            self._verdicts[point.name], self._published_s[point.name] = NO_DATA, now_s
            topic = POINT_STATE.address(site=self._loaded.site.site, point=point.name)
            self._delivery.publish(topic, encode(no_data(point, self._loaded, at)))

    def status(self, payload: dict[str, Any]) -> None:
        """Publish the heartbeat."""
        self._delivery.publish(STATUS.address(site=self._loaded.site.site), encode(payload))


def _topics(loaded: LoadedSite) -> Iterator[str]:
    """Yield the topics that are told of a site, those of Home Assistant aside."""
    site = loaded.site.site
    yield STATUS.address(site=site)
    for _, meter in loaded.site.meters():
        yield METER_AVAILABILITY.address(site=site, meter=meter.name)
    for point in point_names(loaded):
        yield POINT_STATE.address(site=site, point=point)
