"""What is measured of the daemon itself and of its points, for whoever scrapes it."""

from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version

from phasewatch.adapters.metrics import Measures, MeterMeasures, PointMeasures
from phasewatch.adapters.systemd import clock_synchronised
from phasewatch.alerts.point_monitor import PointMonitor
from phasewatch.electrical.diagnosis import NUMBERS
from phasewatch.meters.quantities import UNITS
from phasewatch.polling import KINDS
from phasewatch.running import Running


def measures(running: Running, at: datetime, now_s: float) -> Measures:
    """Return a picture of everything that is measured; `now_s`: the monotonic clock."""
    return Measures(
        version=version("phasewatch"),
        site=running.loaded.site.site,
        delivery=running.delivery.status,
        clock_synchronised=clock_synchronised(),
        meters=tuple(_meters(running)),
        bus_loads={poller.name: poller.load for poller in running.pollers},
        lines={poller.name: poller.line.copy() for poller in running.pollers},
        points=tuple(_point(point, now_s) for point in running.watch.points.values()),
        alerts=running.watch.counts(at, now_s),
    )


def _meters(running: Running) -> Iterator[MeterMeasures]:
    for poller in running.pollers:
        for meter in poller.meters:
            name = meter.plan.name
            yield MeterMeasures(
                bus=poller.name,
                meter=name,
                polls=meter.polls,
                failures={kind: 0 for _, kind in KINDS} | meter.kinds,
                overruns=meter.overruns,
                busy_s=meter.busy_s,
                online=running.watch.online(name) if meter.polls else None,
            )


def _point(point: PointMonitor, now_s: float) -> PointMeasures:
    reading, diagnosis = point.reading, point.diagnosis
    if reading is None or diagnosis is None or now_s - reading.monotonic_s > point.stale_s:
        return PointMeasures(point.name)
    u2_percent = NUMBERS["u2_percent"](diagnosis)
    return PointMeasures(
        point=point.name,
        voltages_v={name: value for name, value in reading.values.items() if UNITS[name] == "V"},
        neutral_shift_v=NUMBERS["neutral_shift_v"](diagnosis),
        earth_shift_v=NUMBERS["earth_shift_v"](diagnosis),
        unbalance_ratio=None if u2_percent is None else u2_percent / 100.0,
        verdict=diagnosis.verdict.code,
    )
