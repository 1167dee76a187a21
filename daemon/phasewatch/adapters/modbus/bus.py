"""Reads meters over Modbus TCP, RTU, RTU over TCP and UDP: one request at a time, each when the line allows it."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from phasewatch.adapters.modbus.connection import LineConnection, dialect_of
from phasewatch.adapters.modbus.line_statistics import LineStatistics
from phasewatch.adapters.modbus.protocol import (
    BadReply,
    Bus,
    BusError,
    LineCounts,
    LinkDown,
    Refused,
    words_of,
)
from phasewatch.meters.endpoint import Endpoint
from phasewatch.meters.framing import Frame, Request, Whole

LEAST_QUIET_S: Final = 0.3
"""Quiet after a failed request on a serial line, at least: late replies end in it."""
SETTLED_S: Final = 0.03
"""Silence that shows, after trouble, that no reply is on its way: USB adapters deliver in batches of 16 ms."""
FIRST_RETRY_S: Final = 0.1
LAST_RETRY_S: Final = 2.0
"""Pause after a connection that failed: doubles from the first to the last."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a bus may be asked."""

    timeout_s: float
    """For connecting, and for the meter's thinking: time on a serial line comes on top."""
    gap_s: float = 0.0
    """Silence before each request; on a serial line at least 3.5 characters."""
    unit_gap_s: float = 0.0
    """Silence before a request to another unit than the last one."""
    gaps_s: Mapping[int, float] = field(default_factory=dict)
    """Unit id -> silence that this meter needs before a request to it."""

    @property
    def quiet_s(self) -> float:
        """Quiet after a failed request on a serial line."""
        return max(self.timeout_s, LEAST_QUIET_S)


class Timing:
    """Knows when the next request may go out. Times are of one monotonic clock, in seconds."""

    def __init__(self, pace: Pace, silence_s: float) -> None:
        """Keep a pace; `silence_s` is what the line needs between frames, 0 where there is no serial line."""
        self._pace, self._silence_s = pace, silence_s
        self._last_unit_id: int | None = None
        self._ended_at: float | None = None
        self._quiet_until = 0.0
        self._trouble = False

    def ended(self, unit_id: int, at: float, *, fits: bool) -> None:
        """Note the end of a request; without an answer that fits, a serial line stays quiet for late ones."""
        self._last_unit_id, self._ended_at = unit_id, at
        self._trouble = not fits and self._silence_s > 0
        if self._trouble:
            self._quiet_until = at + self._pace.quiet_s

    def ready_at(self, unit_id: int, received_at: float | None) -> float:
        """Return when a request to a unit may go out, given when bytes last came in; 0 = at once."""
        busy = [at for at in (self._ended_at, received_at) if at is not None]
        return max(self._quiet_until, max(busy) + self._gap_s(unit_id)) if busy else self._quiet_until

    def _gap_s(self, unit_id: int) -> float:
        pace = self._pace
        changed = self._last_unit_id is not None and unit_id != self._last_unit_id
        return max(
            pace.gap_s,
            pace.unit_gap_s if changed else 0.0,
            pace.gaps_s.get(unit_id, 0.0),
            self._silence_s,
            SETTLED_S if self._trouble else 0.0,
        )


def coarse_s(wait_s: float) -> float:
    """Return how long to sleep at first, so as not to oversleep; 0 = the rest is so short that turns of the loop do.

    The loop rounds a sleep up to whole milliseconds, which are ten characters each on a fast line.
    """
    whole_ms = int(wait_s * 1000.0)
    return (whole_ms - 0.5) / 1000.0 if whole_ms else 0.0


class LineBackoff:
    """Spares a peer that cannot be connected: each failure doubles the pause before the next attempt."""

    def __init__(self) -> None:
        """Start without a pause."""
        self._pause_s = 0.0
        self.until = 0.0
        """No attempt before this time of the monotonic clock."""

    def failed(self, at: float) -> None:
        """Note an attempt that failed."""
        self._pause_s = min(max(2 * self._pause_s, FIRST_RETRY_S), LAST_RETRY_S)
        self.until = at + self._pause_s

    def clear(self) -> None:
        """Note an attempt that succeeded."""
        self._pause_s = self.until = 0.0


def open_bus(
    endpoint: Endpoint,
    *,
    timeout_s: float,
    gap_s: float = 0.0,
    unit_gap_s: float = 0.0,
    gaps_s: Mapping[int, float] | None = None,
) -> Bus:
    """Return the bus at an endpoint; it connects at the first read, and again whenever it has to."""
    library = logging.getLogger("pymodbus")
    if library.level == logging.NOTSET:
        library.setLevel(logging.CRITICAL)  # our errors say it once; the library logs every failure
    return _ModbusBus(endpoint, Pace(timeout_s, gap_s, unit_gap_s, gaps_s or {}))


