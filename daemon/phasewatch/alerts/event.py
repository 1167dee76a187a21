"""An event: one transition of one alert, as it goes to the journal and to subscribers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from phasewatch.alerts.alert import Alert, Key
from phasewatch.alerts.snapshot import record
from phasewatch.meters.quantities import phase_name
from phasewatch.meters.reading import Moment

SCHEMA: Final = "phasewatch.alert/1"

Transition = Literal[
    "raised",
    "cleared",
    "stale",
    "fresh",
    "acknowledged",
    "shelved",
    "unshelved",
    "suppressed",
    "unsuppressed",
    "severity_changed",
    "verdict_changed",
]


EXPLAINED: Final[frozenset[Transition]] = frozenset(("raised", "severity_changed", "verdict_changed"))
"""Transitions whose summary is the whole diagnosis; that of the others names only the transition."""


@dataclass(frozen=True, slots=True)
class PointText:
    """The words of a change."""

    summary: str
    verdict: dict[str, Any] | None = None
    """`code`, `phase`, `causes`, `cannot_tell`, `next_steps`; None where the alert has no diagnosis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The circumstances of a judgement; `tell` words a change, and is called only for one."""

    moment: Moment
    tell: Callable[[Alert, Transition], PointText]
    meters: tuple[str, ...] = ()
    readings: Mapping[str, float] = field(default_factory=dict)
    interval_s: float | None = None
    window_s: float | None = None
    verdict: tuple[str, ...] = ()
    """Code and phases of the verdict; empty where there is no diagnosis."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """The words of each reason that phasewatch itself has for a transition."""

    @property
    def at(self) -> datetime:
        """Wall clock."""
        return self.moment.at

    @property
    def monotonic_s(self) -> float:
        """Monotonic clock."""
        return self.moment.monotonic_s

    def reason(self, code: str) -> str:
        """Return a reason in words."""
        return self.reasons.get(code, code)


@dataclass(frozen=True, slots=True)
class Origin:
    """The site and journal that events come from."""

    site: str
    journal: str
    """Short id of the journal: ids of another journal are other ids."""
    stale_after_s: float = 180.0
    """How long a subscriber may trust a state without a heartbeat."""


@dataclass(frozen=True, slots=True)
class Event:
    """A transition, ready for one journal transaction: `seq` and `id` are given there."""

    key: Key
    transition: Transition
    payload: dict[str, Any]
    record: dict[str, Any]
    active: bool


def event(
    alert: Alert,
    transition: Transition,
    scene: Scene,
    origin: Origin,
    *,
    by: str | None = None,
    reason: str | None = None,
) -> Event:
    """Return the event of a transition that has just been made."""
    condition = alert.condition
    phase = phase_name(alert.key.phase) if alert.key.phase else (alert.verdicts.verdict or {}).get("phase")
    payload: dict[str, Any] = {
        "schema": SCHEMA,
        "alert_id": occurrence(alert, origin),
        "rev": alert.rev,
        "site": origin.site,
        "subject": alert.key.subject,
        "meters": list(scene.meters),
        "rule": alert.key.rule,
        "phase": phase,
        "state": alert.published_state,
        "transition": transition,
        "severity": alert.severity,
        "acknowledged": alert.acknowledged,
        "shelved_until": stamp(alert.shelved_until),
        "suppressed_by": alert.suppressed_by,
        "since": stamp(alert.since),
        "at": stamp(scene.at),
        "by": by,
        "reason": reason,
        "count": alert.count,
        "chattering": alert.timer.chattering,
        "first_out": alert.first_out,
        "value": rounded(condition.value if condition else None),
        "unit": condition.unit if condition else None,
        "limit": rounded(condition.limit if condition else None),
        "clear_limit": rounded(condition.clear_limit if condition else None),
        "source": condition.source if condition else None,
        "verdict": alert.verdicts.verdict,
        "summary": alert.wording.summary,
        "readings": {name: rounded(value) for name, value in scene.readings.items()},
        "blind": {"interval_s": scene.interval_s, "window_s": scene.window_s},
        "stale_after_s": origin.stale_after_s,
    }
    return Event(alert.key, transition, payload, record(alert, scene.moment), alert.standing)


def occurrence(alert: Alert, origin: Origin) -> str:
    """Return the id of the current occurrence of an alert."""
    return f"{origin.site}-{origin.journal}-{str(alert.key).replace('/', '-')}-{alert.count}"


def stamp(moment: datetime | None) -> str | None:
    """Return ISO 8601 UTC with milliseconds."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rounded(value: float | None) -> float | None:
    """Return a value as people and payloads need it: three decimals."""
    return None if value is None else round(value, 3)
