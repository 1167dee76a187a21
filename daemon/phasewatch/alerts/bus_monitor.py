"""The watch over one bus and its meters: who answers, and whether the bus keeps its pace.

A bus that is wholly down is one alert, not one a meter: that of the first meter to go offline explains the others.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from phasewatch.alerts.alert import Alert, Key
from phasewatch.alerts.engine import AlertEngine
from phasewatch.alerts.evaluation import RuleBinding, judge
from phasewatch.alerts.event import Event, PointText, Scene, Transition
from phasewatch.alerts.lifecycle import Delays
from phasewatch.alerts.text import later_text, rule_text
from phasewatch.electrical.explanation import Messages
from phasewatch.meters.reading import Moment, Reading
from phasewatch.rules.catalogue import HOLDS
from phasewatch.rules.meter_offline import MeterOffline
from phasewatch.rules.rule import BusLoad, Poll, RuleOf, RuleSettings, Seen

VOID_AFTER_S: Final = 3600.0
"""A dead meter is probed ever more rarely: the time between two failures is still time without an answer."""

_BUS_SILENT: Final = ("bus_silent",)
_METER_SILENT: Final = ("meter_silent",)
"""Why a meter does not answer; a change from one to the other is published as a change of verdict."""


@dataclass(frozen=True, slots=True)
class MeterConfig:
    """A meter as the watch sees it."""

    name: str
    point: str
    interval_s: float
    rules: Sequence[RuleOf[Poll]]
    window_s: float | None = None
    """Averaging window; None: not stated."""

    @property
    def refresh_s(self) -> float:
        """How often new values can be expected."""
        return max(self.interval_s, self.window_s or 0.0)


class BusMonitor:
    """One bus with its rules and those of its meters."""

    def __init__(
        self,
        name: str,
        meters: Sequence[MeterConfig],
        rules: Sequence[RuleOf[BusLoad]],
        desk: AlertEngine,
        messages: Messages,
    ) -> None:
        self.name, self.meters = name, tuple(meters)
        self._desk, self._messages = desk, messages
        self._answering: set[str] = set()
        subject = subject_of(name)
        self._longest_interval_s = max(meter.interval_s for meter in meters)
        self._posts = posts(rules, subject)
        self._meter_posts = {meter.name: posts(meter.rules, meter.name) for meter in meters}

    @property
    def silent(self) -> bool:
        """Whether none of several meters is known to answer."""
        return len(self.meters) > 1 and not self._answering

    def offline(self, meter: str) -> Alert | None:
        """Return the alert that says a meter is offline: its own, or that of the first meter of a silent bus."""
        own = self._offline_alert(meter)
        if own.life.standing:
            return own
        return self._root() if self.silent else None

    def poll(self, meter: MeterConfig, reading: Reading | None, failure: str | None, moment: Moment) -> Iterator[Event]:
        """Take the outcome of one poll of a meter; yield what it changes."""
        if reading is None:
            self._answering.discard(meter.name)
        else:
            self._answering.add(meter.name)
        silent = self.silent
        poll = Poll(reading, moment.monotonic_s, meter.refresh_s, failure, silent)
        yield from judge(
            self._meter_posts[meter.name],
            poll,
            self._desk,
            self.meter_scene(meter, moment, reading),
            self._held(meter.name),
        )

    def load(self, polls: int, overruns: int, moment: Moment) -> Iterator[Event]:
        """Take what the poller has counted since it began; yield what it changes."""
        load = BusLoad(moment.monotonic_s, polls, overruns, self._longest_interval_s)
        yield from judge(self._posts, load, self._desk, self.scene(moment))

    def scene(self, moment: Moment) -> Scene:
        """Return the scene of a judgement of the bus."""
        meters = tuple(meter.name for meter in self.meters)
        return Scene(moment=moment, tell=self._teller(moment), meters=meters, reasons=self._messages["reasons"])

    def meter_scene(self, meter: MeterConfig, moment: Moment, reading: Reading | None = None) -> Scene:
        """Return the scene of a judgement of a meter; on a silent bus it names every meter."""
        silent = self.silent
        return Scene(
            moment=moment,
            tell=self._teller(moment),
            meters=tuple(one.name for one in self.meters) if silent else (meter.name,),
            readings=reading.values if reading is not None else {},
            interval_s=meter.interval_s,
            window_s=meter.window_s,
            verdict=_BUS_SILENT if silent else _METER_SILENT,
            reasons=self._messages["reasons"],
        )

    def _teller(self, moment: Moment) -> Callable[[Alert, Transition], PointText]:
        return lambda alert, transition: self._tell(alert, transition, alert.stood_s(moment))

    def _held(self, meter: str) -> Mapping[str, Alert]:
        root = self._root() if self.silent else None
        if root is None or root.key.subject == meter:
            return {}
        return dict.fromkeys((MeterOffline.name, *HOLDS[MeterOffline.name]), root)

    def _root(self) -> Alert | None:
        """Return the oldest offline alert of the bus; None without one."""
        alerts = (self._offline_alert(meter.name) for meter in self.meters)
        aged = [(alert.since, place, alert) for place, alert in enumerate(alerts) if alert.since is not None]
        return min((one for one in aged if one[2].life.standing), default=(None, 0, None))[2]

    def _offline_alert(self, meter: str) -> Alert:
        return self._desk.alert(Key(meter, MeterOffline.name))

    def _tell(self, alert: Alert, transition: Transition, stood_s: float) -> PointText:
        later = later_text(alert, transition, self._messages, stood_s)
        return PointText(self._full_text(alert, transition) if later is None else later)

    def _full_text(self, alert: Alert, transition: Transition) -> str:
        if alert.key.rule != MeterOffline.name:
            return rule_text(alert, self._messages)
        detail = "" if alert.condition is None else alert.condition.said()
        if self.silent:
            return str(self._messages["bus_silent"]).format(bus=self.name, detail=detail)
        if transition == "verdict_changed" and alert.verdicts.diagnosed == _BUS_SILENT:
            return str(self._messages["bus_answers"]).format(bus=self.name, detail=detail)
        return rule_text(alert, self._messages)


def subject_of(bus: str) -> str:
    """Return what alerts of a bus are kept under: no point or meter can have such a name."""
    return f"_bus-{bus}"


def posts(rules: Sequence[RuleOf[Seen]], subject: str) -> list[RuleBinding[Seen]]:
    """Return the posts of the rules that are not disabled."""
    return [
        RuleBinding(rule, Key(subject, rule.name), _delays(rule.settings)) for rule in rules if rule.settings.enabled
    ]


def _delays(settings: RuleSettings) -> Delays:
    return Delays(
        settings.on_delay_s, settings.off_delay_s, settings.on_polls, void_after_s=VOID_AFTER_S, latch=settings.latch
    )
