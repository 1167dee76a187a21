"""What waits because another alert explains it, and for how long.

Which verdict is whose: one cause, one alert.

Each verdict has a root rule; while the root's alert is pending or standing, the rules it explains are held. A held
rule waits; one that was already active becomes suppressed; one that was never raised says nothing.
"""

from typing import Final, NamedTuple

from phasewatch.alerts.alert import Alert
from phasewatch.alerts.lifecycle import Delays, State
from phasewatch.rules.catalogue import BY_VERDICT, HOLDS


class Holder(NamedTuple):
    """The alert that explains others, and how long it may make them wait before it stands itself."""

    alert: Alert
    delays: Delays | None = None
    """None: for ever."""

    def outlasted(self, waiting: Alert, at_s: float) -> bool:
        """Return whether a breach has waited far longer than this cause needs to come to stand.

        Causes that take turns never stand, and must not silence what they would explain.
        """
        delays, wait = self.delays, waiting.wait
        if delays is None or wait.since_s is None or self.alert.life.standing:
            return False
        return at_s - wait.since_s > 2.0 * delays.on_s and wait.polls > 2 * delays.on_polls


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
