"""The process under measurement: the real service on a site file, which tells its own costs when asked.

Usage: python -m tests.bench.service_process SITE_FILE FIRST_PROTOCOL
"""

import asyncio
import gc
import json
import logging
import os
import sys
import time
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

from phasewatch.adapters.modbus.protocol import Bus, LineCounts
from phasewatch.configuration.site import LoadedSite, load_site
from phasewatch.service.service import Service
from phasewatch.service.state import delivery_config, open_real_bus
from phasewatch.settings import BusSettings


class TimedBus:
    """Notes when each poll begins: when its first request is made."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._first: int | None = None
        self.begun_s = array("d")

    @property
    def counts(self) -> LineCounts:
        """What was seen on the line."""
        return self._bus.counts

    async def read(self, function_code: int, address: int, count: int, unit_id: int) -> tuple[int, ...]:
        """Read as the bus does."""
        if self._first is None:
            self._first = address
        if address == self._first:
            self.begun_s.append(time.monotonic())
        return await self._bus.read(function_code, address, count, unit_id)

    async def close(self) -> None:
        """Let go of the line."""
        await self._bus.close()


class Account:
    """What the service cost since the last account."""

    def __init__(self, service: Service, buses: list[TimedBus]) -> None:
        self._service, self._buses = service, buses
        self._cpu_s, self._at_s = time.process_time(), time.monotonic()

    def render(self) -> dict[str, Any]:
        """Return the costs, and begin anew."""
        cpu_s, at_s = time.process_time(), time.monotonic()
        meters = [meter for poller in self._service.pollers for meter in poller.meters]
        account = {
            "cpu_s": cpu_s - self._cpu_s,
            "wall_s": at_s - self._at_s,
            "rss_kib": _status_kib("VmRSS"),
            "overruns": sum(meter.overruns for meter in meters),
            "failures": sum(meter.failures for meter in meters),
            "begun_s": [list(bus.begun_s) for bus in self._buses],
        }
        for bus in self._buses:
            del bus.begun_s[:]
        self._cpu_s, self._at_s = time.process_time(), time.monotonic()
        return account


def _status_kib(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def _tell(message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def _run(loaded: LoadedSite, protocol: Literal["5", "3.1.1"]) -> None:
    loop, stop, buses = asyncio.get_running_loop(), asyncio.Event(), []

    def opener(site: LoadedSite, bus: BusSettings) -> Bus:
        buses.append(TimedBus(open_real_bus(site, bus)))
        return buses[-1]

    service = Service(loaded, opener=opener, delivery=replace(delivery_config(loaded), first_protocol=protocol))
    account = Account(service, buses)

    def take() -> None:
        told = os.read(0, 65536)
        for _ in range(told.count(b"\n")):
            _tell(account.render())
        if not told:
            loop.remove_reader(0)  # the end of a pipe is always readable
            stop.set()

    running = asyncio.create_task(service.run(stop))
    await asyncio.gather(*(poller.tried.wait() for poller in service.pollers))
    gc.collect()
    _tell("ready")
    loop.add_reader(0, take)
    await running


def main() -> None:
    """Run until standard input ends."""
    logging.basicConfig(level=logging.CRITICAL)
    asyncio.run(_run(load_site(Path(sys.argv[1])), cast(Literal["5", "3.1.1"], sys.argv[2])))


if __name__ == "__main__":
    main()
