"""Publishes retained topics that are not journaled: point states, availability, heartbeat, Home Assistant discovery.

Only the newest payload of each counts. A topic that is no longer configured is emptied at the broker.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from phasewatch import version
from phasewatch.adapters.journal.types import MQTT, DeliveryStatus, Restored, encode
from phasewatch.adapters.mqtt.homeassistant import BIRTH_TOPIC, discovery, essence
from phasewatch.adapters.systemd import boot_id, clock_synchronised
from phasewatch.alerts.point_monitor import PointMonitor
from phasewatch.configuration.site import LoadedSite
from phasewatch.contract import payloads
from phasewatch.contract.topics import ALERTS, COMMAND, METER_AVAILABILITY, POINT_STATE, STATUS
from phasewatch.meters.reading import Moment
from phasewatch.rules.rule import Health
from phasewatch.service.build import DISCOVERED, point_names
from phasewatch.service.delivery import Delivery
from phasewatch.service.poller import BusPoller
from phasewatch.service.state import Running

NO_DATA: Final = "not_enough_data"
"""Verdict of a point of which nothing was read."""
LOSS_S: Final = 3600.0
"""A journal that was lost at the start raises `storage_degraded` for so long."""
STATUS_S: Final = 60.0
"""Between two heartbeats."""


def clock_state() -> dict[str, str | None]:
    """Return how far time stamps can be trusted: whether the clock is synchronised, and which boot counts uptime."""
    return {"clock": "sync" if clock_synchronised() else "unsync", "boot_id": boot_id()}


def nominal_doubt(point: str, nominal_v: float, likelier_v: float) -> str:
    """Return the line that names a nominal voltage which does not fit what is read."""
    return (
        f"point {point}: the readings are far from supply.nominal_v {nominal_v:g} V and fit {likelier_v:g} V;"
        " nominal_v is phase to neutral: correct it, or vt_ratio, or the profile"
    )


def status(running: Running, now: datetime, now_s: float) -> dict[str, Any]:
    """Return the payload of `status`, the heartbeat; `now_s`: the monotonic clock."""
    delivery, file = running.delivery.status, running.configuration
    return payloads.status(
        site=running.loaded.site.site,
        version=version(),
        since=running.started,
        at=now,
        heartbeat_s=STATUS_S,
        clock=clock_state(),
        buses={poller.name: _bus(poller) for poller in running.pollers},
        alerts=running.watch.counts(Moment(now, now_s)),
        outbox=_outbox(delivery),
        sinks=[asdict(sink) for sink in delivery.sinks],
        storage=delivery.degraded,
        configuration=payloads.configuration(file.since, file.refused, file.refused_at),
        unserved=running.unserved,
    )


def _outbox(delivery: DeliveryStatus) -> dict[str, Any]:
    return {
        "depth": delivery.outbox_depth,
        "dropped": delivery.dropped,
        "dropped_by": {reason: dict(counts) for reason, counts in delivery.dropped_by.items()},
        "stranded": delivery.stranded,
        "dead_letters": delivery.dead_letters,
        "held": list(delivery.held),
        "rejects_visible": delivery.rejects_visible,
        "last_error": delivery.last_error,
    }


def health(running: Running, now_s: float) -> Health:
    """Return the state of the daemon itself; `now_s`: the monotonic clock."""
    delivery = running.delivery.status
    lost = delivery.set_aside if now_s - running.begun_s < LOSS_S else None
    refusing = [sink for sink in delivery.sinks if sink.refused and sink.kind != MQTT]
    errors = [delivery.last_error if delivery.held else None, *(sink.last_error for sink in refusing)]
    return Health(
        now_s,
        delivery.dropped,
        delivery.dead_letters,
        (*delivery.held, *(f"{sink.kind} {sink.name}" for sink in refusing)),
        next(filter(None, errors), delivery.last_error),
        delivery.degraded or (lost and f"it was damaged, what it knew of alerts is lost; the old one is {lost}"),
        clock_synchronised(),
    )


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
    """Return the state of the MQTT connection, for the HTTP API; a subscriber of MQTT needs no such thing."""
    return {
        "connected": delivery.connected,
        "url": delivery.url,
        "protocol": delivery.protocol,
        "connects": delivery.connects,
        "delivered": delivery.delivered,
        "refused": delivery.refused,
    }


class Publisher:
    """Publishes a change at once, and everything else at the site's interval."""

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
            delivery.mqtt.subscribe(COMMAND.address(site=loaded.site.site, verb="+"))
        if loaded.site.mqtt.homeassistant:
            delivery.mqtt.subscribe(BIRTH_TOPIC)
        if restored.fresh:
            # What was published from an earlier journal may still be retained, and nothing else would ever empty it.
            delivery.mqtt.subscribe(f"{ALERTS.address(site=loaded.site.site)}/#")
        self._begin(set(restored.announced) - self._known.keys())

    def take_over(self, loaded: LoadedSite) -> None:
        """Go on with another site file: publish everything again."""
        before, self._loaded = set(_topics(self._loaded)), loaded
        self._verdicts.clear()
        self._online.clear()
        self._begin(before)

    def _begin(self, before: set[str]) -> None:
        """Empty the topics that are no longer published, and publish discovery."""
        for topic in before - set(_topics(self._loaded)):
            self._delivery.mqtt.unpublish(topic)
        self.greet()

    def greet(self) -> None:
        """Publish discovery for Home Assistant; empty what is no longer there."""
        payloads_by_topic = discovery(self._loaded, self._known)
        for topic, payload in payloads_by_topic.items():
            if payload:
                self._delivery.mqtt.publish(topic, payload)
            else:
                self._delivery.mqtt.unpublish(topic)
        known = {topic: essence(payload) for topic, payload in payloads_by_topic.items() if payload}
        if known != self._known:
            self._known = known
            text = json.dumps({topic: payload.decode() for topic, payload in known.items()})
            self._delivery.remember({DISCOVERED: text})

    def known(self, point: str) -> bool:
        """Return whether a point's state was ever published."""
        return point in self._verdicts

    def availability(self, meter: str, *, online: bool, failing: bool) -> None:
        """Publish `online` once a meter answers and `offline` once it is known to be; nothing in between."""
        answers = online and not failing
        if self._online.get(meter) is not answers and (answers or not online):
            self._online[meter] = answers
            topic = METER_AVAILABILITY.address(site=self._loaded.site.site, meter=meter)
            self._delivery.mqtt.publish(topic, b"online" if answers else b"offline")

    def point(self, point: PointMonitor, now_s: float) -> None:
        """Publish the state of a point when its verdict changed or its interval is over."""
        if point.diagnosis is None or point.reading is None:
            return
        code = point.diagnosis.verdict.code
        due = now_s - self._published_s.get(point.name, -1e9) >= self._loaded.site.publish_interval_s
        if due or code != self._verdicts.get(point.name):
            self._verdicts[point.name], self._published_s[point.name] = code, now_s
            topic = POINT_STATE.address(site=self._loaded.site.site, point=point.name)
            self._delivery.mqtt.publish(topic, encode(payloads.point_state(point, self._loaded, now_s)))

    def silent(self, point: PointMonitor, at: datetime, now_s: float) -> None:
        """Publish that a point has no data, in place of what an earlier run may have published."""
        if point.reading is None and not self.known(point.name):
            self._verdicts[point.name], self._published_s[point.name] = NO_DATA, now_s
            topic = POINT_STATE.address(site=self._loaded.site.site, point=point.name)
            self._delivery.mqtt.publish(topic, encode(payloads.no_data(point, self._loaded, at)))

    def status(self, payload: dict[str, Any]) -> None:
        """Publish the heartbeat."""
        self._delivery.mqtt.publish(STATUS.address(site=self._loaded.site.site), encode(payload))


def _topics(loaded: LoadedSite) -> Iterator[str]:
    """Yield the topics of a site, without those of Home Assistant."""
    site = loaded.site.site
    yield STATUS.address(site=site)
    for _, meter in loaded.site.meters():
        yield METER_AVAILABILITY.address(site=site, meter=meter.name)
    for point in point_names(loaded):
        yield POINT_STATE.address(site=site, point=point)
