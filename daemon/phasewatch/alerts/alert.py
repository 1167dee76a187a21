"""One alert: its life, its occurrence, and what operators and causes did to it."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from phasewatch.alerts.lifecycle import Life, State
from phasewatch.electrical.severity import Severity
from phasewatch.rules.rule import Condition

CHATTER_RAISES: Final = 3
CHATTER_WINDOW_S: Final = 60.0
"""Raised this often within this time, an alert is chattering (ISA-18.2 practice)."""


class Key(NamedTuple):
    """What an alert is about: subject (point, meter, `_bus-...`, `_daemon`), rule, and phase slug if kept by phase."""

    subject: str
    rule: str
    phase: str = ""

    def __str__(self) -> str:
        """Return the path that topics and the journal use."""
        return "/".join(filter(None, (self.subject, self.rule, self.phase)))


@dataclass(slots=True)
class Alert:
    """The current occurrence of one alert; mutable, owned by one desk."""

    key: Key
    life: Life = field(default_factory=Life)
    count: int = 0
    """Occurrences so far; names the current one."""
    rev: int = 0
    """Changes of this alert so far; only grows."""
    since: datetime | None = None
    severity: Severity = "medium"
    condition: Condition | None = None
    """The last judged condition."""
    waiting: Condition | None = None
    """The worst breach that a pending cause held back; told if that cause never comes to stand."""
    worst: float | None = None
    """The value farthest beyond the limit since the alert was raised."""
    stale: bool = False
    """Standing, but its condition cannot be judged."""
    unknown_since_s: float | None = None
    """Monotonic time of the first of the unknown samples in a row; None while the condition can be judged."""
    suppressed_by: str | None = None
    """Occurrence of the alert that explains this one."""
    acknowledged: bool = False
    shelved_until: datetime | None = None
    first_out: bool = False
    verdict: dict[str, Any] | None = None
    """The verdict as published with the last change."""
    summary: str = ""
    worse_polls: int = 0
    """Polls in a row that were worse than `severity`."""
    diagnosed: tuple[str, ...] = ()
    """Code and phases of the verdict, as last told."""
    diagnosed_before: set[tuple[str, ...]] = field(default_factory=set)
    """Every such verdict of this occurrence."""
    other: tuple[str, ...] = ()
    """Another verdict than the one told, as long as it holds."""
    other_since_s: float = 0.0
    other_polls: int = 0
    waits_since_s: float | None = None
    """Monotonic time of the first of the breaches in a row that a pending cause held back; None without one."""
    waits_polls: int = 0
    raises: deque[float] = field(default_factory=lambda: deque(maxlen=CHATTER_RAISES))
    """Monotonic times of the last raises."""

    def stood_s(self, at: datetime, monotonic_s: float) -> float:
        """Return how long ago the alert was raised; after a restart only the wall clock knows, and it may be set."""
        if self.raises:
            return monotonic_s - self.raises[-1]
        return 0.0 if self.since is None else max(0.0, (at - self.since).total_seconds())

    @property
    def at_rest(self) -> bool:
        """Whether the alert is clear and has nothing left to tell."""
        return self.life.state is State.CLEAR and self.waiting is None and self.waits_since_s is None

    @property
    def chattering(self) -> bool:
        """Whether the alert comes and goes too fast to act on."""
        return len(self.raises) == CHATTER_RAISES and self.raises[-1] - self.raises[0] <= CHATTER_WINDOW_S

    @property
    def published_state(self) -> str:
        """The state as subscribers see it."""
        if not self.life.standing:
            return "cleared"
        return "unknown" if self.stale else "active"


def record(alert: Alert) -> dict[str, Any]:
    """Return what a restart needs to go on where it was; timers start anew."""
    return {
        "standing": alert.life.standing,
        "count": alert.count,
        "rev": alert.rev,
        "since": alert.since.isoformat() if alert.since else None,
        "severity": alert.severity,
        "worst": alert.worst,
        "stale": alert.stale,
        "suppressed_by": alert.suppressed_by,
        "acknowledged": alert.acknowledged,
        "shelved_until": alert.shelved_until.isoformat() if alert.shelved_until else None,
        "first_out": alert.first_out,
        "verdict": alert.verdict,
        "diagnosed": alert.diagnosed,
        "summary": alert.summary,
    }


def restored(key: Key, kept: dict[str, Any]) -> Alert:
    """Return an alert from its record."""
    return Alert(
        key=key,
        life=Life(State.ACTIVE if kept["standing"] else State.CLEAR),
        count=kept["count"],
        rev=kept["rev"],
        since=_moment(kept["since"]),
        severity=kept["severity"],
        worst=kept.get("worst"),
        stale=kept["stale"],
        suppressed_by=kept["suppressed_by"],
        acknowledged=kept["acknowledged"],
        shelved_until=_moment(kept["shelved_until"]),
        first_out=kept["first_out"],
        verdict=kept["verdict"],
        diagnosed=tuple(kept.get("diagnosed", ())),
        summary=kept["summary"],
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
