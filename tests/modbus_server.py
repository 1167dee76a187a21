"""A scripted meter with real frames: for each request a list of (delay, bytes), over TCP, UDP or a pseudo terminal."""

import asyncio
import os
import socket
import struct
import tty
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pymodbus.framer.rtu import FramerRTU

FRAMINGS = ("tcp", "rtu+tcp", "rtu", "udp")
"""Framings the meter speaks, as in bus URLs."""
LINES = ("rtu+tcp", "rtu")
"""Those without transaction ids."""


def word_at(unit_id: int, address: int) -> int:
    """Return the word of an address: no two neighbours, units or pages look alike."""
    return (unit_id * 4099 + address * 31 + 7) & 0xFFFF


def words_at(unit_id: int, address: int, count: int) -> tuple[int, ...]:
    return tuple(word_at(unit_id, address + n) for n in range(count))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came in."""

    mbap: bool
    raw: bytes
    transaction_id: int
    unit_id: int
    function_code: int
    address: int
    count: int

    def frame(self, pdu: bytes, *, unit_id: int | None = None, transaction_id: int | None = None) -> bytes:
        """Frame an answer as the framing of the request wants it."""
        unit = self.unit_id if unit_id is None else unit_id
        if self.mbap:
            tid = self.transaction_id if transaction_id is None else transaction_id
            return struct.pack(">HHHB", tid, 0, len(pdu) + 1, unit) + pdu
        message = bytes([unit]) + pdu
        return message + FramerRTU.compute_CRC(message).to_bytes(2, "big")

    def words(self, count: int | None = None, unit_id: int | None = None) -> bytes:
        """Return the PDU with the words of the asked addresses."""
        unit = self.unit_id if unit_id is None else unit_id
        words = words_at(unit, self.address, self.count if count is None else count)
        return struct.pack(f">BB{len(words)}H", self.function_code, 2 * len(words), *words)

    def honest(self) -> bytes:
        """Return the right answer."""
        return self.frame(self.words())

    def refusal(self, exception_code: int) -> bytes:
        return self.frame(bytes([self.function_code | 0x80, exception_code]))


HANG_UP = b"\0hang up"
"""Instead of bytes: the meter closes the connection."""

Script = Callable[[Asked], Sequence[tuple[float, bytes]]]


def honest(asked: Asked) -> Sequence[tuple[float, bytes]]:
    return [(0.0, asked.honest())]


def mute(asked: Asked) -> Sequence[tuple[float, bytes]]:
    return []


class ScriptedMeter:
    """Answers each request as the script says; counts what is connected to it."""

    def __init__(self, framing: str) -> None:
        self.mbap = framing in ("tcp", "udp")
        self.script: Script = honest
        self.asked: list[Asked] = []
        self.was_asked = asyncio.Event()
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.hang_up: list[Callable[[], None]] = []
        self.say: Callable[[bytes], None]
        """Writes to the last one who asked, unasked."""

    def connected(self) -> None:
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)

    def take(self, data: bytes, write: Callable[[bytes], None]) -> bytes:
        """Answer the requests in the data; return what is no whole request yet."""
        self.say = write
        size = 12 if self.mbap else 8
        while len(data) >= size:
            raw, data = data[:size], data[size:]
            tid = struct.unpack_from(">H", raw)[0] if self.mbap else 0
            asked = Asked(self.mbap, raw, tid, *struct.unpack_from(">BBHH", raw, 6 if self.mbap else 0))
            self.asked.append(asked)
            self.was_asked.set()
            for delay_s, answer in self.script(asked):
                asyncio.get_running_loop().call_later(delay_s, write, answer)
        return data


class _Stream(asyncio.Protocol):
    def __init__(self, meter: ScriptedMeter) -> None:
        self.meter, self.data = meter, b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.meter.connected()
        self.meter.hang_up.append(transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self.meter.open -= 1

    def data_received(self, data: bytes) -> None:
        self.data = self.meter.take(self.data + data, self.write)

    def write(self, data: bytes) -> None:
        if data == HANG_UP:
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.write(data)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, meter: ScriptedMeter) -> None:
        self.meter = meter
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        def write(answer: bytes) -> None:
            if not self.transport.is_closing():
                self.transport.sendto(answer, addr)

        self.meter.take(data, write)


@asynccontextmanager
async def listening(meter: ScriptedMeter, framing: str, where: Path, port: int = 0) -> AsyncIterator[str]:
    """Serve the meter and yield its URL; a port serves again where it was before, `where` holds the pseudo terminal."""
    serve = {"udp": _on_udp, "rtu": _on_pty}.get(framing, _on_tcp)
    async with serve(meter, where, port) as place:
        yield f"{framing}://{place}"


@asynccontextmanager
async def _on_tcp(meter: ScriptedMeter, _where: Path, port: int) -> AsyncIterator[str]:
    server = await asyncio.get_running_loop().create_server(lambda: _Stream(meter), "127.0.0.1", port)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for hang_up in meter.hang_up:
            hang_up()
        await asyncio.sleep(0.01)


@asynccontextmanager
async def _on_udp(meter: ScriptedMeter, _where: Path, port: int) -> AsyncIterator[str]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(meter), local_addr=("127.0.0.1", port), family=socket.AF_INET
    )
    try:
        yield f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()
        await asyncio.sleep(0.01)


@asynccontextmanager
async def _on_pty(meter: ScriptedMeter, where: Path, _port: int) -> AsyncIterator[str]:
    """Serve on a pseudo terminal that is reached under a name that stays."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)  # no echo; kept open, or the line would hang up whenever the client lets go of it
    link = where / "ttyMETER"
    link.symlink_to(os.ttyname(theirs))
    loop, pending = asyncio.get_running_loop(), b""
    open_ends = [ours, theirs]

    def hang_up() -> None:
        loop.remove_reader(ours)
        while open_ends:
            os.close(open_ends.pop())

    def write(data: bytes) -> None:
        if data == HANG_UP:
            hang_up()
        elif open_ends:
            os.write(ours, data)

    def take() -> None:
        nonlocal pending
        with suppress(BlockingIOError):
            pending = meter.take(pending + os.read(ours, 4096), write)

    os.set_blocking(ours, False)
    loop.add_reader(ours, take)
    try:
        yield f"{quote(str(link))}?baudrate=115200"
    finally:
        hang_up()
        link.unlink()
