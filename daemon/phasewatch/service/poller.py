"""Polls the meters of one bus at a fixed rate, one request at a time, and hands on readings and failures."""

import asyncio
import heapq
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from phasewatch.adapters.modbus.protocol import (
    BadReply,
    Bus,
    BusError,
    IllegalDataAddress,
    LineCounts,
    LinkDown,
    NoReply,
    Refused,
)
from phasewatch.adapters.modbus.sunspec import bus_of
from phasewatch.meters.decode import by_address
from phasewatch.meters.reading import Reading
from phasewatch.meters.readplan import Request, probe, quantities_in, split
from phasewatch.service.build import MeterPlan

OFFLINE_FAILURES: Final = 3
OFFLINE_S: Final = 5.0
"""A meter that failed this often in a row AND this long is probed ever more rarely."""
FIRST_PROBE_S: Final = 2.0
LAST_PROBE_S: Final = 60.0
LOAD_S: Final = 10.0
"""Time over which the load of a bus is taken."""

KINDS: Final = ((NoReply, "timeout"), (Refused, "exception"), (BadReply, "framing"), (LinkDown, "link_down"))
"""What a failed poll is counted as."""

_log = logging.getLogger(__name__)


class Clock(Protocol):
    """What time it is."""

    def monotonic_s(self) -> float:
        """Return the monotonic clock."""
        ...

    def now(self) -> datetime:
        """Return the wall clock, aware UTC."""
        ...


class Listener(Protocol):
    """Who is told what came of each poll."""

    def on_reading(self, reading: Reading) -> None:
        """Take a reading."""
        ...

    def on_failure(self, meter: str, detail: str) -> None:
        """Take a failed poll: there is no sample."""
        ...


@dataclass(slots=True)
class MeterState:
    """How polling one meter goes."""

    plan: MeterPlan
    requests: list[Request]
    bus: Bus
    """On which the addresses are those of its profile."""
    phase_s: float = 0.0
    """Where in its interval the meter is polled."""
    refused: set[str] = field(default_factory=set)
    """Quantities that the meter does not have, whatever its profile says."""
    refuses_all: bool = False
    """Whether it refuses even each register alone; once it answers again, it is asked as at first."""
    failures: int = 0
    failing_since_s: float | None = None
    probe_s: float = 0.0
    """Pause before the next probe; 0 while the meter is polled at its rate."""
    whole_blocks: bool = False
    """Whether it refuses the short request of a probe: it is then probed by a whole block."""
    polls: int = 0
    overruns: int = 0
    """Polls that could not be made because earlier ones took too long."""
    kinds: dict[str, int] = field(default_factory=dict)
    """Failed polls by kind."""
    busy_s: float = 0.0
    """Time spent on its polls."""

    @property
    def offline(self) -> bool:
        """Whether the meter is only probed."""
        return self.probe_s > 0.0


