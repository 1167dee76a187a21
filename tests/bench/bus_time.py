"""`bus_time`: a serial line that keeps the time of a real one: how much of its time do we use?

The line is a pseudo terminal in a process of its own, whose characters take their time at the baud rate and whose
meters think before they answer. The least time that is possible is what the read plan counts: the characters of
request and answer, the silence before each, and the thinking. The poller of the service reads it, always behind its
schedule; in the same run it reads the same registers value by value, as common collectors do.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from phasewatch.adapters.modbus.bus import open_bus
from phasewatch.configuration.files import load_profile
from phasewatch.meters.decode import Decoder
from phasewatch.meters.endpoint import Endpoint, parse_url
from phasewatch.meters.reading import Reading
from phasewatch.meters.readplan import Request, bus_ms, plan
from phasewatch.service.build import MeterPlan, bus_cost
from phasewatch.service.poller import BusPoller
from tests.bench.cases import SDM630
from tests.bench.child import Child
from tests.bench.figure import Figure, say

METERS: Final = (1, 8, 32)
BAUD_RATES: Final = (9600, 19200, 115200)
GOAL: Final = 1 / 0.95
"""Time used per least time: at least 95 % of the line."""
TIMEOUT_S: Final = 0.3
ALWAYS_LATE_S: Final = 1e-6
"""An interval that no line here can keep."""


@contextmanager
def line(baudrate: int, count: int, turnaround_ms: float, sick: Sequence[float] = ()) -> Iterator[Endpoint]:
    """Serve meters 1, 2, ... on a line of their own; yield where. `sick`: units dead and slow, and its delay."""
    with Child("tests.bench.line_process") as child:
        asked = {"profile": SDM630, "unit_ids": [*range(1, count + 1)], "baudrate": baudrate}
        child.tell(asked | {"turnaround_s": turnaround_ms / 1000.0, "sick": list(sick)})
        yield parse_url(child.hear())


class SystemClock:
    """The clock of the service."""

    def monotonic_s(self) -> float:
        """Return the monotonic clock."""
        return time.monotonic()

    def now(self) -> datetime:
        """Return the wall clock."""
        return datetime.now(UTC)


@dataclass(slots=True)
class Heard:
    """What came, and when."""

    enough: int
    """Readings to wait for."""
    read_s: list[tuple[float, str]] = field(default_factory=list)
    begun_s: float = field(default_factory=time.monotonic)
    failures: list[tuple[str, str]] = field(default_factory=list)
    full: asyncio.Event = field(default_factory=asyncio.Event)

    def on_reading(self, reading: Reading) -> None:
        """Note a reading."""
        self.read_s.append((time.monotonic(), reading.source))
        if len(self.read_s) > self.enough:
            self.full.set()

    def on_failure(self, meter: str, detail: str) -> None:
        """Note a failure."""
        self.failures.append((meter, detail))


def meter_plan(endpoint: Endpoint, turnaround_ms: float, singly: bool = False) -> MeterPlan:
    """Return the plan of a meter; `singly`: a request for each value."""
    profile = load_profile(SDM630).model_copy(update={"turnaround_ms": turnaround_ms, "gap_ms": 0.0})
    cost, quantities = bus_cost(endpoint, profile, 0.0), tuple(profile.registers)
    requests = plan(profile, quantities, cost)
    if singly:
        requests = tuple(Request(profile.function_code, r.address, r.words) for r in profile.registers.values())
    decoder = Decoder(profile, 230.0, quantities)
    return MeterPlan("m", 1, ALWAYS_LATE_S, profile, quantities, requests, decoder, cost)


async def listen(endpoint: Endpoint, one: MeterPlan, count: int, enough: int, time_s: float = 600.0) -> Heard:
    """Poll meters like this one until enough was read or the time is over."""
    heard = Heard(enough)
    plans = [(replace(one, name=f"m{n}", unit_id=n), one.interval_s * n / count) for n in range(1, count + 1)]
    poller = BusPoller("line", open_bus(endpoint, timeout_s=TIMEOUT_S), plans, heard, SystemClock())
    task = asyncio.create_task(poller.run())
    full = asyncio.create_task(heard.full.wait())
    await asyncio.wait([task, full], timeout=time_s, return_when=asyncio.FIRST_COMPLETED)
    assert not task.done(), task.exception()
    full.cancel()
    while not task.done():  # a request that ends at the same moment may swallow the cancellation
        task.cancel()
        await asyncio.wait([task], timeout=0.1)
    await poller.close()
    await asyncio.sleep(TIMEOUT_S)  # the last answer is still on the line
    return heard


def bus_time(
    meters: Sequence[int] = METERS,
    baud_rates: Sequence[int] = BAUD_RATES,
    turnarounds_ms: Sequence[float] = (40.0, 5.0),
    round_s: float = 2.0,
) -> list[Figure]:
    """Measure each number of meters at each rate; meters that think for less show more of us."""
    figures = []
    for turnaround_ms in turnarounds_ms:
        for baudrate in baud_rates:
            for count in meters:
                say(f"bus_time: {count} meters, {baudrate} baud, turnaround {turnaround_ms:g} ms")
                with line(baudrate, count, turnaround_ms) as endpoint:
                    figures += asyncio.run(_measure(endpoint, count, turnaround_ms, round_s))
    return figures


async def _measure(endpoint: Endpoint, count: int, turnaround_ms: float, round_s: float) -> list[Figure]:
    blocks, values = (meter_plan(endpoint, turnaround_ms, singly) for singly in (False, True))
    used_s = await _poll_times_s(endpoint, blocks, count, round_s)
    single_s = await _poll_times_s(endpoint, values, count, round_s / 2)
    least_s = bus_ms(blocks.requests, blocks.cost) / 1000.0
    what = f"meters: {count}, {endpoint.baudrate} baud, turnaround {turnaround_ms:g} ms"
    mean_s, mean_single_s = (sum(times_s) / len(times_s) for times_s in (used_s, single_s))
    return [
        Figure(
            "bus_time",
            f"{what}: time of a poll / least",
            "x",
            mean_s / least_s,
            min(used_s) / least_s,
            max(used_s) / least_s,
            len(used_s),
            GOAL,
        ),
        Figure("bus_time", f"{what}: value by value / ours", "x", mean_single_s / mean_s, samples=len(single_s)),
    ]


async def _poll_times_s(endpoint: Endpoint, one: MeterPlan, count: int, round_s: float) -> list[float]:
    least_s = bus_ms(one.requests, one.cost) / 1000.0
    heard = await listen(endpoint, one, count, max(int(round_s / least_s), 1))
    ends_s = [at_s for at_s, _ in heard.read_s]
    return [later_s - earlier_s for earlier_s, later_s in pairwise(ends_s)]
