"""One poll of everything a site file names: what `read` and `check --connect` ask."""

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from phasewatch.adapters.modbus import Bus, LineCounts
from phasewatch.adapters.sunspec import ModelBus
from phasewatch.adapters.tls import TlsFileError, tls_context
from phasewatch.assembly import MeterPlan, meter_plan
from phasewatch.cli.progress import long_work
from phasewatch.connections import open_real_bus
from phasewatch.library import LoadedSite
from phasewatch.meters.reading import Reading
from phasewatch.polling import BusPoller, MeterState
from phasewatch.service import SystemClock
from phasewatch.settings import BusSettings


@dataclass(slots=True)
class Poll:
    """What came of asking one meter."""

    meter: str
    reading: Reading | None = None
    failure: str | None = None
    blocks: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """First address -> words, of every request that was answered."""


Tell = Callable[[int, str], None]
"""Told how many meters were asked, and which the last was."""


class _Notebook:
    """Writes down what came of each poll."""

    def __init__(self, tell: Tell) -> None:
        self.polls: dict[str, Poll] = {}
        self._tell = tell

    def on_reading(self, reading: Reading) -> None:
        self._note(Poll(reading.source, reading=reading))

    def on_failure(self, meter: str, detail: str) -> None:
        self._note(Poll(meter, failure=detail))

    def _note(self, poll: Poll) -> None:
        self.polls[poll.meter] = poll
        self._tell(len(self.polls), poll.meter)


class _Recorder:
    """A bus that remembers what was answered."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.answers: dict[int, dict[int, tuple[int, ...]]] = {}
        """Unit id -> first address -> words."""

    @property
    def counts(self) -> LineCounts:
        return self._bus.counts

    async def read(self, function_code: int, address: int, count: int, unit_id: int) -> tuple[int, ...]:
        words = await self._bus.read(function_code, address, count, unit_id)
        self.answers.setdefault(unit_id, {})[address] = words
        return words

    async def close(self) -> None:
        await self._bus.close()


def poll_site(loaded: LoadedSite, *, hidden: bool = False) -> list[Poll]:
    """Ask every meter once; where that takes long, people see a bar unless it is hidden."""
    with long_work(sum(1 for _ in loaded.site.meters()), "asking the meters", hidden=hidden) as look:
        return asyncio.run(poll_once(loaded, look))


async def poll_once(loaded: LoadedSite, tell: Tell = lambda _number, _meter: None) -> list[Poll]:
    """Ask every meter once, the buses side by side."""
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(message)s")  # failures are told by the poll
    notebook = _Notebook(tell)
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
    for meter in poller.meters:
        notebook.polls[meter.plan.name].blocks = _blocks(meter, recorder.answers.get(meter.plan.unit_id, {}))


def _blocks(meter: MeterState, answers: Mapping[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """Return the words by the addresses of the profile."""
    if not isinstance(meter.bus, ModelBus):
        return dict(answers)
    place = meter.bus.place
    return {} if place is None else {0: answers[place.address]}


def reach_broker(url: str) -> str | None:
    """Return why no connection to a broker can be made; None if one can."""
    parts = urlsplit(url)
    port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=5.0).close()
    except (OSError, UnicodeError) as error:
        return str(error)
    return None


def unusable_files(loaded: LoadedSite) -> Iterator[str]:
    """Yield a line for each file of the broker's section that cannot be used."""
    mqtt, handed_over = loaded.site.mqtt, Path("/run/credentials")
    try:
        tls_context(mqtt.ca_file, mqtt.client_cert_file, mqtt.client_key_file)
    except TlsFileError as error:
        yield f"{loaded.path}: {error}"
    if mqtt.password_file is None or (handed_over in mqtt.password_file.parents and not mqtt.password_file.exists()):
        return  # systemd hands it over to the service alone
    try:
        mqtt.secret()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no UTF-8 text"
        yield f"{loaded.path}: mqtt.password_file {mqtt.password_file}: {reason}; the daemon must be able to read it"
