"""What is published beside alerts: the state of each point, and the heartbeat of the daemon."""

from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

from phasewatch.adapters.journal.types import DeliveryStatus
from phasewatch.adapters.systemd import boot_id, clock_synchronised
from phasewatch.alerts.event import stamp
from phasewatch.alerts.point_monitor import PointMonitor
from phasewatch.alerts.statistics import Counts
from phasewatch.configuration.site import LoadedSite
from phasewatch.electrical.diagnosis import Diagnosis, diagnose, joining, numbers
from phasewatch.electrical.explanation import explain
from phasewatch.meters.reading import Reading
from phasewatch.polling import BusPoller
from phasewatch.rules.rule import Health
from phasewatch.running import Running

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
        "alerts": _alerts(running.watch.counts(now, now_s)),
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
