"""Reads meters over Modbus TCP, RTU, RTU over TCP and UDP: the only importer of pymodbus' client.

The library takes any reply of the right unit for an answer, so every reply is judged here, in bytes, before it counts.
Opening a local serial port blocks the event loop for some milliseconds; pyserial has no other way.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient, AsyncModbusUdpClient
from pymodbus.client.base import ModbusBaseClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerBase, FramerType
from pymodbus.framer.rtu import FramerRTU
from pymodbus.framer.socket import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU

from phasewatch.adapters.modbus_framing import Frame, Listener, blame_mbap, blame_rtu, find_mbap, find_rtu
from phasewatch.adapters.modbus_pace import Backoff, Pace, Timing, coarse_s
from phasewatch.adapters.modbus_request import (
    BadReply,
    Bus,
    BusError,
    IllegalDataAddress,
    LinkDown,
    NoReply,
    Refused,
    Request,
    words_of,
)
from phasewatch.meters.endpoint import Endpoint

__all__ = ["BadReply", "Bus", "BusError", "IllegalDataAddress", "LinkDown", "NoReply", "Refused", "Request", "open_bus"]

FRAME_CHARACTERS: Final = 8 + 5
"""Characters of a request and of an answer without its words."""
UNBOUNDED: Final = 1 << 30
"""Switches off a limit of the library: the listener keeps its own."""


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


class _Answer(ModbusPDU):
    """A reply as bytes: the library's own decoders accept what does not fit."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(dev_id=frame.unit_id, transaction_id=frame.transaction_id)
        self.frame = frame


class _Hearing(FramerBase):
    """Hands what comes in to the listener."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(DecodePDU(False))
        self._listener = listener

    def handleFrame(self, data: bytes, exp_devid: int, exp_tid: int) -> tuple[int, ModbusPDU | None]:  # noqa: N802, ARG002
        """Take in a chunk; never raise, for that would end as a traceback of the event loop."""
        frame = self._listener.hear(data, exp_tid)
        return len(data), _Answer(frame) if frame else None


class _Rtu(_Hearing, FramerRTU):
    """RTU that finds the frame behind noise and echo, where the library's gives up at one stray byte."""


class _Mbap(_Hearing, FramerSocket):
    """Modbus TCP that takes only the transaction asked for, where the library's takes transaction 0 as well."""


def _client(endpoint: Endpoint, timeout_s: float, changed: Callable[[bool], None]) -> ModbusBaseClient:
    # No retries: the second answer would be taken for the next request's. No reconnection: it leaks sockets.
    common: dict[str, Any] = {
        "timeout": timeout_s,
        "retries": 0,
        "reconnect_delay": 0,
        "trace_connect": changed,
    }
    if endpoint.device is not None:
        line: dict[str, Any] = {"baudrate": endpoint.baudrate, "parity": endpoint.parity, "stopbits": endpoint.stopbits}
        return AsyncModbusSerialClient(endpoint.device, **line, **common)  # opens the port with exclusive=True
    where: dict[str, Any] = {"host": endpoint.host, "port": endpoint.port}
    if endpoint.framing == "udp":
        return AsyncModbusUdpClient(**where, **common)
    framer = FramerType.RTU if endpoint.serial_line else FramerType.SOCKET
    return AsyncModbusTcpClient(**where, framer=framer, **common)