class BusPoller:
    """The one task of a bus."""

    def __init__(
        self, name: str, bus: Bus, plans: Sequence[tuple[MeterPlan, float]], listener: Listener, clock: Clock
    ) -> None:
        """Take each meter's plan with its phase: where in its interval, in seconds, it is polled."""
        self.name = name
        self.tried = asyncio.Event()
        """Set once every meter was asked for the first time."""
        self.turned_s = clock.monotonic_s()
        """When the loop last made progress: food for the watchdog."""
        self._bus, self._listener, self._clock = bus, listener, clock
        self.meters = [
            MeterState(plan, list(plan.requests), bus_of(bus, plan.profile), phase_s) for plan, phase_s in plans
        ]
        self.load: float | None = None
        """Share of the time that polls took, lately; None before the first LOAD_S are over."""
        self._load_since = (self.turned_s, 0.0)
        """When that time began, and the time spent on polls by then, in seconds."""

    @property
    def line(self) -> LineCounts:
        """What was seen on the line since the start."""
        return self._bus.counts

    @property
    def polls(self) -> int:
        """Polls made so far."""
        return sum(meter.polls for meter in self.meters)

    @property
    def overruns(self) -> int:
        """Polls left out so far, for earlier ones took too long."""
        return sum(meter.overruns for meter in self.meters)

    async def run(self) -> None:
        """Poll until cancelled."""
        start_s = self._clock.monotonic_s()
        due = [(start_s + meter.phase_s, place) for place, meter in enumerate(self.meters)]
        heapq.heapify(due)
        while True:
            due_s, place = due[0]
            wait_s = due_s - self._clock.monotonic_s()
            self.turned_s = self._clock.monotonic_s()
            self._take_load()
            if wait_s > 0.0:
                await asyncio.sleep(min(wait_s, 1.0))  # wakes to show progress
                continue
            meter = self.meters[place]
            await self._poll(meter)
            heapq.heapreplace(due, (self._next_s(meter, due_s), place))
            if not self.tried.is_set() and all(m.polls for m in self.meters):
                self.tried.set()

    async def poll_each(self) -> None:
        """Poll every meter once, in order; a block that a meter refuses is asked again in smaller ones."""
        for meter in self.meters:
            before: list[Request] = []
            while before != meter.requests:
                before = list(meter.requests)
                await self._poll(meter)

    async def close(self) -> None:
        """Let go of the line."""
        await self._bus.close()

    def _take_load(self) -> None:
        since_s, busy_before_s = self._load_since
        if self.turned_s - since_s >= LOAD_S:
            busy_s = sum(meter.busy_s for meter in self.meters)
            self.load = (busy_s - busy_before_s) / (self.turned_s - since_s)
            self._load_since = (self.turned_s, busy_s)

    def _next_s(self, meter: MeterState, due_s: float) -> float:
        """Return when the meter is due again: on its own grid, so that a late poll delays no later one."""
        now_s = self._clock.monotonic_s()
        interval_s = meter.plan.interval_s
        if meter.offline:
            return now_s + meter.probe_s
        missed = int((now_s - due_s) / interval_s)
        if missed > 0 and meter.failures == 0:
            meter.overruns += missed
        return due_s + (missed + 1) * interval_s

    async def _poll(self, meter: MeterState) -> None:
        meter.polls += 1
        begin_s = self._clock.monotonic_s()
        try:
            blocks = await self._ask(meter)
        except BusError as error:
            meter.busy_s += self._clock.monotonic_s() - begin_s
            self._failed(meter, error)
            return
        meter.busy_s += self._clock.monotonic_s() - begin_s
        self._answered(meter)
        try:
            self._listener.on_reading(self._reading(meter, blocks))
        except Exception as error:
            # A fault of our own at one meter must not stop the others; told as a failed poll it becomes an alert.
            _log.exception("meter %s: internal fault", meter.plan.name)
            self._tell_failure(meter, f"internal fault: {error!r}")

    def _reading(self, meter: MeterState, blocks: Mapping[int, tuple[int, ...]]) -> Reading:
        values, missing = meter.plan.decoder(by_address(blocks))
        missing.update(dict.fromkeys(meter.refused, "the meter has no such register"))
        return Reading(meter.plan.name, self._clock.now(), self._clock.monotonic_s(), values, missing)

    def _tell_failure(self, meter: MeterState, detail: str) -> None:
        try:
            self._listener.on_failure(meter.plan.name, detail)
        except Exception:
            _log.exception("meter %s: a failed poll could not be judged", meter.plan.name)

    async def _ask(self, meter: MeterState) -> dict[int, tuple[int, ...]]:
        """Return the words of each block by its first address; a refused block is asked in smaller ones from now on.

        Raises: BusError when there is no sample.
        """
        if meter.offline:
            await self._probe(meter)
        blocks: dict[int, tuple[int, ...]] = {}
        refusals: dict[Request, IllegalDataAddress] = {}
        for request in meter.requests:
            try:
                blocks[request.address] = await self._read(meter, request)
            except IllegalDataAddress as error:
                refusals[request] = error
        self._learn(meter, refusals, answered=bool(blocks))
        if not blocks:
            raise next(iter(refusals.values()))
        return blocks

    async def _read(self, meter: MeterState, request: Request) -> tuple[int, ...]:
        return await meter.bus.read(request.function_code, request.address, request.count, meter.plan.unit_id)

    async def _probe(self, meter: MeterState) -> None:
        """Ask an offline meter one short request: without an answer, that is all it costs the others.

        Raises: BusError when it does not answer.
        """
        wanted = [name for name in meter.plan.quantities if name not in meter.refused]
        short = probe(meter.requests, meter.plan.profile, wanted)
        try:
            await self._read(meter, meter.requests[0] if meter.whole_blocks else short)
        except IllegalDataAddress:
            meter.whole_blocks = not meter.whole_blocks  # some meters answer only whole blocks: next time one of these
            raise

    def _learn(self, meter: MeterState, refusals: Mapping[Request, IllegalDataAddress], answered: bool) -> None:
        """Remember what the meter refuses; one that refuses everything, as some gateways do, says nothing by it."""
        if meter.refuses_all and answered:
            meter.requests, meter.refused, meter.refuses_all = list(meter.plan.requests), set(), False
            return
        before = list(meter.requests)
        for request, error in refusals.items():
            self._split(meter, request, error, may_give_up=answered)
        meter.refuses_all = not answered and meter.requests == before

    def _split(self, meter: MeterState, request: Request, error: IllegalDataAddress, may_give_up: bool) -> None:
        plan = meter.plan
        wanted = tuple(name for name in plan.quantities if name not in meter.refused)
        smaller = split(request, plan.profile, wanted)
        place = meter.requests.index(request)
        if smaller:
            meter.requests[place : place + 1] = smaller
            _log.warning("meter %s: %s; asking for smaller blocks from now on", plan.name, error)
        elif may_give_up:
            names = quantities_in(request, plan.profile, wanted)
            del meter.requests[place]
            meter.refused.update(names)
            _log.warning("meter %s: %s; %s will be missing", plan.name, error, ", ".join(names))

    def _failed(self, meter: MeterState, error: BusError) -> None:
        now_s = self._clock.monotonic_s()
        meter.failures += 1
        kind = next((name for error_class, name in KINDS if isinstance(error, error_class)), "other")
        meter.kinds[kind] = meter.kinds.get(kind, 0) + 1
        if meter.failing_since_s is None:
            meter.failing_since_s = now_s
            _log.warning("meter %s: %s", meter.plan.name, error)
        if meter.offline:
            meter.probe_s = min(2.0 * meter.probe_s, LAST_PROBE_S)
        elif meter.failures >= OFFLINE_FAILURES and now_s - meter.failing_since_s >= OFFLINE_S:
            meter.probe_s = FIRST_PROBE_S
        self._tell_failure(meter, str(error))

    def _answered(self, meter: MeterState) -> None:
        if meter.failing_since_s is not None:
            away_s = self._clock.monotonic_s() - meter.failing_since_s
            _log.info("meter %s: answers again after %.0f s", meter.plan.name, away_s)
        meter.failures, meter.failing_since_s, meter.probe_s = 0, None, 0.0
