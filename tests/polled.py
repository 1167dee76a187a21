"""The task of a bus on a fake bus in turned time, and what it told."""

import asyncio
from collections.abc import Callable
from typing import Any

from phasewatch.adapters.modbus.protocol import refusal
from phasewatch.meters.reading import Reading
from phasewatch.service.build import meter_plan
from phasewatch.service.poller import BusPoller
from tests.bus import FakeBus
from tests.service.site import bus, meter, site, words
from tests.service.turned_time import TurnedClock, run_turned

VOLTAGE_WORDS = 2
"""Those of one voltage."""
PHASE, LINE = 0, 200
"""First addresses of the two blocks that the meter is asked for."""
TIMEOUT_S = 0.5


class Timed(FakeBus):
    """A fake bus that notes when it was asked."""

    asked_s: list[tuple[float, int, int]]
    """(time, unit id, address)"""
    least_words = 1
    """Fewer than these are refused."""

    async def read(self, function_code: int, address: int, count: int, unit_id: int) -> tuple[int, ...]:
        self.asked_s.append((asyncio.get_running_loop().time() - 1000.0, unit_id, address))
        words = await super().read(function_code, address, count, unit_id)
        if count < self.least_words:
            raise refusal(self.reads[-1], 2)
        return words

    def polls_s(self, unit_id: int) -> list[float]:
        """Return when a meter's polls began."""
        began = (round(at, 6) for at, unit, address in self.asked_s if (unit, address) == (unit_id, PHASE))
        return list(dict.fromkeys(began))  # a probe that is answered and its poll begin together

    def counts_from(self, at_s: float) -> list[int]:
        """Return how many words each request since then was for."""
        return [one.count for one, (at, _, _) in zip(self.reads, self.asked_s, strict=True) if at >= at_s]

    def die(self, unit_id: int) -> None:
        """Let every request to a meter run into its time-out."""
        self.silent(unit_id)
        self.slow(unit_id, TIMEOUT_S)

    def refuse_all(self, unit_id: int) -> None:
        """Let a meter refuse every address it has."""
        for address in self.units[unit_id]:
            self.refuse(unit_id, address)


class Heard:
    """What the poller told."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.failures: list[tuple[str, str]] = []

    def on_reading(self, reading: Reading) -> None:
        self.readings.append(reading)

    def on_failure(self, meter: str, detail: str) -> None:
        self.failures.append((meter, detail))


class Scene:
    """Meters m1, m2, ... with unit ids 1, 2, ... on one bus, and their poller; made in turned time."""

    def __init__(self, phases_s: tuple[float, ...] = (0.0,), interval_s: float = 1.0, **keys: Any) -> None:
        units = range(1, len(phases_s) + 1)
        loaded = site(bus(*(meter(f"m{n}", unit_id=n, interval_s=interval_s, **keys) for n in units)))
        settings = loaded.site.buses[0]
        self.line, self.heard = Timed({n: words() for n in units}), Heard()
        self.line.asked_s = []
        plans = [
            (meter_plan(loaded, settings, m), phase_s) for m, phase_s in zip(settings.meters, phases_s, strict=True)
        ]
        self.poller = BusPoller("board", self.line, plans, self.heard, TurnedClock())

    async def run(self, *parts: float | Callable[[], object]) -> "Scene":
        await poll(self.poller, *parts)
        return self


async def poll(poller: BusPoller, *parts: float | Callable[[], object]) -> None:
    """Poll; a number lets so many seconds pass, a callable does something in between."""
    task = asyncio.create_task(poller.run())
    for part in parts:
        if callable(part):
            part()
        else:
            await asyncio.sleep(part)
            assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def played(*parts: Callable[[Scene], object] | float, **keys: Any) -> Scene:
    async def play() -> Scene:
        scene = Scene(**keys)
        return await scene.run(*(part if isinstance(part, float) else lambda p=part: p(scene) for part in parts))

    return run_turned(play())
