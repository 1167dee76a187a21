"""Reads meters over Modbus TCP, RTU, RTU over TCP and UDP.

The library takes any reply of the right unit for an answer, so every reply is judged here, in bytes, before it counts.
Opening a local serial port blocks the event loop for some milliseconds; pyserial has no other way.
"""

import asyncio
import logging
from collections.abc import Mapping

from phasewatch.adapters.modbus.connection import LineConnection, dialect_of
from phasewatch.adapters.modbus.line_statistics import LineStatistics
from phasewatch.adapters.modbus.pacing import LineBackoff, Pace, Timing, coarse_s
from phasewatch.adapters.modbus.protocol import (
    BadReply,
    Bus,
    BusError,
    IllegalDataAddress,
    LineCounts,
    LinkDown,
    NoReply,
    Refused,
    words_of,
)
from phasewatch.meters.endpoint import Endpoint
from phasewatch.meters.framing import Frame, Request, Whole

__all__ = [
    "BadReply",
    "Bus",
    "BusError",
    "IllegalDataAddress",
    "LineCounts",
    "LinkDown",
    "NoReply",
    "Refused",
    "Request",
    "open_bus",
]


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
        heard_at = self._link.listener.heard_at if self._link and self._endpoint.serial_line else None
        return self._timing.ready_at(request.unit_id, heard_at)

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
