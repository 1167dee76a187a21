"""What the rules have learned, over a restart."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from phasewatch.meters.quantities import CURRENTS
from phasewatch.meters.reading import Reading
from phasewatch.service.build import LEARNED, build_watch
from phasewatch.service.service import Service
from tests.bus import FakeBus
from tests.service.site import HEALTHY, bus, meter, site
from tests.timeline import START

ONE = bus(meter("incomer", interval_s=60, point="main"))


def readings(blocks: int, start_s: float = 1e6) -> list[Reading]:
    """Return one reading a minute, with a load that varies."""
    return [
        Reading("incomer", START + timedelta(minutes=minute), start_s + 60.0 * minute, _values(minute))
        for minute in range(10 * blocks + 1)
    ]


def _values(minute: int) -> dict[str, float]:
    return {**HEALTHY, CURRENTS[0]: 10.0 + 8.0 * (minute % 2)}


def service(directory: Path) -> Service:
    return Service(site(ONE, state_dir=str(directory)), opener=lambda *_: FakeBus({}))


def run_and_stop(running: Service) -> None:
    async def stopped() -> None:
        stop = asyncio.Event()
        stop.set()
        await running.run(stop)

    asyncio.run(stopped())


def blocks_of(running: Service) -> Any:
    learned = running.watch.points["main"].learned()
    return None if learned is None else learned["neutral_impedance"]["blocks"]


def test_the_service_goes_on_learning_where_it_stopped(tmp_path: Path) -> None:
    first = service(tmp_path)
    for reading in readings(3):
        first.on_reading(reading)
    run_and_stop(first)
    second = service(tmp_path)
    assert blocks_of(second) is None
    for reading in readings(2):
        second.on_reading(reading)
    assert blocks_of(second) == 5
    run_and_stop(second)


def test_the_record_of_what_was_learned_is_no_alert() -> None:
    records: dict[str, Any] = {f"main/{LEARNED}": {"neutral_impedance": {}, "a_rule_that_is_gone": {}}}
    watch, gone = build_watch(site(ONE), "j1", records)
    assert gone == []
    assert watch.desk.standing() == []


def test_nothing_is_kept_while_nothing_new_is_learned() -> None:
    watch, _ = build_watch(site(ONE), "j1", {})
    point = watch.points["main"]
    assert point.learned() is None
    for reading in readings(1):
        watch.reading(reading)
    assert point.learned() is not None
    assert point.learned() is None
