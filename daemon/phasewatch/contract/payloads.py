"""Payloads of the retained topics that are not alerts: state of a point, heartbeat, list of active alerts.

Plain values in, a JSON object out: times come in as arguments. The events are made in `alerts.event`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from phasewatch.alerts.event import stamp
from phasewatch.alerts.point_monitor import PointMonitor
from phasewatch.alerts.statistics import Counts
from phasewatch.configuration.site import LoadedSite
from phasewatch.electrical.diagnosis import Diagnosis, diagnose, joining, numbers
from phasewatch.electrical.explanation import explain
from phasewatch.meters.reading import Reading

_COUNTED: Final = (
    *("active", "unacknowledged", "shelved", "suppressed", "stale"),
    *("standing_24h", "chattering", "raised_10min"),
)
_LISTED: Final = (
    *("alert_id", "rev", "severity", "subject", "rule", "phase", "state", "since"),
    *("acknowledged", "shelved_until", "suppressed_by"),
)


def point_state(point: PointMonitor, loaded: LoadedSite, now_s: float) -> dict[str, Any]:
    """Return the payload of `points/<point>/state`; {} for a point without readings. `now_s`: the monotonic clock."""
    reading, diagnosis = point.reading, point.diagnosis
    if reading is None or diagnosis is None:
        return {}
    age_s = now_s - reading.monotonic_s
    return _state(point, loaded, reading, diagnosis, age_s=round(age_s, 3), quality=_quality(point, age_s))


def no_data(point: PointMonitor, loaded: LoadedSite, at: datetime) -> dict[str, Any]:
    """Return the payload of `points/<point>/state` for a point of which nothing was read since the start."""
    nothing = Reading(point.name, at, 0.0, {})
    return _state(point, loaded, nothing, diagnose({}, point.supply), age_s=None, quality="stale")


def _state(
    point: PointMonitor,
    loaded: LoadedSite,
    reading: Reading,
    diagnosis: Diagnosis,
    *,
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
    """Return whether the readings of a point are good, partial, or stale because they are old."""
    if age_s > point.stale_s:
        return "stale"
    missing = point.reading is not None and point.reading.missing
    unjudged = point.diagnosis is not None and point.diagnosis.unjudged
    return "partial" if missing or unjudged else "good"


def status(
    *,
    site: str,
    version: str,
    since: datetime,
    at: datetime,
    heartbeat_s: float,
    clock: Mapping[str, str | None],
    buses: Mapping[str, Mapping[str, Any]],
    alerts: Counts,
    outbox: Mapping[str, Any],
    sinks: Sequence[Mapping[str, Any]],
    storage: str | None,
    configuration: Mapping[str, Any],
    unserved: str | None,
) -> dict[str, Any]:
    """Return the payload of `status`, the heartbeat.

    `clock`: `clock` and `boot_id`; `storage`: why the journal is only in memory, None while it is on the disk.
    """
    return {
        "schema": "phasewatch.status/1",
        "site": site,
        "version": version,
        "since": stamp(since),
        "at": stamp(at),
        "heartbeat_s": heartbeat_s,
        **clock,
        "buses": dict(buses),
        "alerts": _counts(alerts),
        "outbox": dict(outbox),
        "sinks": [dict(sink) for sink in sinks],
        "storage": storage or "good",
        "configuration": dict(configuration),
        "unserved": unserved,
    }


def _counts(counts: Counts) -> dict[str, Any]:
    """Return how many alerts there are of each kind."""
    return {name: getattr(counts, name) for name in _COUNTED} | {"by_severity": dict(counts.by_severity)}


def configuration(since: datetime, refused: str | None, refused_at: datetime | None) -> dict[str, Any]:
    """Return which site file is in force, as a part of `status`; `refused`: why the file of now is not."""
    return {"since": stamp(since), "refused": refused, "refused_at": stamp(refused_at)}


def alert_list(
    site: str, journal: str, *, seq: int, ended: Mapping[str, int], active: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the payload of `alerts`; `seq` counts the events of `journal`, `ended` names the last of earlier ones."""
    series = {"journal": journal, "seq": seq, "ended": ended}
    return {"schema": "phasewatch.alerts/1", "site": site, **series, "active": active}


def listed(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the list of active alerts says of one, from its newest event."""
    return {name: event.get(name) for name in _LISTED}
