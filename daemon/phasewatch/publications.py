"""What is published beside alerts: the state of each point, and the heartbeat of the daemon."""

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

from phasewatch.adapters.kernel import boot_id, clock_synchronised
from phasewatch.adapters.messages import DeliveryStatus
from phasewatch.alerts.event import stamp
from phasewatch.alerts.point_watch import PointWatch
from phasewatch.electrical.numbers import numbers
from phasewatch.electrical.words import explain
from phasewatch.library import LoadedSite
from phasewatch.polling import BusPoller

STATUS_S: Final = 60.0
"""Between two heartbeats."""


def clock_state() -> dict[str, str | None]:
    """Return how far time stamps can be trusted: whether the clock is synchronised, and which boot counts uptime."""
    return {"clock": "sync" if clock_synchronised() else "unsync", "boot_id": boot_id()}


def point_state(point: PointWatch, loaded: LoadedSite, now_s: float) -> dict[str, Any]:
    """Return the payload of `points/<point>/state`: readings, picture and verdict of a point that has them."""
    reading, diagnosis = point.reading, point.diagnosis
    if reading is None or diagnosis is None:
        return {}
    return {
        "schema": "phasewatch.point/1",
        "site": loaded.site.site,
        "point": point.name,
        "meters": list(point.meters),
        "at": stamp(reading.at),
        "age_s": round(now_s - reading.monotonic_s, 3),
        "quality": _quality(point, now_s - reading.monotonic_s),
        "readings": {name: round(value, 3) for name, value in reading.values.items()},
        "missing": reading.missing,
        "picture": numbers(diagnosis),
        "verdict": diagnosis.verdict.code,
        "summary": explain(diagnosis, loaded.messages).summary,
        "stale_after_s": max(3.0 * loaded.site.publish_interval_s, 30.0),
    }


def _quality(point: PointWatch, age_s: float) -> str:
    """Return how far the readings of a point can be used: good, partial, or stale when they are old."""
    if age_s > point.stale_s:
        return "stale"
    return "partial" if point.reading is not None and point.reading.missing else "good"


def nominal_doubt(point: str, nominal_v: float, likelier_v: float) -> str:
    """Return the line that names a nominal voltage which does not fit what is read."""
    return (
        f"point {point}: the readings are far from supply.nominal_v {nominal_v:g} V and fit {likelier_v:g} V;"
        " nominal_v is phase to neutral: correct it, or vt_ratio, or the profile"
    )


def status(
    loaded: LoadedSite, pollers: Sequence[BusPoller], delivery: DeliveryStatus, since: datetime, now: datetime
) -> dict[str, Any]:
    """Return the payload of `status`, the heartbeat."""
    return {
        "schema": "phasewatch.status/1",
        "site": loaded.site.site,
        "version": version("phasewatch"),
        "since": stamp(since),
        "at": stamp(now),
        "heartbeat_s": STATUS_S,
        **clock_state(),
        "buses": {poller.name: _bus(poller) for poller in pollers},
        "outbox": {
            "depth": delivery.outbox_depth,
            "dropped": delivery.dropped,
            "dead_letters": delivery.dead_letters,
            "held": list(delivery.held),
            "rejects_visible": delivery.rejects_visible,
            "last_error": delivery.last_error,
        },
        "storage": delivery.degraded or "good",
    }


def _bus(poller: BusPoller) -> dict[str, Any]:
    return {
        "meters": len(poller.meters),
        "failing": [meter.plan.name for meter in poller.meters if meter.failures],
        "polls": sum(meter.polls for meter in poller.meters),
        "overruns": sum(meter.overruns for meter in poller.meters),
    }
