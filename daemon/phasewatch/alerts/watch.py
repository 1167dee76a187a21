"""The watch over one site, without clock or I/O: readings and failures go in, events come out.

Live polling and replay feed the same watch, so both reach the same alerts.
"""

from collections.abc import Sequence
from datetime import datetime

from phasewatch.alerts.bus_watch import BusWatch
from phasewatch.alerts.desk import Desk
from phasewatch.alerts.event import Event
from phasewatch.alerts.point_watch import PointWatch
from phasewatch.meters.reading import Reading


class Watch:
    """Every point, bus and meter of a site, and their alerts."""

    def __init__(self, points: Sequence[PointWatch], buses: Sequence[BusWatch], desk: Desk) -> None:
        self.points = {point.name: point for point in points}
        self.buses = {bus.name: bus for bus in buses}
        self.desk = desk
        self._meters = {meter.name: (bus, meter) for bus in buses for meter in bus.meters}

    def reading(self, reading: Reading) -> list[Event]:
        """Take one meter's reading."""
        bus, meter = self._meters[reading.source]
        events = list(bus.poll(meter, reading, None, reading.at, reading.monotonic_s))
        return events + self.points[meter.point].feed(reading)

    def failure(self, name: str, detail: str, at: datetime, monotonic_s: float) -> list[Event]:
        """Take one failed poll of a meter: no sample."""
        bus, meter = self._meters[name]
        events = list(bus.poll(meter, None, detail, at, monotonic_s))
        point = self.points[meter.point]
        offline = next(filter(None, (self._meters[one][0].offline(one) for one in point.meters)), None)
        return events + point.silence(at, monotonic_s, offline)

    def load(self, bus: str, polls: int, overruns: int, at: datetime, monotonic_s: float) -> list[Event]:
        """Take what the poller of a bus has counted since it began."""
        return list(self.buses[bus].load(polls, overruns, at, monotonic_s))

    def point_of(self, meter: str) -> str:
        """Return the point of a meter."""
        return self._meters[meter][1].point

    def online(self, name: str) -> bool:
        """Return whether a meter is not known to be offline."""
        return self._meters[name][0].offline(name) is None
