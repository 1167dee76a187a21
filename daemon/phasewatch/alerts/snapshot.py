"""What the journal keeps of an alert, so that a restart goes on where it was.

Timers are kept with the valid time they have run: the time while down is no valid time. After an outage longer than an
hour, or of a length that the wall clock cannot tell, half-run timers are void.

Timers run in memory and flash wears by writing, so what only runs is written seldom: first when it has run for ten
seconds, then once a minute as long as it moves, and once more when it stops. A blip is never written, and neither is
a healthy site.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from math import isfinite
from typing import Any, Final

from phasewatch.alerts.alert import Alert, Key, Resume
from phasewatch.alerts.lifecycle import VOID, Life, State

OUTAGE_S: Final = 3600.0
"""A longer outage voids half-run timers."""
SET_BACK_S: Final = 60.0
"""Nor is an outage known that seems to have ended before it began, by more than a clock is adjusted by."""
WORTH_S: Final = 10.0
"""A timer that has run for less is not written: to lose it costs no more than this."""
AGAIN_S: Final = 60.0
"""Between two records of a timer that runs on."""
LONGEST_S: Final = 7 * 86400.0
"""No shelving or acknowledgement with an end lasts longer."""


def record(alert: Alert, at: datetime, monotonic_s: float) -> dict[str, Any]:
    """Return what a restart needs to go on where it was."""
    kept = alert.resume or Resume(at, tuple(round(monotonic_s - raised_s, 3) for raised_s in alert.raises))
    return {
        "at": kept.at.isoformat(),
        "standing": alert.standing,
        "life": _of_life(alert.life),
        "chatter": None if alert.chatter is None else _of_life(alert.chatter),
        "back": None if alert.back is None else _of_life(alert.back),
        "latched": alert.latched,
        "raised_s": kept.raised_s,
        "count": alert.count,
        "rev": alert.rev,
        "since": alert.since.isoformat() if alert.since else None,
        "severity": alert.severity,
        "worst": alert.worst,
        "stale": alert.stale,
        "suppressed_by": alert.suppressed_by,
        "acknowledged": alert.acknowledged,
        "acknowledged_until": alert.acknowledged_until.isoformat() if alert.acknowledged_until else None,
        "shelved_until": alert.shelved_until.isoformat() if alert.shelved_until else None,
        "first_out": alert.first_out,
        "verdict": alert.verdict,
        "diagnosed": alert.diagnosed,
        "summary": alert.summary,
        "fault": alert.fault,
    }


def restored(key: Key, kept: Mapping[str, Any]) -> Alert:
    """Return an alert from its record; what depends on clocks waits for `resume`."""
    state = State.ACTIVE if kept["standing"] else State.CLEAR
    life = _life(kept["life"]) if kept.get("life") else Life(state)
    written = _moment(kept.get("at"))
    alert = Alert(
        key=key,
        life=life,
        chatter=_life(kept["chatter"]) if kept.get("chatter") else None,
        back=_life(kept["back"]) if kept.get("back") else None,
        latched=kept.get("latched", False),
        count=kept["count"],
        rev=kept["rev"],
        since=_moment(kept["since"]),
        severity=kept["severity"],
        worst=kept.get("worst"),
        stale=kept["stale"],
        suppressed_by=kept["suppressed_by"],
        acknowledged=kept["acknowledged"],
        acknowledged_until=_moment(kept.get("acknowledged_until")) if kept["standing"] else None,
        shelved_until=_moment(kept["shelved_until"]),
        first_out=kept["first_out"],
        verdict=kept["verdict"],
        diagnosed=tuple(kept.get("diagnosed", ())),
        summary=kept["summary"],
        fault=kept.get("fault", ""),
        unseen=life.state is State.ACTIVE,
    )
    alert.kept_timer_s = alert.timer_s
    if written is not None:
        alert.resume = Resume(written, tuple(float(s) for s in kept.get("raised_s", ()) if isfinite(s)))
    alert.at_rest = alert.settled
    return alert


def readable(kept: Mapping[str, Any]) -> bool:
    """Return whether a record is one that an alert can be restored from: a disk may have damaged it."""
    try:
        restored(Key("", ""), kept)
    except (LookupError, TypeError, ValueError, AttributeError):
        return False
    return isinstance(kept["count"], int) and isinstance(kept["rev"], int)


def numbers(kept: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Return `count` and `rev` by path; what a disk has damaged is left out."""
    found = {}
    for path, pair in kept.items():
        match pair:
            case [int(count), int(rev)]:
                found[path] = (count, rev)
    return found


def resume(alert: Alert, at: datetime, monotonic_s: float) -> None:
    """Give a restored alert its timers back, now that the clocks are known."""
    kept, alert.resume = alert.resume, None
    if kept is None:
        return
    alert.kept_s = monotonic_s
    outage_s = (at - kept.at).total_seconds()
    known = -SET_BACK_S <= outage_s <= OUTAGE_S
    alert.life = _resumed(alert.life, monotonic_s, known)
    alert.chatter = None if alert.chatter is None else _resumed(alert.chatter, monotonic_s, known)
    alert.back = None if alert.back is None else _resumed(alert.back, monotonic_s, known)
    if known:
        begun_s = monotonic_s - max(0.0, outage_s)
        alert.raises = deque((begun_s - ago_s for ago_s in kept.raised_s), maxlen=alert.raises.maxlen)


def set_ends(alert: Alert, at: datetime, monotonic_s: float) -> None:
    """Count what people ended at a wall clock time with the monotonic clock from now on.

    So it stays when the wall clock is set; only a restart looks at the wall clock again.
    """
    if alert.shelved_until is not None and alert.shelved_until_s is None:
        alert.shelved_until_s = monotonic_s + _left_s(alert.shelved_until, at)
    if alert.acknowledged_until is not None and alert.acknowledged_until_s is None:
        alert.acknowledged_until_s = monotonic_s + _left_s(alert.acknowledged_until, at)


def worth_keeping(alert: Alert, monotonic_s: float) -> bool:
    """Return whether what the journal has of a timer is too old."""
    timer_s, kept_s = alert.timer_s, alert.kept_timer_s
    if timer_s == kept_s:
        return False  # nothing runs, or nothing has moved since
    if timer_s is None or kept_s is None:
        return timer_s is None or timer_s >= WORTH_S
    return monotonic_s - alert.kept_s >= AGAIN_S


def _left_s(until: datetime, at: datetime) -> float:
    return min(max(0.0, (until - at).total_seconds()), LONGEST_S)


def _resumed(life: Life, monotonic_s: float, known: bool) -> Life:
    if not life.timed:
        return life
    # Frozen: the time up to the first valid sample does not count.
    return replace(life, valid_at_s=monotonic_s, frozen=True) if known else Life(VOID[life.state])


def _of_life(life: Life) -> dict[str, Any]:
    return {"state": life.state.value, "held_s": round(life.held_s, 3), "polls": life.polls}


def _life(kept: Mapping[str, Any]) -> Life:
    return Life(State(kept["state"]), float(kept["held_s"]), int(kept["polls"]))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
