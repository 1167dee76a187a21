"""The life of an alert: four states, one table, timers that count valid time only; and the throttle of chattering.

    clear -> pending -> active -> clearing -> clear

A condition is breach, clear or unknown. Unknown moves nothing and stops the timers: a meter that falls silent
neither raises nor clears. A timer is due when valid time AND polls have run; it counts the time between two
valid samples in a row, so silence never makes an alert. After a gap of many periods a half-run timer is void.

A pending timer is a bucket with a leak: a clear sample takes back the poll and the time that a breach would have
given, and the empty bucket is clear. What is faulty in two polls of three gains one poll in three and matures (an
arcing neutral: 3 polls are due after 5); what is good at least as often as not never does, and a single blip is gone
with the next sample.

Raised three times within a minute, an alert chatters. From then on it stays raised, whatever its condition does, until
the condition has been clear for ten minutes of valid time, or for twice its off-delay if that is longer. Meanwhile it
is active, grows more severe and changes its verdict as any other; it explains others only while its condition is
there. An acknowledgement of the chattering is no acknowledgement of a fault that then lasts: it ends when the condition
returns and lasts for a minute of valid time.

Source: ISA-18.2 / IEC 62682 (states, on-delay, off-delay, deadband, latching; chattering alarm: three or more in a
minute). The quiet time is a design choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from math import inf
from typing import Any, Final, Self

from phasewatch.rules.rule import Truth


class State(Enum):
    """Where the condition of an alert is in its life."""

    CLEAR = "clear"
    PENDING = "pending"
    ACTIVE = "active"
    CLEARING = "clearing"


_STANDING: Final = (State.ACTIVE, State.CLEARING)

TABLE: Final[dict[tuple[State, Truth], State]] = {
    (State.CLEAR, Truth.CLEAR): State.CLEAR,
    (State.CLEAR, Truth.BREACH): State.PENDING,
    (State.PENDING, Truth.CLEAR): State.PENDING,
    (State.PENDING, Truth.BREACH): State.PENDING,
    (State.ACTIVE, Truth.BREACH): State.ACTIVE,
    (State.ACTIVE, Truth.CLEAR): State.CLEARING,
    (State.CLEARING, Truth.CLEAR): State.CLEARING,
    (State.CLEARING, Truth.BREACH): State.ACTIVE,
}
"""What a valid sample does. Unknown is not in it: it moves nothing. A pending state without polls left is clear."""

DUE: Final[dict[State, State]] = {State.PENDING: State.ACTIVE, State.CLEARING: State.CLEAR}
"""Where a state goes when its timer is due."""

VOID: Final[dict[State, State]] = {State.PENDING: State.CLEAR, State.CLEARING: State.ACTIVE}
"""Where a state with a half-run timer goes after a long gap, or when nothing of it is left."""


@dataclass(frozen=True, slots=True)
class Delays:
    """How long a condition must hold, in valid time and in polls."""

    on_s: float
    off_s: float
    on_polls: int = 1
    gap_s: float = inf
    """A longer time between two valid samples is a gap, and does not count."""
    stale_s: float = inf
    """A standing alert whose condition cannot be judged for longer than this becomes unknown."""
    void_after_s: float = 60.0
    """A gap between valid samples longer than this voids a half-run timer."""
    latch: bool = False
    """Once raised, the alert clears only after it is acknowledged."""


@dataclass(frozen=True, slots=True)
class Life:
    """The state of one alert and its timer."""

    state: State = State.CLEAR
    held_s: float = 0.0
    """Valid time in this state; while pending, less the time that was clear."""
    polls: int = 0
    """Valid samples in this state; while pending, less those that were clear."""
    valid_at_s: float | None = None
    """Monotonic time of the last valid sample; None before the first."""
    frozen: bool = False
    """Whether unknown samples came since: the time up to the next valid one does not count."""

    @property
    def timed(self) -> bool:
        """Whether a timer runs."""
        return self.state in DUE

    @property
    def standing(self) -> bool:
        """Whether the alert has been raised and not cleared."""
        return self.state in _STANDING

    def resumed(self, at_s: float, *, known: bool) -> "Life":
        """Return it after a restart: a half-run timer is void unless the length of the outage is known."""
        if not self.timed:
            return self
        # Frozen: the time up to the first valid sample does not count.
        return replace(self, valid_at_s=at_s, frozen=True) if known else Life(VOID[self.state])

    def record(self) -> dict[str, Any]:
        """Return what the journal keeps."""
        return {"state": self.state.value, "held_s": round(self.held_s, 3), "polls": self.polls}

    @classmethod
    def restored(cls, kept: Mapping[str, Any]) -> Self:
        """Return it from its record."""
        return cls(State(kept["state"]), float(kept["held_s"]), int(kept["polls"]))


def step(life: Life, truth: Truth, at_s: float, delays: Delays) -> Life:
    """Return the life after one sample at a monotonic time."""
    if truth is Truth.UNKNOWN:
        return life if life.frozen else replace(life, frozen=True)
    if life.valid_at_s is not None and at_s - life.valid_at_s > delays.void_after_s and life.state in VOID:
        life = Life(VOID[life.state])
    state = TABLE[life.state, truth]
    if state is life.state and state not in DUE:
        return life  # no timer runs here
    if state is not life.state:
        life = Life(state, 0.0, 1, at_s)
    elif state is State.PENDING and truth is Truth.CLEAR:
        return _leaked(life, at_s, delays)
    else:
        life = Life(state, life.held_s + _counted_s(life, at_s, delays), life.polls + 1, at_s)
    return _matured(life, delays)


def _leaked(life: Life, at_s: float, delays: Delays) -> Life:
    """Return a pending life after a clear sample."""
    if life.polls <= 1:
        return Life(VOID[life.state], valid_at_s=at_s)
    return Life(life.state, max(0.0, life.held_s - _counted_s(life, at_s, delays)), life.polls - 1, at_s)


def _counted_s(life: Life, at_s: float, delays: Delays) -> float:
    """Return the valid time since the last sample: none over a gap, none over unknown samples."""
    if life.valid_at_s is None or life.frozen:
        return 0.0
    step_s = at_s - life.valid_at_s
    return step_s if step_s <= delays.gap_s else 0.0


def _matured(life: Life, delays: Delays) -> Life:
    if life.state is State.PENDING and life.held_s >= delays.on_s and life.polls >= delays.on_polls:
        return Life(DUE[life.state], valid_at_s=life.valid_at_s)
    if life.state is State.CLEARING and life.held_s >= delays.off_s:
        return Life(DUE[life.state], valid_at_s=life.valid_at_s)
    return life


RAISES: Final = 3
WINDOW_S: Final = 60.0
"""Raised this often within this time, an alert is chattering."""
QUIET_S: Final = 600.0
"""Clear for this long, it is not."""


def begun(raises_s: Sequence[float]) -> Life | None:
    """Return the hold that begins with the last of some raises; None if they do not chatter."""
    if len(raises_s) < RAISES or raises_s[-1] - raises_s[-RAISES] > WINDOW_S:
        return None
    return Life(State.ACTIVE)


def held(hold: Life, truth: Truth, at_s: float, delays: Delays) -> Life | None:
    """Return the hold after one sample; None once it has been quiet for long enough."""
    quiet = replace(delays, off_s=max(QUIET_S, 2.0 * delays.off_s))
    after = step(hold, truth, at_s, quiet)
    return after if after.standing else None


def back(at_s: float) -> Life:
    """Return how long a condition has been back that comes back now."""
    return Life(State.PENDING, polls=1, valid_at_s=at_s)


def lasting(life: Life, truth: Truth, at_s: float, delays: Delays) -> Life:
    """Return how long a condition has been back after one sample; standing once it lasts."""
    return step(life, truth, at_s, replace(delays, on_s=WINDOW_S, on_polls=1))


@dataclass(frozen=True, slots=True)
class Timer:
    """All that runs for one alert: the life of its condition, chattering, a return meanwhile, and the latch."""

    life: Life = Life()
    """Of the condition."""
    chatter: Life | None = None
    """While the alert chatters: the life of its condition with a far longer off-delay."""
    back: Life | None = None
    """While it chatters and its condition has returned: how long that lasts; None also once it has lasted."""
    latched: bool = False
    """The condition is gone, the acknowledgement is awaited."""
    raises_s: tuple[float, ...] = ()
    """Monotonic times of the last raises."""

    @property
    def standing(self) -> bool:
        """Whether the alert has been raised and not cleared; its condition may be gone."""
        return self.life.standing or self.latched or self.chatter is not None

    @property
    def idle(self) -> bool:
        """Whether a clear condition can change nothing."""
        return self.life.state is State.CLEAR and self.chatter is None and not self.latched

    @property
    def chattering(self) -> bool:
        """Whether the alert comes and goes too fast to act on."""
        return self.chatter is not None

    @property
    def run_s(self) -> float | None:
        """How far a timer has run; None while none runs."""
        lives = (self.life, self.chatter, self.back)
        return max((life.held_s for life in lives if life is not None and life.timed), default=None)

    def step(self, truth: Truth, at_s: float, delays: Delays) -> "Timer":
        """Return it after one sample at a monotonic time."""
        life = step(self.life, truth, at_s, delays)
        chatter = None if self.chatter is None else held(self.chatter, truth, at_s, delays)
        returned = None if self.back is None else lasting(self.back, truth, at_s, delays)
        return Timer(life, chatter, returned, self.latched and delays.latch, self.raises_s)

    def paused(self, truth: Truth, at_s: float) -> "Timer":
        """Return it after a sample while a cause holds the alert: nothing runs, and a pending life may leak."""
        leaks = truth is Truth.CLEAR and self.life.state is State.PENDING
        life = step(self.life, Truth.CLEAR if leaks else Truth.UNKNOWN, at_s, _AT_ONCE)
        chatter, returned = (
            None if one is None else step(one, Truth.UNKNOWN, at_s, _AT_ONCE) for one in (self.chatter, self.back)
        )
        return replace(self, life=life, chatter=chatter, back=returned)

    def raised(self, at_s: float) -> "Timer":
        """Return it once the condition has come in: a third raise within a minute begins chattering."""
        raises_s = (*self.raises_s, at_s)[-RAISES:]
        returned = None if self.chatter is None else back(at_s)
        return Timer(self.life, self.chatter or begun(raises_s), returned, latched=False, raises_s=raises_s)

    def gone(self, *, latched: bool) -> "Timer":
        """Return it once the condition has gone."""
        return replace(self, back=None, latched=latched)

    def cleared(self) -> "Timer":
        """Return it after the occurrence."""
        return Timer(raises_s=self.raises_s)

    def resumed(self, at_s: float, *, known: bool) -> "Timer":
        """Return it after a restart; `known`: the length of the outage is."""
        life, chatter, returned = (
            None if one is None else one.resumed(at_s, known=known) for one in (self.life, self.chatter, self.back)
        )
        return replace(self, life=life or Life(), chatter=chatter, back=returned)

    def record(self) -> dict[str, Any]:
        """Return what the journal keeps; the raises are in `Resume`."""
        chatter, returned = (None if one is None else one.record() for one in (self.chatter, self.back))
        return {"life": self.life.record(), "chatter": chatter, "back": returned, "latched": self.latched}

    @classmethod
    def restored(cls, kept: Mapping[str, Any]) -> Self:
        """Return it from its record; one of an old version has only whether the alert was raised."""
        life = Life(State.ACTIVE if kept["standing"] else State.CLEAR)
        chatter, returned = (Life.restored(kept[one]) if kept.get(one) else None for one in ("chatter", "back"))
        if kept.get("life"):
            life = Life.restored(kept["life"])
        return cls(life, chatter, returned, kept.get("latched", False))


_AT_ONCE: Final = Delays(0.0, 0.0)
