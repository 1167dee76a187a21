"""The monitor of the daemon itself: its journal, its delivery, its clock."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from phasewatch.alerts.alert import Alert
from phasewatch.alerts.bus_monitor import posts
from phasewatch.alerts.engine import AlertEngine
from phasewatch.alerts.evaluation import judge
from phasewatch.alerts.event import Event, PointText, Scene, Transition
from phasewatch.alerts.text import later_text, rule_text
from phasewatch.electrical.explanation import Messages
from phasewatch.meters.reading import Moment
from phasewatch.rules.rule import Health, RuleOf

DAEMON: Final = "_daemon"
"""Subject of the alerts of the daemon itself: no point or meter can have such a name."""

TEST: Final = "test"
"""Rule of the alert that an operator asks for, to see one arrive."""


class DaemonMonitor:
    """The daemon with its rules."""

    def __init__(self, rules: Sequence[RuleOf[Health]], desk: AlertEngine, messages: Messages) -> None:
        self._desk, self._messages = desk, messages
        self._posts = posts(rules, DAEMON)

    def judge(self, health: Health, at: datetime) -> Iterator[Event]:
        """Take the health of the daemon; yield what it changes."""
        yield from judge(self._posts, health, self._desk, self.scene(Moment(at, health.at_s)))

    def scene(self, moment: Moment) -> Scene:
        """Return the scene of a judgement of the daemon."""

        def tell(alert: Alert, transition: Transition) -> PointText:
            if alert.key.rule == TEST and transition in ("raised", "cleared"):
                return PointText(self._messages["test"][transition])
            later = later_text(alert, transition, self._messages, alert.stood_s(moment))
            return PointText(rule_text(alert, self._messages) if later is None else later)

        return Scene(moment=moment, tell=tell, reasons=self._messages["reasons"])
