"""Polls of everything a site file names: what `read`, the offline `report` and `check --connect` ask."""

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from phasewatch.adapters.modbus.protocol import Bus, LineCounts
from phasewatch.adapters.modbus.sunspec import ModelBus
from phasewatch.alerts.point_monitor import PointMonitor
from phasewatch.alerts.site_monitor import SiteMonitor
from phasewatch.commissioning.progress import long_work
from phasewatch.configuration.site import LoadedSite
from phasewatch.meters.measuring_point import APART, NOT_STEADY
from phasewatch.meters.reading import Reading
from phasewatch.service.build import meter_plan
from phasewatch.service.poller import BusPoller, MeterState
from phasewatch.service.service import SystemClock
from phasewatch.service.state import open_real_bus
from phasewatch.settings import Broker, BusSettings

MOST_ROUNDS: Final = 12
"""Meters that have not stood still together by then are told as such."""
LONGEST_PAUSE_S: Final = 1.0
"""Between two rounds; less where the meters are polled more often."""


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
    """Writes down what came of each meter's last poll, and hands on what was read."""

    def __init__(self, tell: Tell, hear: Callable[[Reading], object] = lambda _reading: None) -> None:
        self.polls: dict[str, Poll] = {}
        self._tell, self._hear = tell, hear

    def on_reading(self, reading: Reading) -> None:
        self._hear(reading)
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


class _Line:
    """A bus whose meters can be asked each alone, again and again."""

    def __init__(self, loaded: LoadedSite, bus: BusSettings, notebook: _Notebook) -> None:
        self._recorder, self._notebook = _Recorder(open_real_bus(loaded, bus)), notebook
        plans = [meter_plan(loaded, bus, meter) for meter in bus.meters]
        # One poller a meter: what it learns of its meter in one round it knows in the next.
        self._pollers = [BusPoller(bus.name, self._recorder, [(plan, 0.0)], notebook, SystemClock()) for plan in plans]

    async def ask(self, wanted: Container[str]) -> None:
        """Poll the meters that are wanted, one after the other."""
        for poller in self._pollers:
            (meter,) = poller.meters
            if meter.plan.name in wanted:
                await poller.poll_each()
                answers = self._recorder.answers.get(meter.plan.unit_id, {})
                self._notebook.polls[meter.plan.name].blocks = _blocks(meter, answers)

    async def close(self) -> None:
        await self._recorder.close()


def poll_site(loaded: LoadedSite, *, hidden: bool = False) -> list[Poll]:
    """Ask every meter once; where that takes long, people see a bar unless it is hidden."""
    with long_work(sum(1 for _ in loaded.site.meters()), "asking the meters", hidden=hidden) as look:
        return asyncio.run(poll_once(loaded, look))


def poll_until_joined(loaded: LoadedSite, watch: SiteMonitor, *, hidden: bool = False) -> list[Poll]:
    """Ask every meter, and those of points with several again until their readings can be taken together, or never.

    The watch is told every reading as it comes. Where that takes long, people see a bar unless it is hidden.
    """
    meters = sum(1 for _ in loaded.site.meters())
    with long_work(meters, "asking the meters", hidden=hidden) as look:
        return asyncio.run(_rounds(loaded, watch, _Notebook(look, watch.reading)))


async def poll_once(loaded: LoadedSite, tell: Tell = lambda _number, _meter: None) -> list[Poll]:
    """Ask every meter once, the buses side by side."""
    return await _rounds(loaded, None, _Notebook(tell))


async def _rounds(loaded: LoadedSite, watch: SiteMonitor | None, notebook: _Notebook) -> list[Poll]:
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(message)s")  # failures are told by the poll
    lines = [_Line(loaded, bus, notebook) for bus in loaded.site.buses]
    intervals_s = {meter.name: meter.interval_s for _, meter in loaded.site.meters()}
    wanted: Sequence[str] = list(intervals_s)
    try:
        for number in range(MOST_ROUNDS):
            await asyncio.gather(*(line.ask(wanted) for line in lines))
            points = () if watch is None else watch.points.values()
            wanted = [meter for point in points for meter in _awaited(point, notebook.polls, first=number == 0)]
            if not wanted:
                break
            await asyncio.sleep(min(LONGEST_PAUSE_S, *(intervals_s[meter] for meter in wanted)))
    finally:
        await asyncio.gather(*(line.close() for line in lines))
    return [notebook.polls[meter] for meter in intervals_s]


def _awaited(point: PointMonitor, polls: Mapping[str, Poll], *, first: bool) -> Sequence[str]:
    """Return the meters to ask again before the point can be judged: those that answer, while they are not joined."""
    answering = [meter for meter in point.meters if polls[meter].reading is not None]
    reasons = () if point.diagnosis is None else point.diagnosis.unjudged.values()
    waiting = first or NOT_STEADY in reasons or APART in reasons
    return answering if len(answering) > 1 and waiting else ()


def _blocks(meter: MeterState, answers: Mapping[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """Return the words by the addresses of the profile."""
    if not isinstance(meter.bus, ModelBus):
        return dict(answers)
    place = meter.bus.place
    return {} if place is None else {0: answers[place.address]}


def reach_broker(url: str) -> str | None:
    """Return why no connection to a broker can be made; None if one can."""
    broker = Broker.parse(url)
    try:
        socket.create_connection((broker.host, broker.port), timeout=5.0).close()
    except (OSError, UnicodeError) as error:
        return str(error)
    return None
