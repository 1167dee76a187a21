"""Polls the meters of one bus at a fixed rate, one request at a time, and hands on readings and failures."""

import asyncio
import heapq
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from phasewatch.adapters.modbus import Bus, BusError, IllegalDataAddress
from phasewatch.assembly import MeterPlan
from phasewatch.meters.decode import by_address
from phasewatch.meters.reading import Reading
from phasewatch.meters.readplan import Request, quantities_in, split

OFFLINE_FAILURES: Final = 3
OFFLINE_S: Final = 5.0
"""A meter that failed this often in a row AND this long is probed ever more rarely."""
FIRST_PROBE_S: Final = 2.0
LAST_PROBE_S: Final = 60.0

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
    polls: int = 0
    overruns: int = 0
    """Polls that could not be made because earlier ones took too long."""

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
        self.meters = [MeterState(plan, list(plan.requests), phase_s) for plan, phase_s in plans]

    async def run(self) -> None:
        """Poll until cancelled."""
        start_s = self._clock.monotonic_s()
        due = [(start_s + meter.phase_s, place) for place, meter in enumerate(self.meters)]
        heapq.heapify(due)
        while True:
            due_s, place = due[0]
            wait_s = due_s - self._clock.monotonic_s()
            self.turned_s = self._clock.monotonic_s()
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
        try:
            blocks = await self._ask(meter)
        except BusError as error:
            self._failed(meter, error)
            return
        self._answered(meter)
        values, missing = meter.plan.decoder(by_address(blocks))
        missing.update(dict.fromkeys(meter.refused, "the meter has no such register"))
        reading = Reading(meter.plan.name, self._clock.now(), self._clock.monotonic_s(), values, missing)
        self._listener.on_reading(reading)

    async def _ask(self, meter: MeterState) -> dict[int, tuple[int, ...]]:
        """Return the words of each block by its first address; a refused block is asked in smaller ones from now on.

        Raises: BusError when there is no sample.
        """
        blocks: dict[int, tuple[int, ...]] = {}
        refusals: dict[Request, IllegalDataAddress] = {}
        for request in meter.requests:
            code, address, count = request.function_code, request.address, request.count
            try:
                blocks[address] = await self._bus.read(code, address, count, meter.plan.unit_id)
            except IllegalDataAddress as error:
                if meter.offline and not blocks:
                    raise  # a probe is one request
                refusals[request] = error
        self._learn(meter, refusals, answered=bool(blocks))
        if not blocks:
            raise next(iter(refusals.values()))
        return blocks

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
        if meter.failing_since_s is None:
            meter.failing_since_s = now_s
            _log.warning("meter %s: %s", meter.plan.name, error)
        if meter.offline:
            meter.probe_s = min(2.0 * meter.probe_s, LAST_PROBE_S)
        elif meter.failures >= OFFLINE_FAILURES and now_s - meter.failing_since_s >= OFFLINE_S:
            meter.probe_s = FIRST_PROBE_S
        self._listener.on_failure(meter.plan.name, str(error))

    def _answered(self, meter: MeterState) -> None:
        if meter.failing_since_s is not None:
            away_s = self._clock.monotonic_s() - meter.failing_since_s
            _log.info("meter %s: answers again after %.0f s", meter.plan.name, away_s)
        meter.failures, meter.failing_since_s, meter.probe_s = 0, None, 0.0
