"""The watch over one site, without clock or I/O: readings and failures go in, events come out.

Live polling and replay feed the same watch, so both reach the same alerts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from phasewatch.alerts.alert import Alert, Key
from phasewatch.alerts.desk import Desk
from phasewatch.alerts.event import Event, Scene, Telling, Transition
from phasewatch.alerts.lifecycle import Delays
from phasewatch.alerts.point_watch import PointWatch
from phasewatch.alerts.told import later_text, rule_text
from phasewatch.electrical.words import Messages
from phasewatch.meters.reading import Reading
from phasewatch.rules.meter_offline import MeterOffline


@dataclass(frozen=True, slots=True)
class MeterConfig:
    """A meter as the watch sees it."""

    name: str
    point: str
    interval_s: float
    offline: MeterOffline


class Watch:
    """Every point and meter of a site, and their alerts."""

    def __init__(
        self, points: Sequence[PointWatch], meters: Sequence[MeterConfig], desk: Desk, messages: Messages
    ) -> None:
        self.points = {point.name: point for point in points}
        self.desk = desk
        self._meters = {meter.name: meter for meter in meters}
        self._messages = messages

    def reading(self, reading: Reading) -> list[Event]:
        """Take one meter's reading."""
        meter = self._meters[reading.source]
        point = self.points[meter.point]
        events = list(self._poll(meter, True, "", reading.at, reading.monotonic_s))
        return events + point.feed(reading)

    def failure(self, name: str, detail: str, at: datetime, monotonic_s: float) -> list[Event]:
        """Take one failed poll of a meter: no sample."""
        meter = self._meters[name]
        return [
            *self._poll(meter, False, detail, at, monotonic_s),
            *self.points[meter.point].silence(at, monotonic_s),
        ]

    def point_of(self, meter: str) -> str:
        """Return the point of a meter."""
        return self._meters[meter].point

    def online(self, name: str) -> bool:
        """Return whether a meter is not known to be offline."""
        return not self.desk.alert(Key(name, MeterOffline.name)).life.standing

    def _poll(
        self, meter: MeterConfig, answered: bool, detail: str, at: datetime, monotonic_s: float
    ) -> Iterator[Event]:
        settings = meter.offline.settings
        if not settings.enabled:
            return
        scene = Scene(
            at,
            monotonic_s,
            lambda alert, transition: self._tell_meter(alert, transition, detail, at),
            (meter.name,),
            interval_s=meter.interval_s,
        )
        # A dead meter is probed ever more rarely: the time between two failures is still time without an answer.
        delays = Delays(settings.on_delay_s, settings.off_delay_s, settings.on_polls, void_after_s=3600.0)
        key = Key(meter.name, MeterOffline.name)
        yield from self.desk.judge(key, meter.offline.judge_poll(answered), delays, scene)

    def _tell_meter(self, alert: Alert, transition: Transition, detail: str, at: datetime) -> Telling:
        if transition == "raised":
            return Telling(rule_text(alert, self._messages, detail=detail))
        return Telling(later_text(alert, transition, self._messages, at))
