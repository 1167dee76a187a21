"""What waits because another alert explains it, and for how long.

Which verdict is whose: one cause, one alert.

Each verdict has a root rule; while the root's alert is pending or standing, the rules it explains are held. A held
rule waits; one that was already active becomes suppressed; one that was never raised says nothing.
"""

from typing import Final, NamedTuple

from phasewatch.alerts.alert import Alert
from phasewatch.alerts.lifecycle import Delays, State
from phasewatch.rules.catalogue import BY_VERDICT, HOLDS
from phasewatch.rules.rule import Condition

AGAIN_S: Final = 60.0
"""An alert that was suppressed more than once is told as free only after this long: its cause may come and go."""


class Holder(NamedTuple):
    """The alert that explains others, and how long it may make them wait before it stands itself."""

    alert: Alert
    delays: Delays | None = None
    """None: for ever."""

    def outlasted(self, waiting: Alert, at_s: float) -> bool:
        """Return whether a breach has waited far longer than this cause needs to come to stand.

        Causes that take turns never stand, and must not silence what they would explain.
        """
        delays, since_s = self.delays, waiting.waits_since_s
        if delays is None or since_s is None or self.alert.life.standing:
            return False
        return at_s - since_s > 2.0 * delays.on_s and waiting.waits_polls > 2 * delays.on_polls


def wait(alert: Alert, condition: Condition, delays: Delays, held_by: Alert, at_s: float) -> None:
    """Keep a breach that one poll is enough for, until its cause stands or goes away: it may be over by then."""
    if held_by.life.standing or not condition.breached:
        alert.waits_since_s, alert.waits_polls = None, 0
    else:
        alert.waits_since_s = at_s if alert.waits_since_s is None else alert.waits_since_s
        alert.waits_polls += 1
    if held_by.life.standing:
        alert.waiting = None
    elif condition.breached and not alert.life.standing and delays.on_s == 0.0 and delays.on_polls == 1:
        before = alert.waiting
        alert.waiting = condition if before is None or _beyond(condition) >= _beyond(before) else before


def still_suppressed(alert: Alert, at_s: float) -> bool:
    """Return whether a suppressed alert that nothing holds any more is to be told as suppressed for a while."""
    if alert.suppressions < 2:
        return False
    alert.free_since_s = at_s if alert.free_since_s is None else alert.free_since_s
    return at_s - alert.free_since_s < AGAIN_S


def _beyond(condition: Condition) -> float:
    return 0.0 if condition.value is None or condition.limit is None else abs(condition.value - condition.limit)


LOW: Final = frozenset(("voltage_dip",))
HIGH: Final = frozenset(("voltage_swell",))
_NOTHING: Final[frozenset[str]] = frozenset()


def explains(root: Alert) -> frozenset[str]:
    """Return the rules that an alert explains as it stands now."""
    if root.life.state is State.CLEAR or root.stale:
        return _NOTHING
    explained = _outlasted(root) if root.key.rule == "voltage_deviation" else HOLDS.get(root.key.rule, _NOTHING)
    # A root that is about to clear explains what goes with it, and not a new cause that takes its place.
    return explained - BY_VERDICT if root.life.state is State.CLEARING else explained


def _outlasted(root: Alert) -> frozenset[str]:
    """Return what a deviation of a phase has grown out of: a dip that lasts is an undervoltage.

    A dip is told at once and a deviation late, so only one that is raised explains, and only in its own direction.
    """
    condition = root.condition
    if root.life.state is not State.ACTIVE or condition is None:
        return _NOTHING
    if condition.limit is None or condition.clear_limit is None:
        return _NOTHING
    return LOW if condition.clear_limit > condition.limit else HIGH
