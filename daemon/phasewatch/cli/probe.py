"""One poll of everything a site file names: what `read` and `check --connect` ask."""

import asyncio
import logging
import socket
import sys
from dataclasses import dataclass
from urllib.parse import urlsplit

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


class _Notebook:
    """Writes down what came of each poll."""

    def __init__(self) -> None:
        self.polls: dict[str, Poll] = {}

    def on_reading(self, reading: Reading) -> None:
        self.polls[reading.source] = Poll(reading.source, reading=reading)

    def on_failure(self, meter: str, detail: str) -> None:
        self.polls[meter] = Poll(meter, failure=detail)


async def poll_once(loaded: LoadedSite) -> list[Poll]:
    """Ask every meter once, the buses side by side."""
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(message)s")  # failures are told by the poll
    notebook = _Notebook()
    await asyncio.gather(*(_poll_bus(loaded, bus, notebook) for bus in loaded.site.buses))
    return [notebook.polls[meter.name] for _, meter in loaded.site.meters()]


async def _poll_bus(loaded: LoadedSite, bus: BusSettings, notebook: _Notebook) -> None:
    plans: list[tuple[MeterPlan, float]] = [(meter_plan(loaded, bus, meter), 0.0) for meter in bus.meters]
    poller = BusPoller(bus.name, open_real_bus(loaded, bus), plans, notebook, SystemClock())
    try:
        await poller.poll_each()
    finally:
        await poller.close()


def reach_broker(url: str) -> str | None:
    """Return why no connection to a broker can be made; None if one can."""
    parts = urlsplit(url)
    port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=5.0).close()
    except (OSError, UnicodeError) as error:
        return str(error)
    return None
