"""Trouble that comes again and again: each time the bus is back by itself, with one socket and nothing left open."""

import asyncio
import os
import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from phasewatch.adapters.modbus.bus import open_bus
from phasewatch.adapters.modbus.protocol import Bus, BusError
from phasewatch.meters.endpoint import parse_url
from phasewatch.meters.reading import Reading
from phasewatch.service.build import meter_plan
from phasewatch.service.poller import BusPoller
from tests.modbus_server import FRAMINGS, HANG_UP, Asked, ScriptedMeter, honest, listening, mute, words_at
from tests.service.site import bus as bus_of
from tests.service.site import meter as meter_of
from tests.service.site import site

OVER_TCP = ("tcp", "rtu+tcp")
TIMEOUT_S = 0.3

Answers = Sequence[tuple[float, bytes]]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def reads_right(bus: Bus, address: int) -> None:
    assert await bus.read(3, address, 4, 1) == words_at(1, address, 4)


async def comes_back(bus: Bus) -> None:
    async with asyncio.timeout(20):
        while True:
            with suppress(BusError):
                return await reads_right(bus, 100)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_after_a_late_reply_every_later_value_is_right(framing: str, tmp_path: Path) -> None:
    async def scene() -> None:
        meter, due = ScriptedMeter(framing), list[float]()

        def late_and_in_order(asked: Asked) -> Answers:
            now = asyncio.get_running_loop().time()
            due.append(max(now, due[-1]) if due else now + 1.2 * TIMEOUT_S)
            return [(due[-1] - now, asked.honest())]

        async with listening(meter, framing, tmp_path) as url:
            bus = open_bus(parse_url(url), timeout_s=TIMEOUT_S)
            await reads_right(bus, 50)
            for _ in range(2):
                due.clear()
                meter.script = late_and_in_order
                with pytest.raises(BusError):
                    await bus.read(3, 100, 4, 1)
                meter.script = honest if framing == "udp" else late_and_in_order
                await comes_back(bus)
                for address in range(100):
                    await reads_right(bus, address)
            await bus.close()

    asyncio.run(scene())


def hangs_up(_: Asked) -> Answers:
    return [(0.0, HANG_UP)]


def in_pieces(asked: Asked) -> Answers:
    return [(0.0, asked.honest()[:-3])]


def not_mine(asked: Asked) -> Answers:
    return [(0.0, asked.frame(asked.words(unit_id=2), unit_id=2))]


@pytest.mark.parametrize("framing", OVER_TCP)
def test_a_gateway_never_holds_two_sockets_of_ours_whatever_happens_on_it(framing: str, tmp_path: Path) -> None:
    async def scene() -> None:
        meter, draw = ScriptedMeter(framing), random.Random(framing)
        async with listening(meter, framing, tmp_path) as url:
            bus = open_bus(parse_url(url), timeout_s=0.03)
            await comes_back(bus)
            before = descriptors()
            for turn in range(40 if framing == "tcp" else 8):  # a line stays quiet for 0.3 s after trouble
                meter.script = draw.choice((mute, hangs_up, in_pieces, not_mine))
                with pytest.raises(BusError):
                    await bus.read(3, turn, 4, 1)
                meter.script = honest
                await comes_back(bus)
            await asyncio.sleep(0.01)
            assert (meter.most_open, meter.open) == (1, 1)
            assert descriptors() <= before
            await bus.close()

    asyncio.run(scene())


@pytest.mark.parametrize("framing", ["tcp", "rtu+tcp", "rtu"])
def test_a_link_that_is_lost_ten_times_comes_back_ten_times_and_holds_nothing_meanwhile(
    framing: str, tmp_path: Path
) -> None:
    """The serial line is a pseudo terminal that vanishes; each new one stands under the same name."""

    async def scene() -> None:
        async with listening(ScriptedMeter(framing), framing, tmp_path) as url:
            where = parse_url(url)
        bus = open_bus(where, timeout_s=TIMEOUT_S)
        before = descriptors()
        for _ in range(10):
            async with listening(ScriptedMeter(framing), framing, tmp_path, where.port or 0):
                await comes_back(bus)
            with pytest.raises(BusError):
                await bus.read(3, 100, 4, 1)
            await asyncio.sleep(0.01)
            assert descriptors() == before
        await bus.close()
        assert descriptors() == before

    asyncio.run(scene())


class Heard:
    """What a poller told: None = a failed poll."""

    def __init__(self) -> None:
        self.told: list[Reading | None] = []
        self._news = asyncio.Event()

    def on_reading(self, reading: Reading) -> None:
        self.told.append(reading)
        self._news.set()

    def on_failure(self, meter: str, detail: str) -> None:
        self.told.append(None)
        self._news.set()

    async def polls(self, count: int) -> None:
        """Wait for as many."""
        async with asyncio.timeout(20):
            while len(self.told) < count:
                self._news.clear()
                await self._news.wait()


class LoopClock:
    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return datetime.now(UTC)


@pytest.mark.parametrize("framing", OVER_TCP)
def test_a_peer_that_goes_silent_without_a_word_costs_one_poll(framing: str, tmp_path: Path) -> None:
    """The connection stands, and nothing comes over it any more; a new one would be answered.

    So the silence is known after one time-out and mended by the next poll: within two intervals or two time-outs.
    """

    async def scene() -> None:
        meter, heard = ScriptedMeter(framing), Heard()
        async with listening(meter, framing, tmp_path) as url:
            loaded = site(bus_of(meter_of("m", interval_s=0.2), url=url))
            settings = loaded.site.buses[0]
            bus = open_bus(settings.endpoint, timeout_s=TIMEOUT_S)
            plan = meter_plan(loaded, settings, settings.meters[0])
            polling = asyncio.create_task(BusPoller("b", bus, [(plan, 0.0)], heard, LoopClock()).run())

            await heard.polls(3)
            half_open, sound = meter.connections, len(heard.told)
            meter.script = lambda asked: [] if meter.connections == half_open else honest(asked)
            await heard.polls(sound + 4)
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
            await bus.close()
        assert [reading is None for reading in heard.told].count(True) == 1
        assert heard.told[-1] is not None
        assert (meter.connections, meter.most_open) == (half_open + 1, 1)

    asyncio.run(scene())
