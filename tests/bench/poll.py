"""`poll`: CPU of the whole path of one poll against the bare request of the library for the same words.

All three run on one loop in this process, against one server in another: the bare request, our bus (which checks every
reply), and the whole service: request, decode, picture, all rules, alerts, and each tenth time the point's state.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pymodbus.client import AsyncModbusTcpClient

from phasewatch.configuration.site import build_site
from phasewatch.service.build import MeterPlan
from phasewatch.service.service import Service
from phasewatch.service.state import delivery_config, open_real_bus
from tests.bench.cases import HEALTHY, ONE_BLOCK, SDM630, site, words
from tests.bench.figure import Figure, say, spread
from tests.bench.stage import meters, scratch

GOAL: Final = 2.5
NOWHERE: Final = "mqtt://127.0.0.1:9"
"""Nobody listens: what goes on to a broker is measured by `meters100`."""

Poll = Callable[[], Awaitable[object]]


class PolledClock:
    """A clock that each poll finds one interval later: what is due each tenth second is due each tenth poll."""

    def __init__(self) -> None:
        self._at_s = 0.0

    def turn(self) -> None:
        """Let a second pass."""
        self._at_s += 1.0

    def monotonic_s(self) -> float:
        """Return the seconds turned."""
        return self._at_s

    def now(self) -> datetime:
        """Return the wall clock that goes with them."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._at_s)


def poll(rounds: int = 25, polls: int = 200) -> list[Figure]:
    """Measure a meter that is read in one request, and one that takes three."""
    figures = []
    for profile_id in (ONE_BLOCK, SDM630):
        say(f"poll: {profile_id}, {rounds} rounds of {polls} polls each way")
        with scratch() as there, meters(1, {HEALTHY: words(HEALTHY, profile_id)}) as (_, urls):
            figures += asyncio.run(_measure(profile_id, urls[0], there, rounds, polls))
    return figures


async def _measure(profile_id: str, url: str, there: Path, rounds: int, polls: int) -> list[Figure]:
    logging.getLogger("phasewatch").setLevel(logging.CRITICAL)
    clock, loaded = PolledClock(), build_site(site([url], profile_id, there, NOWHERE), there / "site.yaml")
    service = Service(loaded, clock=clock, delivery=replace(delivery_config(loaded), shortest_pause_s=60.0))
    plan = service.pollers[0].meters[0].plan
    client = AsyncModbusTcpClient("127.0.0.1", port=urlsplit(url).port or 0, retries=0, reconnect_delay=0)
    bus = open_real_bus(loaded, loaded.site.buses[0])
    await client.connect()

    async def whole() -> None:
        clock.turn()
        await service.pollers[0].poll_each()

    async def through_our_bus() -> None:
        for r in plan.requests:
            await bus.read(r.function_code, r.address, r.count, plan.unit_id)

    ways: dict[str, Poll] = {"bare": _bare(client, plan), "bus": through_our_bus, "whole": whole}
    try:
        taken_us = await _interleaved(ways, rounds, polls)
    finally:
        client.close()
        await bus.close()
        await service.pollers[0].close()
        await asyncio.to_thread(service.delivery.stop, 0.1)
    assert service.pollers[0].meters[0].failures == 0
    return _figures(f"{profile_id}, {len(plan.requests)} request(s)", taken_us)


def _bare(client: AsyncModbusTcpClient, plan: MeterPlan) -> Poll:
    read = {3: client.read_holding_registers, 4: client.read_input_registers}

    async def bare() -> None:
        for r in plan.requests:
            reply = await read[r.function_code](r.address, count=r.count, device_id=plan.unit_id)
            assert not reply.isError()

    return bare


async def _interleaved(ways: dict[str, Poll], rounds: int, polls: int) -> dict[str, list[float]]:
    """Return microseconds of CPU a poll for each way, a sample a round; the first round only warms up."""
    taken_us: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            gc.collect()
            begun_s = time.process_time()
            for _ in range(polls):
                await way()
            if number:
                taken_us[name].append(1e6 * (time.process_time() - begun_s) / polls)
    return taken_us


def _figures(what: str, taken_us: dict[str, list[float]]) -> list[Figure]:
    bare, bus, whole = taken_us["bare"], taken_us["bus"], taken_us["whole"]
    ratios = [mine / theirs for mine, theirs in zip(whole, bare, strict=True)]
    bus_ratios = [mine / theirs for mine, theirs in zip(bus, bare, strict=True)]
    return [
        spread("poll", f"{what}: whole path / bare request", "x", ratios, GOAL),
        spread("poll", f"{what}: our bus / bare request", "x", bus_ratios),
        spread("poll", f"{what}: bare request, CPU", "us", bare),
        spread("poll", f"{what}: our bus, CPU", "us", bus),
        spread("poll", f"{what}: whole path, CPU", "us", whole),
    ]
