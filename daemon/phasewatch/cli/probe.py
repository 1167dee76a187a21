"""One poll of everything a site file names: what `read` and `check --connect` ask."""

import asyncio
import logging
import socket
import sys
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from phasewatch.adapters.modbus import Bus
from phasewatch.assembly import MeterPlan, meter_plan
from phasewatch.library import LoadedSite
from phasewatch.meters.reading import Reading
from phasewatch.polling import BusPoller
from phasewatch.service import SystemClock, open_real_bus
from phasewatch.settings import BusSettings


@dataclass(slots=True)
class Poll:
    """What came of asking one meter."""

    meter: str
    reading: Reading | None = None
    failure: str | None = None
    blocks: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """First address -> words, of every request that was answered."""


class _Notebook:
    """Writes down what came of each poll."""

    def __init__(self) -> None:
        self.polls: dict[str, Poll] = {}

    def on_reading(self, reading: Reading) -> None:
        self.polls[reading.source] = Poll(reading.source, reading=reading)

    def on_failure(self, meter: str, detail: str) -> None:
        self.polls[meter] = Poll(meter, failure=detail)


class _Recorder:
    """A bus that remembers what was answered."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.answers: dict[int, dict[int, tuple[int, ...]]] = {}
        """Unit id -> first address -> words."""

    async def read(self, function_code: int, address: int, count: int, unit_id: int) -> tuple[int, ...]:
        words = await self._bus.read(function_code, address, count, unit_id)
        self.answers.setdefault(unit_id, {})[address] = words
        return words

    async def close(self) -> None:
        await self._bus.close()


async def poll_once(loaded: LoadedSite) -> list[Poll]:
    """Ask every meter once, the buses side by side."""
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(message)s")  # failures are told by the poll
    notebook = _Notebook()
    await asyncio.gather(*(_poll_bus(loaded, bus, notebook) for bus in loaded.site.buses))
    return [notebook.polls[meter.name] for _, meter in loaded.site.meters()]


async def _poll_bus(loaded: LoadedSite, bus: BusSettings, notebook: _Notebook) -> None:
    plans: list[tuple[MeterPlan, float]] = [(meter_plan(loaded, bus, meter), 0.0) for meter in bus.meters]
    recorder = _Recorder(open_real_bus(loaded, bus))
    poller = BusPoller(bus.name, recorder, plans, notebook, SystemClock())
    try:
        await poller.poll_each()
    finally:
        await poller.close()
    for plan, _ in plans:
        notebook.polls[plan.name].blocks = recorder.answers.get(plan.unit_id, {})


def reach_broker(url: str) -> str | None:
    """Return why no connection to a broker can be made; None if one can."""
    parts = urlsplit(url)
    port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=5.0).close()
    except (OSError, UnicodeError) as error:
        return str(error)
    return None
