"""What the journal keeps of an alert, so that a restart goes on where it was.

Timers are kept with the valid time they have run: the time while down is no valid time. After an outage longer than an
hour, or of a length that the wall clock cannot tell, half-run timers are void.

Timers run in memory and flash wears by writing, so what only runs is written seldom: first when it has run for ten
seconds, then once a minute as long as it moves, and once more when it stops. A blip is never written, and neither is
a healthy site.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from phasewatch.alerts.alert import (
    Alert,
    Decision,
    Escalation,
    Kept,
    Key,
    Restart,
    Resume,
    Suppression,
    VerdictHistory,
    Wording,
)
from phasewatch.alerts.lifecycle import RAISES, State, Timer
from phasewatch.meters.reading import Moment

OUTAGE_S: Final = 3600.0
"""A longer outage voids half-run timers."""
SET_BACK_S: Final = 60.0
"""Nor is an outage known that seems to have ended before it began, by more than a clock is adjusted by."""
WORTH_S: Final = 10.0
"""A timer that has run for less is not written: to lose it costs no more than this."""
AGAIN_S: Final = 60.0
"""Between two records of a timer that runs on."""
_PLAIN: Final = ("count", "rev", "stale", "first_out", "worst")
"""What an alert has besides its parts, as it is in JSON."""


def record(alert: Alert, moment: Moment) -> dict[str, Any]:
    """Return what a restart needs to go on where it was: the records of the parts, and what the alert itself has."""
    raised_s = tuple(round(moment.monotonic_s - raised_s, 3) for raised_s in alert.timer.raises_s)
    return {
        **(alert.restart.resume or Resume(moment.at, raised_s)).record(),
        **alert.timer.record(),
        **alert.verdicts.record(),
        **alert.wording.record(),
        "standing": alert.standing,
        "acknowledged": alert.acknowledged,
        "acknowledged_until": _iso(None if alert.acknowledgement is None else alert.acknowledgement.until),
        "shelved_until": _iso(alert.shelved_until),
        "suppressed_by": alert.suppression.by,
        "severity": alert.severity,
        "since": _iso(alert.since),
        **{name: getattr(alert, name) for name in _PLAIN},
    }


def restored(key: Key, kept: Mapping[str, Any]) -> Alert:
    """Return an alert from its record; what depends on clocks waits for `resumed`."""
    timer, shelved_until = Timer.restored(kept), _moment(kept["shelved_until"])
    until = _moment(kept.get("acknowledged_until")) if kept["standing"] else None
    alert = Alert(
        key=key,
        timer=timer,
        verdicts=VerdictHistory.restored(kept),
        wording=Wording.restored(kept),
        acknowledgement=Decision(until) if kept["acknowledged"] else None,
        shelving=None if shelved_until is None else Decision(shelved_until),
        suppression=Suppression(kept["suppressed_by"]),
        escalation=Escalation(kept["severity"]),
        restart=Restart(Resume.restored(kept), unseen=timer.life.state is State.ACTIVE),
        kept=Kept(timer.run_s),
        since=_moment(kept["since"]),
        worst=kept.get("worst"),
        **{name: kept[name] for name in _PLAIN if name != "worst"},
    )
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


def resumed(timer: Timer, kept: Resume, moment: Moment) -> Timer:
    """Return the timer of a restored alert, now that the clocks are known."""
    outage_s = (moment.at - kept.at).total_seconds()
    known = -SET_BACK_S <= outage_s <= OUTAGE_S
    timer = timer.resumed(moment.monotonic_s, known=known)
    if not known:
        return timer
    begun_s = moment.monotonic_s - max(0.0, outage_s)
    return replace(timer, raises_s=tuple(begun_s - ago_s for ago_s in kept.raised_s)[-RAISES:])


def worth_keeping(alert: Alert, monotonic_s: float) -> bool:
    """Return whether what the journal has of a timer is too old."""
    timer_s, kept_s = alert.timer.run_s, alert.kept.timer_s
    if timer_s == kept_s:
        return False  # nothing runs, or nothing has moved since
    if timer_s is None or kept_s is None:
        return timer_s is None or timer_s >= WORTH_S
    return monotonic_s - alert.kept.at_s >= AGAIN_S


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
