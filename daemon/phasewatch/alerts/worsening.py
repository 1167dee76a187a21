"""What an alert that stands has come to: how bad it was at worst, and which verdict stands behind it now."""

from typing import Final

from phasewatch.alerts.alert import Alert
from phasewatch.alerts.causes import BY_VERDICT, ROOT
from phasewatch.alerts.event import Scene
from phasewatch.alerts.lifecycle import Delays
from phasewatch.electrical.severity import Severity
from phasewatch.rules.meter_offline import MeterOffline
from phasewatch.rules.rule import Condition

_RANK: Final[dict[Severity, int]] = {"low": 0, "medium": 1, "high": 2, "critical": 3}

AGAIN_S: Final = 60.0
"""A verdict that an alert has had before is told again only when it has held for this long: it may hover."""


def worse(alert: Alert, condition: Condition) -> float | None:
    """Return the value farther beyond the limit: the worst so far, or the new one."""
    value, limit, worst = condition.value, condition.limit, alert.worst
    if value is None or limit is None or worst is None:
        return worst
    return max(worst, value, key=lambda v: abs(v - limit)) if condition.breached else worst


def escalates(alert: Alert, delays: Delays) -> bool:
    """Raise the severity once it was worse for as many polls as a raise takes; it never falls while standing."""
    condition = alert.condition
    if condition is None or _RANK[condition.severity] <= _RANK[alert.severity]:
        alert.worse_polls = 0
        return False
    alert.worse_polls += 1
    if alert.worse_polls < delays.on_polls:
        return False
    alert.severity, alert.worse_polls = condition.severity, 0
    return True


def diagnosed_anew(alert: Alert, delays: Delays, scene: Scene) -> bool:
    """Return whether another verdict of the same alert has held for as long as a raise takes."""
    found = diagnosed(alert, scene)
    if not found or found == alert.diagnosed:
        alert.other = ()
        return False
    if found != alert.other:
        alert.other, alert.other_since_s, alert.other_polls = found, scene.monotonic_s, 0
    alert.other_polls += 1
    needs_s = max(AGAIN_S, delays.on_s) if found in alert.diagnosed_before else delays.on_s
    return alert.other_polls >= delays.on_polls and scene.monotonic_s - alert.other_since_s >= needs_s


def diagnosed(alert: Alert, scene: Scene) -> tuple[str, ...]:
    """Return code and phases of the verdict, if it is the one that this alert goes by; else nothing."""
    if alert.key.rule == MeterOffline.name:
        return scene.verdict
    code, phases = scene.verdict[:1], scene.verdict[1:]
    if alert.key.rule not in BY_VERDICT or not code or ROOT.get(code[0]) != alert.key.rule:
        return ()
    if alert.key.rule == "neutral_displacement" or not phases:
        # Where N moves to follows the load, and a direction that is lost in the noise is no news.
        phases = alert.diagnosed[1:] if alert.diagnosed[:1] == code else ()
    return (*code, *phases)
