"""One alert: an owner of small frozen parts, each with its own step.

Only the engine, and what an operator or the site changes through it, replaces a part. The timer is in `lifecycle`.
Each part says itself what the journal keeps of it (`record`), and comes back from that (`restored`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import isfinite
from typing import Any, Final, NamedTuple, Self

from phasewatch.alerts.lifecycle import Delays, Life, Timer
from phasewatch.electrical.severity import Severity
from phasewatch.meters.reading import Moment
from phasewatch.rules.rule import Condition, Truth

AGAIN_S: Final = 60.0
"""What comes and goes is published again only after this long: an earlier verdict, a suppression that ended before."""
LONGEST_S: Final = 7 * 86400.0
"""No shelving or acknowledgement with an end lasts longer."""
RANK: Final[dict[Severity, int]] = {"low": 0, "medium": 1, "high": 2, "critical": 3}


class Key(NamedTuple):
    """What an alert is about: subject (point, meter, `_bus-...`, `_daemon`), rule, and phase slug if kept by phase."""

    subject: str
    rule: str
    phase: str = ""

    def __str__(self) -> str:
        """Return the path that topics and the journal use."""
        return "/".join(filter(None, (self.subject, self.rule, self.phase)))


@dataclass(frozen=True, slots=True)
class Decision:
    """What an operator decided on an alert, an acknowledgement or a shelving, and when it ends."""

    until: datetime | None = None
    """None: with the occurrence."""
    until_s: float | None = None
    """The same by the monotonic clock; None also before it is known."""

    def counted(self, moment: Moment) -> Self:
        """Count the time left by the monotonic clock, so that setting the wall clock moves no end."""
        if self.until is None or self.until_s is not None:
            return self
        left_s = min(max(0.0, (self.until - moment.at).total_seconds()), LONGEST_S)
        return replace(self, until_s=moment.monotonic_s + left_s)

    def over(self, at_s: float) -> bool:
        """Return whether its time is over."""
        return self.until_s is not None and at_s >= self.until_s


@dataclass(frozen=True, slots=True)
class Suppression:
    """Which alert explains this one."""

    by: str | None = None
    """Occurrence of the cause; None: not suppressed."""
    times: int = 0
    """How often this occurrence became suppressed."""
    free_since_s: float | None = None
    """Monotonic time since when no cause holds an alert still published as suppressed; None while one does."""

    def held(self, cause: str | None = None) -> Self:
        """Return it while a cause holds the alert; `cause`: a cause that is new and suppresses it."""
        if cause is not None:
            return replace(self, by=cause, times=self.times + 1, free_since_s=None)
        return self if self.free_since_s is None else replace(self, free_since_s=None)

    def silenced(self, cause: str) -> Self:
        """Return it when a cause explains why there is no data."""
        return self if self.by is not None else replace(self, by=cause)

    def fresh(self) -> Self:
        """Return it when data is back: no cause explains the silence any more."""
        return self if self.by is None else replace(self, by=None)

    def free(self, at_s: float) -> Self:
        """Return it after a sample that no cause holds; suppressed more than once, it outlasts its cause a while."""
        if self.by is None or self.times < 2:
            return self.fresh()
        since_s = at_s if self.free_since_s is None else self.free_since_s
        return replace(self, by=self.by if at_s - since_s < AGAIN_S else None, free_since_s=since_s)


@dataclass(frozen=True, slots=True)
class Wait:
    """Breaches that wait because the alert that would explain them is still pending."""

    breach: Condition | None = None
    """The worst breach that one poll is enough for; judged if the cause is never raised."""
    since_s: float | None = None
    """Monotonic time of the first of the breaches in a row; None without one."""
    polls: int = 0

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return self.breach is None and self.since_s is None

    def step(self, condition: Condition, at_s: float, *, raised: bool, at_once: bool) -> "Wait":
        """Return it after a condition that a cause holds.

        `raised`: the cause is; `at_once`: one poll of this condition would raise the alert.
        """
        if raised:
            return Wait()
        if not condition.breached:
            return Wait(self.breach)
        since_s = at_s if self.since_s is None else self.since_s
        breach = worst_of(self.breach, condition) if at_once else self.breach
        return Wait(breach, since_s, self.polls + 1)

    def free(self) -> "Wait":
        """Return it when nothing holds the alert: the breaches in a row end, the one that waits does not."""
        return self if self.since_s is None and not self.polls else Wait(self.breach)


def worst_of(before: Condition | None, condition: Condition) -> Condition:
    """Return the condition farther beyond its limit."""
    return condition if before is None or _beyond(condition) >= _beyond(before) else before


def _beyond(condition: Condition) -> float:
    return 0.0 if condition.value is None or condition.limit is None else abs(condition.value - condition.limit)


@dataclass(frozen=True, slots=True)
class Escalation:
    """The severity of an occurrence; it never falls before the alert clears."""

    severity: Severity = "medium"
    worse_polls: int = 0
    """Polls in a row that were worse."""

    def step(self, severity: Severity, on_polls: int) -> "Escalation":
        """Return it after a breach: more severe after as many worse polls as a raise takes."""
        if RANK[severity] <= RANK[self.severity]:
            return Escalation(self.severity) if self.worse_polls else self
        worse_polls = self.worse_polls + 1
        return Escalation(self.severity, worse_polls) if worse_polls < on_polls else Escalation(severity)


@dataclass(frozen=True, slots=True)
class VerdictHistory:
    """The verdict of an occurrence as published, those before it, and another one that may replace it."""

    verdict: dict[str, Any] | None = None
    """As published with the last change."""
    diagnosed: tuple[str, ...] = ()
    """Its code and phases."""
    earlier: frozenset[tuple[str, ...]] = frozenset()
    """Code and phases of every verdict of this occurrence."""
    other: tuple[str, ...] = ()
    """Another verdict than the published one, as long as it holds."""
    other_since_s: float = 0.0
    other_polls: int = 0

    def step(self, found: tuple[str, ...], at_s: float) -> Self:
        """Return it after a breach with this verdict; empty: none that this alert goes by."""
        if not found or found == self.diagnosed:
            return replace(self, other=()) if self.other else self
        if found != self.other:
            return replace(self, other=found, other_since_s=at_s, other_polls=1)
        return replace(self, other_polls=self.other_polls + 1)

    def due(self, delays: Delays, at_s: float) -> bool:
        """Return whether the other verdict has held as long as a raise takes, and longer if it was published before."""
        if not self.other or self.other_polls < delays.on_polls:
            return False
        needs_s = max(AGAIN_S, delays.on_s) if self.other in self.earlier else delays.on_s
        return at_s - self.other_since_s >= needs_s

    def published(self, verdict: dict[str, Any] | None, diagnosed: tuple[str, ...]) -> "VerdictHistory":
        """Return it once a verdict is published."""
        return VerdictHistory(verdict, diagnosed, self.earlier | {diagnosed})

    def cleared(self) -> "VerdictHistory":
        """Return it after the occurrence: only the verdict published last is kept."""
        return VerdictHistory(self.verdict)

    def record(self) -> dict[str, Any]:
        """Return what the journal keeps."""
        return {"verdict": self.verdict, "diagnosed": self.diagnosed}

    @classmethod
    def restored(cls, kept: Mapping[str, Any]) -> Self:
        """Return it from its record."""
        return cls(kept["verdict"], tuple(kept.get("diagnosed", ())))


@dataclass(frozen=True, slots=True)
class Wording:
    """The sentences of an alert."""

    summary: str = ""
    """Of the last change."""
    fault: str = ""
    """The last that named the fault."""

    def step(self, summary: str, *, explained: bool, active: bool) -> "Wording":
        """Return it after a change; as long as the alert is active, the fault is repeated after the change."""
        if explained:
            return Wording(summary, summary)
        return Wording(f"{summary} {self.fault}".strip() if active else summary, self.fault)

    def record(self) -> dict[str, Any]:
        """Return what the journal keeps."""
        return {"summary": self.summary, "fault": self.fault}

    @classmethod
    def restored(cls, kept: Mapping[str, Any]) -> Self:
        """Return it from its record."""
        return cls(kept["summary"], kept.get("fault", ""))


class Resume(NamedTuple):
    """What a restored alert can make sense of only when the clocks are known."""

    at: datetime
    """Wall clock of its record."""
    raised_s: tuple[float, ...] = ()
    """How long before it the last raises were."""

    def record(self) -> dict[str, Any]:
        """Return what the journal keeps."""
        return {"at": self.at.isoformat(), "raised_s": self.raised_s}

    @classmethod
    def restored(cls, kept: Mapping[str, Any]) -> Self | None:
        """Return it from its record; None from one without a time."""
        if kept.get("at") is None:
            return None
        return cls(datetime.fromisoformat(kept["at"]), tuple(float(s) for s in kept.get("raised_s", ()) if isfinite(s)))


@dataclass(frozen=True, slots=True)
class Restart:
    """What a restart leaves open."""

    resume: Resume | None = None
    """Set on a restored alert until its first judgement."""
    unseen: bool = False
    """Restored as active, and not judged since."""
    gone_unseen: bool = False
    """The condition has been clear from the first judgement after the restart on."""

    def step(self, truth: Truth) -> "Restart":
        """Return it after a sample: whether the condition has been clear ever since the restart."""
        if truth is Truth.BREACH:
            return Restart(self.resume)
        return Restart(self.resume, gone_unseen=True) if truth is Truth.CLEAR and self.unseen else self


class Kept(NamedTuple):
    """What the newest record in the journal has of the timer."""

    timer_s: float | None = None
    """How far it had run; None: none ran."""
    at_s: float = 0.0
    """Monotonic time of the record."""


_NEW_TIMER: Final = Timer()
_NOT_KEPT: Final = Kept()


@dataclass(slots=True)
class Alert:
    """The current occurrence of one alert, owned by one engine."""

    key: Key
    timer: Timer = _NEW_TIMER
    acknowledgement: Decision | None = None
    shelving: Decision | None = None
    suppression: Suppression = Suppression()
    wait: Wait = Wait()
    escalation: Escalation = Escalation()
    verdicts: VerdictHistory = VerdictHistory()
    wording: Wording = Wording()
    restart: Restart = Restart()
    kept: Kept = _NOT_KEPT
    count: int = 0
    """Occurrences so far; names the current one."""
    rev: int = 0
    """Changes of this alert so far; only grows."""
    since: datetime | None = None
    condition: Condition | None = None
    """The last judged condition."""
    worst: float | None = None
    """The value farthest beyond the limit since the alert was raised."""
    stale: bool = False
    """Raised, but its condition cannot be judged."""
    unknown_since_s: float | None = None
    """Monotonic time of the first of the unknown samples in a row; None while the condition can be judged."""
    first_out: bool = False
    retired: bool = False
    """Its rule is no longer configured."""
    at_rest: bool = True
    """`settled`, as the engine left it: a clear condition changes nothing."""

    @property
    def settled(self) -> bool:
        """Whether a clear condition can change nothing."""
        return self.timer.idle and self.wait.idle and self.restart.resume is None

    @property
    def standing(self) -> bool:
        """Whether the alert has been raised and not cleared; its condition may be gone."""
        return self.timer.standing

    @property
    def life(self) -> Life:
        """The life of its condition."""
        return self.timer.life

    @property
    def suppressed_by(self) -> str | None:
        """Occurrence of the alert that explains this one."""
        return self.suppression.by

    @property
    def acknowledged(self) -> bool:
        """Whether an operator has acknowledged this occurrence."""
        return self.acknowledgement is not None

    @property
    def shelved_until(self) -> datetime | None:
        """When the shelving ends; None: not shelved."""
        return None if self.shelving is None else self.shelving.until

    @property
    def severity(self) -> Severity:
        """The severity of the occurrence."""
        return self.escalation.severity

    @property
    def published_state(self) -> str:
        """The state as subscribers see it."""
        if not self.standing:
            return "cleared"
        return "unknown" if self.stale else "active"

    def stood_s(self, moment: Moment) -> float:
        """Return how long ago the alert was raised; after a restart only the wall clock knows, and it may be set."""
        if self.timer.raises_s:
            return moment.monotonic_s - self.timer.raises_s[-1]
        return 0.0 if self.since is None else max(0.0, (moment.at - self.since).total_seconds())
