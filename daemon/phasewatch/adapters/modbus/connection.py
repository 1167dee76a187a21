"""One connection to a bus, made with pymodbus: the only importer of its client."""

import asyncio
import errno
import re
import socket
from collections.abc import Callable
from typing import Any, Final, NoReturn

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient, AsyncModbusUdpClient
from pymodbus.client.base import ModbusBaseClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerBase, FramerType
from pymodbus.framer.rtu import FramerRTU
from pymodbus.framer.socket import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU

from phasewatch.adapters.modbus.line_statistics import KEPT_BYTES, LineStatistics
from phasewatch.adapters.modbus.protocol import BadReply, LinkDown, LinkTrouble, NoReply
from phasewatch.meters.endpoint import Endpoint
from phasewatch.meters.framing import MBAP, RTU, Blame, Dialect, Frame, Request

FRAME_CHARACTERS: Final = 8 + 5
"""Characters of a request and of an answer without its words."""
UNBOUNDED: Final = 1 << 30
"""Switches off a limit of the library: the listener keeps its own."""


class Listener:
    """Hears all that comes in over one link and picks out the answer to the request that is pending."""

    def __init__(self, dialect: Dialect, tally: LineStatistics, now: Callable[[], float]) -> None:
        """Listen to one framing and count what comes beside; `now` is a monotonic clock in seconds."""
        self._dialect, self._tally, self._now = dialect, tally, now
        self._request: Request | None = None
        self._transaction_id = 0
        self._pending = b""
        self._received = b""
        self.received_at: float | None = None
        """When bytes last came in; None: never."""
        self.asked_at: float | None = None
        """When an answer was last awaited; None: never."""

    @property
    def waiting(self) -> bool:
        """Whether an answer is awaited."""
        return self._request is not None

    @property
    def mute(self) -> bool:
        """Whether not a byte came in since the last request, to this moment."""
        return self.asked_at is not None and (self.received_at is None or self.received_at < self.asked_at)

    def listen_for(self, request: Request) -> None:
        """Await the answer to this request; what came before it cannot be it."""
        self.asked_at = self._now()
        self._request, self._pending, self._received = request, b"", b""

    def stop(self) -> None:
        """Await nothing: what comes in from now on is discarded."""
        if self._request is not None:
            echo = self._dialect.echo(self._request)
            self._tally.missed(self._request, self._received.replace(echo, b"", 1) if echo else self._received)
        self._request = None

    def hear(self, chunk: bytes, transaction_id: int) -> Frame | None:
        """Take in a chunk; return the answer once it is whole."""
        self.received_at = self._now()
        if self._request is None:
            self._tally.stray(chunk)
            return None
        self._transaction_id = transaction_id
        self._received = (self._received + chunk)[:KEPT_BYTES]
        self._pending += chunk
        done, frame = self._dialect.find(self._pending, self._request, transaction_id)
        self._pending = self._pending[done:]
        if frame is None or frame.unit_id != self._request.unit_id:
            return None  # Modbus TCP names the transaction, and yet another unit may answer
        self._came(self._request, frame)
        return frame

    def blame(self, request: Request) -> Blame | None:
        """Return what came in place of an answer to the request; None: nothing."""
        return self._dialect.blame(self._received, request, self._transaction_id)

    def _came(self, request: Request, frame: Frame) -> None:
        """End the wait; what came in front of the answer and behind it is stray."""
        self._request = None
        self._tally.came(request, frame.transaction_id)
        if len(self._received) > len(frame.pdu) + self._dialect.envelope_bytes:
            answer, echo = self._dialect.pack(frame), self._dialect.echo(request)
            before, _, behind = self._received.partition(answer)
            self._tally.stray((before.replace(echo, b"", 1) if echo else before) + behind)


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


class LineConnection:
    """One connection, from its opening to its end; never opened twice."""

    def __init__(self, endpoint: Endpoint, timeout_s: float, tally: LineStatistics) -> None:
        """Prepare a connection that counts what comes over it."""
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._failure: Exception | None = None
        now = asyncio.get_running_loop().time
        self.listener = Listener(dialect_of(endpoint), tally, now)
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
        """Whether it is connected."""
        return self._client.connected

    @property
    def next_transaction_id(self) -> int:
        """What the next connection goes on from."""
        return self._client.ctx.next_tid

    async def open(self, next_transaction_id: int) -> None:
        """Connect within the time-out. Raises: LinkDown with host and reason."""
        if not await self._client.connect():
            reason = self._failure or f"no connection within {self._timeout_s:g} s"
            raise LinkDown(f"{self._endpoint.url}: cannot connect: {reason}", trouble_of(self._failure))
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
            raise LinkDown(f"{request}: the connection was lost", "lost") from None
        if blame := self.listener.blame(request):
            raise BadReply(f"{request}: {blame.text}", blame.mismatch, blame.unit_id) from None
        raise NoReply(f"{request}: no answer within {self._timeout_s:g} s") from None

    async def _create_and_remember(self) -> Any:
        # The library tells nobody why it cannot connect, and lets pass whatever is no OSError.
        try:
            return await self._create()
        except Exception as error:
            # Its traceback would keep alive, and locked, a serial port that was opened and refused its settings.
            self._failure = error.with_traceback(None)
            raise OSError(str(error)) from None

    def _changed(self, up: bool) -> None:
        # The library would let the pending request wait for its time-out when the link is lost.
        answer = self._client.ctx.response_future
        if not up and self.listener.waiting and not answer.done():
            answer.set_exception(ConnectionError("lost"))


_TROUBLES: Final[dict[int, LinkTrouble]] = {
    errno.ECONNREFUSED: "nothing_listens",
    errno.ENETUNREACH: "no_answer",
    errno.EHOSTUNREACH: "no_answer",
    errno.ETIMEDOUT: "no_answer",
    errno.EBUSY: "port_taken",
    errno.EAGAIN: "port_taken",  # the lock of a serial port that another program has
}
_JOINED: Final = re.compile(r"\[Errno (\d+)\]")
"""asyncio joins the errors of several addresses of one host into a text without their numbers."""


def trouble_of(error: Exception | None) -> LinkTrouble:
    """Return the kind of trouble behind a failed connect; None: it took longer than the time-out."""
    if error is None:
        return "no_answer"
    if isinstance(error, socket.gaierror):
        return "unknown_host"
    joined = _JOINED.search(str(error))
    number = getattr(error, "errno", None) or (int(joined[1]) if joined else None)
    return _TROUBLES.get(number or 0, "other")


def dialect_of(endpoint: Endpoint) -> Dialect:
    """Return how the frames of an endpoint are read."""
    return RTU if endpoint.serial_line else MBAP
