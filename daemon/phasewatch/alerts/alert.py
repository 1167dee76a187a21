"""One alert: its life, its occurrence, and what operators and causes did to it."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from phasewatch.alerts.lifecycle import RAISES, Life, State
from phasewatch.electrical.severity import Severity
from phasewatch.rules.rule import Condition


class Key(NamedTuple):
    """What an alert is about: subject (point, meter, `_bus-...`, `_daemon`), rule, and phase slug if kept by phase."""

    subject: str
    rule: str
    phase: str = ""

    def __str__(self) -> str:
        """Return the path that topics and the journal use."""
        return "/".join(filter(None, (self.subject, self.rule, self.phase)))


class Resume(NamedTuple):
    """What a restored alert can make sense of only when the clocks are known."""

    at: datetime
    """Wall clock of its record."""
    raised_s: tuple[float, ...] = ()
    """How long before it the last raises were."""


@dataclass(slots=True)
class Alert:
    """The current occurrence of one alert; mutable, owned by one desk."""

    key: Key
    life: Life = field(default_factory=Life)
    """Of the condition."""
    chatter: Life | None = None
    """While the alert chatters: the life of its condition with a far longer off-delay."""
    back: Life | None = None
    """While it chatters and its condition is back after it had been clear: how long it lasts; None also once told."""
    latched: bool = False
    """The condition is gone, the acknowledgement is awaited."""
    at_rest: bool = True
    """Whether the alert is clear and has nothing left to tell: `settled`, as the desk left it."""
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
    suppressions: int = 0
    """How often this occurrence became suppressed."""
    free_since_s: float | None = None
    """Monotonic time since when nothing holds an alert that is still told as suppressed; None while it is held."""
    acknowledged: bool = False
    acknowledged_until: datetime | None = None
    """When the acknowledgement ends; None: with the occurrence."""
    acknowledged_until_s: float | None = None
    """The same by the monotonic clock; None also before it is known."""
    shelved_until: datetime | None = None
    shelved_until_s: float | None = None
    """The same by the monotonic clock; None also before it is known."""
    first_out: bool = False
    retired: bool = False
    """Its rule is no longer configured."""
    verdict: dict[str, Any] | None = None
    """The verdict as published with the last change."""
    summary: str = ""
    """The sentence of the last change."""
    fault: str = ""
    """The sentence that said last what is wrong."""
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
    raises: deque[float] = field(default_factory=lambda: deque(maxlen=RAISES))
    """Monotonic times of the last raises."""
    resume: Resume | None = None
    """Set on a restored alert until its first judgement."""
    unseen: bool = False
    """Restored as active, and not judged since."""
    gone_unseen: bool = False
    """The condition has been clear from the first judgement after the restart on."""
    kept_timer_s: float | None = None
    """How far its timer has run by its newest record in the journal; None: no timer runs by that."""
    kept_s: float = 0.0
    """Monotonic time of that record."""

    def stood_s(self, at: datetime, monotonic_s: float) -> float:
        """Return how long ago the alert was raised; after a restart only the wall clock knows, and it may be set."""
        if self.raises:
            return monotonic_s - self.raises[-1]
        return 0.0 if self.since is None else max(0.0, (at - self.since).total_seconds())

    def end_acknowledgement(self) -> None:
        """Make it an alert that nobody has taken note of."""
        self.acknowledged, self.acknowledged_until, self.acknowledged_until_s = False, None, None

    @property
    def standing(self) -> bool:
        """Whether the alert has been raised and not cleared; its condition may be gone."""
        return self.life.standing or self.latched or self.chatter is not None

    @property
    def settled(self) -> bool:
        """Whether a clear condition can change nothing."""
        return (
            self.life.state is State.CLEAR
            and self.waiting is None
            and self.waits_since_s is None
            and self.chatter is None
            and not self.latched
            and self.resume is None
        )

    @property
    def chattering(self) -> bool:
        """Whether the alert comes and goes too fast to act on."""
        return self.chatter is not None

    @property
    def timer_s(self) -> float | None:
        """How far a timer has run; None while none runs."""
        lives = (self.life, self.chatter, self.back)
        running = [life.held_s for life in lives if life is not None and life.timed]
        return max(running, default=None)

    def say(self, summary: str, *, explained: bool, over: bool) -> None:
        """Take the sentence of a change; as long as the alert stands, what is wrong is said with it."""
        if explained:
            self.fault = summary
        still = self.standing and not explained and not over
        self.summary = f"{summary} {self.fault}".strip() if still else summary

    @property
    def published_state(self) -> str:
        """The state as subscribers see it."""
        if not self.standing:
            return "cleared"
        return "unknown" if self.stale else "active"
