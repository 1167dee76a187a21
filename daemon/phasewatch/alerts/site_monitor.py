"""The monitor of one site, without clock or I/O: readings and failures go in, events come out.

Live polling and replay feed the same monitor, so both reach the same alerts.

An alert whose rule is no longer configured is cleared and forgotten, but for `count` and `rev`. An `alert_id` names one
occurrence for good, and a subscriber that ignores an older `rev` must not ignore an alert because its rule was removed
for a while: the two numbers of every forgotten alert are in one record of the journal.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from phasewatch.alerts.alert import Alert
from phasewatch.alerts.bus_monitor import BusMonitor, subject_of
from phasewatch.alerts.daemon_monitor import DAEMON, DaemonMonitor
from phasewatch.alerts.engine import AlertEngine
from phasewatch.alerts.event import Event, Scene
from phasewatch.alerts.operations import Answer, Command, end_what_is_over, operate
from phasewatch.alerts.point_monitor import PointMonitor
from phasewatch.alerts.snapshot import numbers, readable
from phasewatch.alerts.statistics import Counts, count
from phasewatch.meters.reading import Moment, Reading
from phasewatch.rules.catalogue import METER_RULES
from phasewatch.rules.rule import Health

FORGOTTEN: Final = f"{DAEMON}/_forgotten"
"""Journal record of the numbers of forgotten alerts: `desk.numbers`."""


def retire(
    desk: AlertEngine, paths: Iterable[str], scene_of: Callable[[Alert], Scene], records: Mapping[str, dict[str, Any]]
) -> list[Event]:
    """Forget alerts by their paths but for their numbers; return the ends of those that stand.

    `records`: of what is not on the desk, as at a start. A path that is no alert's is passed over.
    """
    paths = frozenset(paths)
    found = {path: kept for path, kept in records.items() if path in paths}
    desk.numbers |= numbers({path: [kept.get("count"), kept.get("rev")] for path, kept in found.items()})
    desk.restore({path: kept for path, kept in found.items() if readable(kept)})
    ends = [desk.retire(alert, scene_of(alert)) for alert in desk.standing() if str(alert.key) in paths]
    desk.forget(paths)
    return ends


class SiteMonitor:
    """Every point, bus and meter of a site, the daemon itself, and their alerts."""

    def __init__(
        self, points: Sequence[PointMonitor], buses: Sequence[BusMonitor], desk: AlertEngine, daemon: DaemonMonitor
    ) -> None:
        self.points = {point.name: point for point in points}
        self.buses = {bus.name: bus for bus in buses}
        self.desk, self.daemon = desk, daemon
        self._subjects_of_buses = {subject_of(bus.name): bus for bus in buses}
        self._meters = {meter.name: (bus, meter) for bus in buses for meter in bus.meters}

    def reading(self, reading: Reading) -> list[Event]:
        """Take one meter's reading."""
        bus, meter = self._meters[reading.source]
        events = list(bus.poll(meter, reading, None, reading.moment))
        return events + self.points[meter.point].feed(reading)

    def failure(self, name: str, detail: str, moment: Moment) -> list[Event]:
        """Take one failed poll of a meter: no sample."""
        bus, meter = self._meters[name]
        events = list(bus.poll(meter, None, detail, moment))
        point = self.points[meter.point]
        offline = next(filter(None, (self._meters[one][0].offline(one) for one in point.meters)), None)
        return events + point.silence(moment, offline)

    def load(self, bus: str, polls: int, overruns: int, moment: Moment) -> list[Event]:
        """Take what the poller of a bus has counted since it began."""
        return list(self.buses[bus].load(polls, overruns, moment))

    def health(self, health: Health, at: datetime) -> list[Event]:
        """Take the health of the daemon itself."""
        return list(self.daemon.judge(health, at))

    def operate(self, command: Command, moment: Moment) -> tuple[Answer, list[Event]]:
        """Do what an operator asks for; `resync` changes nothing here: the publisher acts on its answer."""
        return operate(self.desk, command, lambda alert: self._scene(alert, moment))

    def tick(self, moment: Moment) -> list[Event]:
        """Return what time alone does: shelvings and acknowledgements end.

        A chattering alert goes quiet by its readings, and not by time without any.
        """
        return list(end_what_is_over(self.desk, lambda alert: self._scene(alert, moment), moment))

    def retire(
        self,
        paths: Iterable[str],
        moment: Moment,
        records: Mapping[str, dict[str, Any]] | None = None,
    ) -> list[Event]:
        """Forget what is no longer configured but for its numbers; return the ends of the alerts that stand.

        `records`: of what is not on the desk, as at a start. `desk.numbers` is another one afterwards.
        """
        return retire(self.desk, paths, lambda alert: self._scene(alert, moment), records or {})

    def running(self, moment: Moment, *, every: bool = False) -> dict[str, dict[str, Any]]:
        """Return the records, by path, of alerts whose timers the journal should know of, and take them as kept.

        `every`: at the end, also those that are not worth a write as yet.
        """
        return self.desk.running(moment, every=every)

    def counts(self, moment: Moment) -> Counts:
        """Return how many alerts there are of each kind."""
        return count(self.desk, moment)

    def _scene(self, alert: Alert, moment: Moment) -> Scene:
        """Return the scene of a change that no reading causes."""
        subject, rule, _ = alert.key
        bus = self._subjects_of_buses.get(subject)
        if bus is not None:
            return bus.scene(moment)
        if subject in self.points and rule not in METER_RULES:
            return self.points[subject].scene(moment)
        if subject in self._meters:
            bus, meter = self._meters[subject]
            return bus.meter_scene(meter, moment)
        return self.daemon.scene(moment)

    @property
    def meters(self) -> Collection[str]:
        """Every meter."""
        return self._meters.keys()

    def point_of(self, meter: str) -> str:
        """Return the point of a meter."""
        return self._meters[meter][1].point

    def online(self, name: str) -> bool:
        """Return whether a meter is not known to be offline."""
        return self._meters[name][0].offline(name) is None