class _Link:
    """One connection, from its opening to its end; never opened twice."""

    def __init__(self, endpoint: Endpoint, timeout_s: float) -> None:
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._failure: Exception | None = None
        now = asyncio.get_running_loop().time
        self.listener = Listener(find_rtu, blame_rtu, now) if endpoint.serial_line else _listen_mbap(now)
        self._client = _client(endpoint, timeout_s, self._changed)
        self._client.set_max_no_responses(UNBOUNDED)  # when to drop a link is decided by the bus
        context = self._client.ctx
        framer: FramerBase = _Rtu(self.listener) if endpoint.serial_line else _Mbap(self.listener)
        context.framer = framer
        context.max_buffer_size = UNBOUNDED  # the library would throw away an answer behind 8 bytes of echo
        self._create = context.call_create
        context.call_create = self._create_and_remember

    @property
    def up(self) -> bool:
        return self._client.connected

    @property
    def next_transaction_id(self) -> int:
        return self._client.ctx.next_tid

    async def open(self, next_transaction_id: int) -> None:
        """Connect within the time-out. Raises: LinkDown with host and reason."""
        if not await self._client.connect():
            reason = self._failure or f"no connection within {self._timeout_s:g} s"
            raise LinkDown(f"{self._endpoint.url}: cannot connect: {reason}")
        # Ids run on over connections: a gateway may hand the answer to an old request to a new connection.
        self._client.ctx.next_tid = next_transaction_id

    async def ask(self, request: Request) -> Frame:
        """Send a request and wait for the frame that answers it, right or wrong. Raises: BusError."""
        on_the_line_s = (FRAME_CHARACTERS + 2 * request.count) * self._endpoint.character_s
        self._client.ctx.comm_params.timeout_connect = self._timeout_s + on_the_line_s
        self.listener.listen_for(request)
        try:
            answer = await self._send(request)
        except (ModbusException, OSError) as error:
            self._fail(request, error)
        finally:
            self.listener.stop()
        return answer.frame

    def drop(self) -> None:
        """Close the descriptor at the next turn of the loop, whatever waits to be sent; a pending request fails."""
        self._changed(up=False)
        transport = self._client.ctx.transport
        if isinstance(transport, asyncio.Transport | asyncio.DatagramTransport):
            transport.abort()
        self._client.close()

    async def _send(self, request: Request) -> _Answer:
        read = {3: self._client.read_holding_registers, 4: self._client.read_input_registers}[request.function_code]
        answer = await read(request.address, count=request.count, device_id=request.unit_id)
        if not isinstance(answer, _Answer):
            raise ModbusException("an answer that did not come through the framer")
        return answer

    def _fail(self, request: Request, error: Exception) -> NoReturn:
        if not self.up or isinstance(error, OSError):
            raise LinkDown(f"{request}: the connection was lost") from None
        if blame := self.listener.blame(request):
            raise BadReply(f"{request}: {blame}") from None
        raise NoReply(f"{request}: no answer within {self._timeout_s:g} s") from None

    async def _create_and_remember(self) -> Any:
        # The library tells nobody why it cannot connect, and lets pass whatever is no OSError.
        try:
            return await self._create()
        except Exception as error:
            self._failure = error
            raise OSError(str(error)) from error

    def _changed(self, up: bool) -> None:
        # The library would let the pending request wait for its time-out when the link is lost.
        answer = self._client.ctx.response_future
        if not up and self.listener.waiting and not answer.done():
            answer.set_exception(ConnectionError("lost"))


def _listen_mbap(now: Callable[[], float]) -> Listener:
    return Listener(find_mbap, blame_mbap, now)


class _ModbusBus:
    """One link at a time, one request at a time."""

    def __init__(self, endpoint: Endpoint, pace: Pace) -> None:
        self._endpoint, self._pace = endpoint, pace
        self._timing = Timing(pace, endpoint.silence_s)
        self._turn = asyncio.Lock()
        self._link: _Link | None = None
        self._closed = False
        self._next_transaction_id = 0
        self._backoff, self._failure = Backoff(), ""

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
        fits = False
        try:
            frame = await link.ask(request)
            words = words_of(request, frame.unit_id, frame.pdu)
            fits = True
        except Refused:
            fits = True  # an exception is an answer
            raise
        finally:  # cancelled too: the answer is still to come
            self._next_transaction_id = link.next_transaction_id
            self._timing.ended(request.unit_id, _now(), fits=fits)
            if not fits:
                self._distrust(link)
        return words

    def _distrust(self, link: _Link) -> None:
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
                raise BadReply(f"{request}: not sent, for the line does not fall silent")
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
            raise LinkDown(f"{self._failure}; next attempt in {wait_s:.1f} s")
        await asyncio.sleep(0)  # the old descriptor closes first: gateways have few slots
        link = self._link = _Link(self._endpoint, self._pace.timeout_s)
        try:
            await link.open(self._next_transaction_id)
        except LinkDown as error:
            self._failure = str(error)
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


def _now() -> float:
    return asyncio.get_running_loop().time()
