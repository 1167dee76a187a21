"""What is no longer configured: its end is told, and what numbers its occurrences is kept.

An `alert_id` names one occurrence for good, and whoever ignores an older `rev` must not ignore an alert because its
rule was away for a while. So a forgotten alert leaves its two numbers behind, in one record for the whole journal.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from phasewatch.alerts.alert import Alert
from phasewatch.alerts.daemon_watch import DAEMON
from phasewatch.alerts.desk import Desk
from phasewatch.alerts.event import Event, Scene
from phasewatch.alerts.lifecycle import Life
from phasewatch.alerts.record import numbers, readable

FORGOTTEN: Final = f"{DAEMON}/_forgotten"
"""Journal record of the numbers of forgotten alerts: `desk.numbers`."""


def retire(
    desk: Desk, paths: Iterable[str], scene_of: Callable[[Alert], Scene], records: Mapping[str, dict[str, Any]]
) -> list[Event]:
    """Forget alerts by their paths but for their numbers; return the ends of those that stand.

    `records`: of what is not on the desk, as at a start. A path that is no alert's is passed over.
    """
    paths = frozenset(paths)
    found = {path: kept for path, kept in records.items() if path in paths}
    desk.numbers |= numbers({path: [kept.get("count"), kept.get("rev")] for path, kept in found.items()})
    desk.restore({path: kept for path, kept in found.items() if readable(kept)})
    ends = [_end(desk, alert, scene_of(alert)) for alert in desk.standing() if str(alert.key) in paths]
    desk.forget(paths)
    return ends


def _end(desk: Desk, alert: Alert, scene: Scene) -> Event:
    alert.life, alert.chatter, alert.latched = Life(), None, False
    alert.retired = True
    return desk.clear(alert, scene, reason=scene.reason("not_configured"))
