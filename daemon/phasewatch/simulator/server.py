"""Simulated meters on a real line: Modbus TCP, RTU on a serial port or pty, RTU over TCP, UDP.

This is a server of its own and not pymodbus's, because a meter must be able to stay silent, to refuse an odd
address, a hole or a long request with the code that real ones use, and to break off in the middle of a frame;
and because a daemon that reads with pymodbus is better tested against frames that pymodbus did not make.
"""

import asyncio
import struct
import termios
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self, cast
from urllib.parse import urlsplit

from phasewatch.meters.framing import ASKS_IN_8_BYTES, crc16, mbap_frame, mbap_header, rtu_frame
from phasewatch.simulator.device import SOUND, Fault, Unit
from phasewatch.simulator.serial_line import QUIET, LineFaults, SerialLine

LONGEST_RTU: Final = 256


class FrameError(ValueError):
    """The stream holds what cannot be a frame; the connection is of no further use."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came off the wire."""

    unit_id: int
    pdu: bytes
    transaction_id: int = 0


Split = Callable[[bytes], tuple[list[Request], bytes]]
"""Cut a stream into whole requests and the rest, which waits for more."""

Pack = Callable[[Request, int, bytes], bytes]
"""Wrap a reply: the request, the unit id to answer as, the PDU."""


def split_mbap(stream: bytes) -> tuple[list[Request], bytes]:
    """Cut a TCP stream into requests.

    Raises: FrameError if a header is not one of Modbus.
    """
    found: list[Request] = []
    while (header := mbap_header(stream, 0)) is not None:
        transaction_id, size = header
        if not size:
            raise FrameError(f"no MBAP header: {stream[:8].hex(' ')}")
        if len(stream) < size:
            break
        found.append(Request(stream[6], stream[7:size], transaction_id))
        stream = stream[size:]
    return found, stream


def pack_mbap(request: Request, unit_id: int, pdu: bytes) -> bytes:
    """Wrap a reply for TCP."""
    return mbap_frame(unit_id, request.transaction_id, pdu)


def split_rtu(stream: bytes) -> tuple[list[Request], bytes]:
    """Cut a serial stream into requests, passing over noise in front of each."""
    found = []
    place = 0
    while place + 4 <= len(stream):
        size = _rtu_size(stream[place : place + LONGEST_RTU])
        if size:
            found.append(Request(stream[place], stream[place + 1 : place + size - 2]))
            stream, place = stream[place + size :], 0
        else:
            place += 1
    return found, stream[-LONGEST_RTU:]


def pack_rtu(_request: Request, unit_id: int, pdu: bytes) -> bytes:
    """Wrap a reply for a serial line."""
    return rtu_frame(unit_id, pdu)


def _rtu_size(stream: bytes) -> int:
    """Return the bytes of the frame that begins here; 0 if none does, or not yet."""
    sizes = (8,) if stream[1] in ASKS_IN_8_BYTES else range(4, len(stream) + 1)
    return next(
        (size for size in sizes if size <= len(stream) and crc16(stream[: size - 2]) == stream[size - 2 : size]), 0
    )


FRAMINGS: Final[dict[str, tuple[Split, Pack]]] = {
    "tcp": (split_mbap, pack_mbap),
    "udp": (split_mbap, pack_mbap),
    "rtu": (split_rtu, pack_rtu),
    "rtu+tcp": (split_rtu, pack_rtu),
}
"""URL scheme -> how its frames are cut and packed."""

DEFAULT_PORT: Final = 502
REMEMBERED: Final = 1000
"""Requests kept for tests and the demo to look at."""

Write = Callable[[bytes], object]


class ListenError(ValueError):
    """The server cannot listen there; the message says why."""


