"""How many alerts there are: the figures by which ISA-18.2 and EEMUA 191 judge an alarm system."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from phasewatch.alerts.alert import Alert
from phasewatch.alerts.engine import AlertEngine
from phasewatch.electrical.severity import Severity
from phasewatch.meters.reading import Moment

NEWS_S: Final = 600.0
LONG_S: Final = 86400.0
"""Active for longer than this, an alert is furniture."""


@dataclass(frozen=True, slots=True)
class Counts:
    """All alerts at one moment."""

    active: int = 0
    """Standing, and neither shelved nor suppressed: what an operator has before him."""
    unacknowledged: int = 0
    """Of the active."""
    shelved: int = 0
    """Whether they stand or not."""
    suppressed: int = 0
    """Standing, explained by another alert and not shelved."""
    stale: int = 0
    """Standing, but their conditions cannot be judged."""
    standing_24h: int = 0
    """Active for more than a day."""
    chattering: int = 0
    raised_10min: int = 0
    """Raised in the last ten minutes; those that were shelved do not count."""
    by_severity: Mapping[Severity, int] = field(default_factory=dict)
    """Of the active."""
    by_state: Mapping[tuple[Severity, Literal["active", "unknown"]], int] = field(default_factory=dict)
    """Everything that is raised, by severity and published state."""


def count(desk: AlertEngine, moment: Moment) -> Counts:
    """Return the counts at a moment."""
    busy = desk.busy()
    standing = [alert for alert in busy if alert.standing]
    unshelved = [alert for alert in standing if alert.shelving is None]
    active = [alert for alert in unshelved if alert.suppressed_by is None]
    while desk.news and moment.monotonic_s - desk.news[0].monotonic_s > NEWS_S:
        desk.news.popleft()
    return Counts(
        active=len(active),
        unacknowledged=sum(not alert.acknowledged for alert in active),
        shelved=sum(alert.shelving is not None for alert in busy),
        suppressed=len(unshelved) - len(active),
        stale=sum(alert.stale for alert in standing),
        standing_24h=sum(alert.stood_s(moment) > LONG_S for alert in active),
        chattering=sum(alert.timer.chattering for alert in standing),
        raised_10min=len(desk.news),
        by_severity=Counter(alert.severity for alert in active),
        by_state=Counter((alert.severity, _state(alert)) for alert in standing),
    )


def _state(alert: Alert) -> Literal["active", "unknown"]:
    return "unknown" if alert.stale else "active"
