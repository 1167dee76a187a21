"""What is measured of a daemon with one meter, on a fake bus in turned time."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from phasewatch.adapters.journal.types import DeliveryConfig
from phasewatch.adapters.metrics import Measures, expose
from phasewatch.meters.reading import Reading
from phasewatch.service.api import measures
from phasewatch.service.build import build_watch, meter_plan
from phasewatch.service.delivery import Delivery
from phasewatch.service.poller import BusPoller
from phasewatch.service.state import Configuration, Running
from tests.bus import FakeBus
from tests.service.site import HEALTHY, PHASE_LOST, bus, meter, site, words
from tests.service.turned_time import TurnedClock, run_turned
from tests.timeline import START


class Heard:
    """Nobody listens."""

    def on_reading(self, reading: Reading) -> None:
        pass

    def on_failure(self, meter: str, detail: str) -> None:
        pass


def running(directory: Path, poller: BusPoller | None = None) -> Running:
    """Return a daemon whose delivery was never started."""
    loaded = site(bus(meter("incomer", point="main", interval_s=1)), path=directory / "site.yaml")
    watch, _ = build_watch(loaded, "j1", {})
    delivery = Delivery(DeliveryConfig(site="plant", directory=directory, urls=("mqtt://127.0.0.1:1",)))
    return Running(loaded, watch, delivery, START, Configuration(START), [poller] if poller else [])


def reading(second: float, values: Any = HEALTHY) -> Reading:
    return Reading("incomer", START + timedelta(seconds=second), 1000.0 + second, dict(values), {})


def seen(daemon: Running, second: float) -> Measures:
    return measures(daemon, START + timedelta(seconds=second), 1000.0 + second)


def test_a_point_shows_what_was_read_last(tmp_path: Path) -> None:
    daemon = running(tmp_path)
    daemon.watch.reading(reading(1))
    (point,) = seen(daemon, 2).points
    assert (point.point, point.verdict) == ("main", "normal")
    assert point.voltages_v["voltage_l1_n"] == 231.0
    assert "current_l1" not in point.voltages_v
    assert point.neutral_shift_v is not None
    assert point.unbalance_ratio is not None
    assert 0.0 <= point.unbalance_ratio < 0.01
    assert point.earth_shift_v is None


def test_a_point_that_was_never_read_or_not_for_long_shows_nothing(tmp_path: Path) -> None:
    daemon = running(tmp_path)
    before = seen(daemon, 0).points
    daemon.watch.reading(reading(1))
    assert before == seen(daemon, 60).points
    assert before[0].verdict is None
    assert b"phasewatch_point_voltage_volts{" not in expose(seen(daemon, 60))


def test_alerts_are_counted_by_severity_and_state(tmp_path: Path) -> None:
    daemon = running(tmp_path)
    daemon.watch.reading(reading(1))
    for second in range(2, 10):
        daemon.watch.reading(reading(second, PHASE_LOST))
    alerts = seen(daemon, 10).alerts
    assert alerts.by_state == {("high", "active"): 1}
    assert (alerts.active, alerts.chattering, alerts.standing_24h) == (1, 0, 0)
    assert seen(daemon, 90_000).alerts.standing_24h == 1


def test_polls_are_counted_by_what_came_of_them(tmp_path: Path) -> None:
    async def poll() -> Measures:
        line = FakeBus({1: words()})
        loaded = site(bus(meter("incomer", point="main", interval_s=1)))
        settings = loaded.site.buses[0]
        plan = meter_plan(loaded, settings, settings.meters[0])
        poller = BusPoller("board", line, [(plan, 0.0)], Heard(), TurnedClock())
        line.slow(1, 0.1)
        task = asyncio.create_task(poller.run())
        await asyncio.sleep(5.5)
        line.silent(1)
        await asyncio.sleep(2)
        line.link_down()
        await asyncio.sleep(6)
        task.cancel()
        return seen(running(tmp_path, poller), 20)

    found = run_turned(poll())
    (meter_seen,) = found.meters
    assert (meter_seen.bus, meter_seen.meter, meter_seen.online) == ("board", "incomer", True)
    assert meter_seen.failures["timeout"] == 2
    assert meter_seen.failures["link_down"] > 0
    assert (meter_seen.failures["exception"], meter_seen.failures["framing"]) == (0, 0)
    assert meter_seen.polls > 8
    load = found.bus_loads["board"]
    assert load is not None
    assert 0.1 < load < 0.3
    assert meter_seen.busy_s > 1.0
    assert found.lines.keys() == {"board"}