class Server:
    """Units on one line."""

    def __init__(
        self,
        listen: str,
        units: Mapping[int, Unit],
        line_faults: LineFaults = QUIET,
        turnaround_s: float | None = None,
    ) -> None:
        """Take the line's URL and the units by unit id.

        `tcp://127.0.0.1:0` finds a free port; `rtu://` without a path makes a pty. `url` then says which.
        On a serial line a unit thinks as long as its profile says, or as `turnaround_s` says of all.

        Raises: ListenError if there is no such line, or none that can have these faults.
        """
        self.units = dict(units)
        self.faults: dict[int, Fault] = {}
        """Unit id -> what is wrong with it; may be changed at any time and holds from the next request on."""
        self.requests: deque[Request] = deque(maxlen=REMEMBERED)
        """What was asked, of any unit id, oldest first."""
        self.url = listen
        self._scheme = urlsplit(listen).scheme
        if self._scheme not in FRAMINGS:
            raise ListenError(f"{listen}: no such line; one of {', '.join(f'{name}://' for name in FRAMINGS)}")
        if line_faults != QUIET and self._scheme != "rtu":
            raise ListenError(f"{listen}: no serial line; its faults need rtu://")
        self._line_faults, self._turnaround_s = line_faults, turnaround_s
        self._split, self._pack = FRAMINGS[self._scheme]
        self._closers: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The TCP or UDP port; 0 on a serial line."""
        return urlsplit(self.url).port or 0

    async def start(self) -> None:
        """Begin to listen.

        Raises: ListenError if the port or the device cannot be had.
        """
        open_line = {"rtu": self._open_serial, "udp": self._open_udp}.get(self._scheme, self._open_tcp)
        try:
            await open_line()
        except (OSError, ValueError, termios.error) as error:
            raise ListenError(f"{self.url}: {error}") from error

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        while self._closers:
            self._closers.pop()()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    async def _open_tcp(self) -> None:
        host, port = _address(self.url)
        listener = await asyncio.start_server(self._accept, host, port)
        self._closers.append(listener.close)
        self._tell(listener.sockets[0].getsockname())

    async def _open_udp(self) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self._reply_aside), local_addr=_address(self.url)
        )
        self._closers.append(transport.close)
        self._tell(transport.get_extra_info("sockname"))

    async def _open_serial(self) -> None:
        line = SerialLine(self.url, self._line_faults)
        self.url = line.url
        self._closers.append(line.close)
        self._keep(asyncio.create_task(self._attend(line)))
        if self._line_faults.other_master_s and self.units:
            self._keep(asyncio.create_task(self._ask_too(line, self._line_faults.other_master_s)))

    def _tell(self, name: tuple[str, int]) -> None:
        host = f"[{name[0]}]" if ":" in name[0] else name[0]
        self.url = f"{self._scheme}://{host}:{name[1]}"

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._closers:
            writer.close()  # accepted by the system while the server stopped: it must not be served
            return
        # A plain function that keeps the task: asyncio reports a cancelled connection of its own as an error.
        self._keep(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(lambda: reader.read(4096), writer.write)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _reply_aside(self, request: Request, write: Write) -> None:
        async def reply() -> None:
            await self._reply(request, write)

        self._keep(asyncio.create_task(reply()))

    async def _converse(self, read: Callable[[], Awaitable[bytes]], write: Write) -> None:
        """Answer the requests of one stream, one after the other, until it ends."""
        rest = b""
        with suppress(FrameError, OSError):
            while received := await read():
                requests, rest = self._split(rest + received)
                for request in requests:
                    if not await self._reply(request, write):
                        return

    async def _reply(self, request: Request, write: Write) -> bool:
        """Answer one request; return whether the connection stays."""
        self.requests.append(request)
        fault = self.faults.get(request.unit_id, SOUND)
        await asyncio.sleep(fault.delay_s)
        if frame := self._answer(request, fault):
            write(frame)
        return not fault.hang_up

    def _answer(self, request: Request, fault: Fault) -> bytes:
        """Return what the unit says; empty if nothing."""
        unit = self.units.get(request.unit_id)
        if unit is None or fault.silent or fault.hang_up:
            return b""
        pdu = fault.answer(unit, request.pdu)
        if not pdu:
            return b""
        frame = self._pack(request, request.unit_id if fault.unit_id is None else fault.unit_id, pdu)
        return fault.noise + frame[: max(len(frame) - fault.truncate_bytes, 0)]

    async def _attend(self, line: SerialLine) -> None:
        """Answer what is heard on a serial line until it ends or a unit hangs up."""
        rest = b""
        while (heard := await line.read()).characters:
            requests, rest = self._split(heard.characters if heard.fresh else rest + heard.characters)
            for request in requests:
                self.requests.append(request)
                self._answer_on(line, request, heard.ends)
                if self.faults.get(request.unit_id, SOUND).hang_up:
                    return

    def _answer_on(self, line: SerialLine, request: Request, asked_at: float) -> None:
        """Let the unit speak once the request has ended and it has thought."""
        fault = self.faults.get(request.unit_id, SOUND)
        if frame := self._answer(request, fault):
            begins = asked_at + line.silence_s + self._thinking_s(request.unit_id) + fault.delay_s
            line.say(frame, begins)
            if line.faults.duplicate_s and request.unit_id == next(iter(self.units)):
                line.say(frame, begins + line.faults.duplicate_s)

    def _thinking_s(self, unit_id: int) -> float:
        if self._turnaround_s is not None:
            return self._turnaround_s
        return self.units[unit_id].profile.turnaround_ms / 1000.0

    async def _ask_too(self, line: SerialLine, interval_s: float) -> None:
        """Play another master, who asks the first unit for one register and does not listen first."""
        unit_id, unit = next(iter(self.units.items()))
        code = next(code for code, readable in sorted(unit.readable.items()) if readable)
        asked = Request(unit_id, struct.pack(">BHH", code, min(unit.readable[code]), unit.profile.align_words))
        while True:
            await asyncio.sleep(interval_s)
            self._answer_on(line, asked, line.say(self._pack(asked, unit_id, asked.pdu), time.monotonic()))


class _Datagrams(asyncio.DatagramProtocol):
    """Requests that come as datagrams, each with its own answer."""

    def __init__(self, answer: Callable[[Request, Write], None]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, datagram: bytes, sender: tuple[str, int]) -> None:
        with suppress(FrameError):
            for request in split_mbap(datagram)[0]:
                self._answer(request, lambda frame: self._transport.sendto(frame, sender))


def _address(url: str) -> tuple[str, int]:
    at = urlsplit(url)
    return at.hostname or "127.0.0.1", DEFAULT_PORT if at.port is None else at.port