class _ModbusBus:
    """One link at a time, one request at a time."""

    def __init__(self, endpoint: Endpoint, pace: Pace) -> None:
        self._endpoint, self._pace = endpoint, pace
        self._timing = Timing(pace, endpoint.silence_s)
        self._tally = LineStatistics(dialect_of(endpoint).wholes)
        self._turn = asyncio.Lock()
        self._link: LineConnection | None = None
        self._closed = False
        self._next_transaction_id = 0
        self._backoff, self._failure = LineBackoff(), LinkDown("")

    @property
    def counts(self) -> LineCounts:
        return self._tally.counts

    async def read(self, function_code: int, address: int, count: int, unit_id: int) -> tuple[int, ...]:
        request = Request(self._endpoint.url, function_code, address, count, unit_id)
        async with self._turn:
            if self._closed:
                raise LinkDown(f"{request}: the bus is closed")
            await self._silence(request)
            self._drop_if_mute()
            if not (self._link and self._link.up):
                await self._connect()
                await self._silence(request)  # a gateway may deliver old bytes to a new connection
            return await self._exchange(request)

    async def close(self) -> None:
        self._closed = True
        self._drop()
        await asyncio.sleep(0)  # the descriptor is closed at the next turn of the loop

    async def _exchange(self, request: Request) -> tuple[int, ...]:
        if not (link := self._link):
            raise LinkDown(f"{request}: the bus is closed")
        frame: Frame | None = None
        fits = False
        self._tally.asked()
        try:
            frame = await link.ask(request)
            words = words_of(request, frame.unit_id, frame.pdu)
            fits = True
            self._tally.ended(None)
        except BusError as error:
            fits = isinstance(error, Refused)  # an exception is an answer
            self._tally.ended(error, _whole(frame) if frame else None)
            raise
        finally:  # cancelled too: the answer is still to come
            self._next_transaction_id = link.next_transaction_id
            self._timing.ended(request.unit_id, _now(), fits=fits)
            if not fits:
                self._distrust(link)
        return words

    def _distrust(self, link: LineConnection) -> None:
        """Make sure that what is still under way is never taken for the answer to a later request.

        Where there are transaction ids the connection goes: late answers die with it, and a mute peer is found out.
        A serial line has no ids: it stays connected and quiet, so that what is late comes in and is discarded.
        """
        if not self._endpoint.serial_line or not link.up:
            self._drop()

    async def _silence(self, request: Request) -> None:
        """Wait until the line may be used. Raises: BadReply if it never falls silent."""
        left_s = max(self._ready_at(request) - _now(), 0.0) + self._pace.quiet_s
        while not await self._ready(request):
            if left_s < 0:
                self._drop()
                raise BadReply(f"{request}: not sent, for the line does not fall silent", "babble")
            wait_s = coarse_s(max(self._ready_at(request) - _now(), 0.0))
            left_s -= wait_s  # not by the clock: a loop held up is no babble
            await asyncio.sleep(wait_s)

    async def _ready(self, request: Request) -> bool:
        if self._endpoint.serial_line:
            for _ in range(2):  # two turns of the loop: what came in while it was held up is heard first
                await asyncio.sleep(0)
        return self._ready_at(request) <= _now()

    def _ready_at(self, request: Request) -> float:
        received_at = self._link.listener.received_at if self._link and self._endpoint.serial_line else None
        return self._timing.ready_at(request.unit_id, received_at)

    def _drop_if_mute(self) -> None:
        """Drop a gateway without a sign of life since its last request: only a new connection shows if it lives."""
        if self._link and self._endpoint.framing == "rtu+tcp" and self._link.listener.mute:
            self._drop()

    async def _connect(self) -> None:
        self._drop()
        if (wait_s := self._backoff.until - _now()) > 0:
            raise LinkDown(f"{self._failure}; next attempt in {wait_s:.1f} s", self._failure.trouble)
        await asyncio.sleep(0)  # the old descriptor closes first: gateways have few slots
        link = self._link = LineConnection(self._endpoint, self._pace.timeout_s, self._tally)
        try:
            await link.open(self._next_transaction_id)
        except LinkDown as error:
            self._failure = error
            self._backoff.failed(_now())
            raise
        finally:
            if self._closed or not link.up:
                self._drop()
                link.drop()  # closed while it was being opened
        self._backoff.clear()

    def _drop(self) -> None:
        if self._link:
            self._link.drop()
            self._link = None


def _whole(frame: Frame) -> Whole:
    return Whole(frame.unit_id, frame.pdu, frame.transaction_id, asks=False)


def _now() -> float:
    return asyncio.get_running_loop().time()
