"""Modbus frames as bytes: RTU with its check bytes, and MBAP (TCP, UDP). Pure: adapter and simulator share it.

Source: Modbus application protocol V1.1b3; Modbus over serial line V1.02; Modbus messaging on TCP/IP V1.0b.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

MAX_WORDS: Final = 125
"""Most registers one request may ask for. Source: Modbus application protocol V1.1b3, 6.3 and 6.4."""

READS: Final = (3, 4, 0x83, 0x84)
"""Function codes of answers to reads, and of exceptions to them."""
ASKS_IN_8_BYTES: Final = range(1, 7)
"""Function codes whose requests are 8 bytes in RTU; those of 5 and 6 are answered by the same bytes."""


@dataclass(frozen=True, slots=True)
class Request:
    """One read of registers."""

    url: str
    """Of the bus, for messages."""
    function_code: int
    address: int
    """PDU address, counted from 0."""
    count: int
    unit_id: int

    def __post_init__(self) -> None:
        """Refuse what must never reach a line."""
        for name, value, allowed in (
            ("function code", self.function_code, range(3, 5)),
            ("unit id", self.unit_id, range(256)),
            ("count", self.count, range(1, MAX_WORDS + 1)),
            ("last address", self.address + self.count - 1, range(self.count - 1, 0x10000)),
        ):
            if value not in allowed:
                raise ValueError(f"{self}: {name} {value} is not in {allowed.start}..{allowed.stop - 1}")

    def __str__(self) -> str:
        """Name the place, as every error does."""
        place = f"unit {self.unit_id}, function {self.function_code}, address {self.address}, count {self.count}"
        return f"{self.url}: {place}"

    @property
    def pdu(self) -> bytes:
        """The bytes of the request, without any frame."""
        return struct.pack(">BHH", self.function_code, self.address, self.count)


class Whole(NamedTuple):
    """A whole frame of any sender."""

    unit_id: int
    pdu: bytes
    transaction_id: int
    """0 in RTU, which has none."""
    asks: bool
    """Whether it is a request."""


class Frame(NamedTuple):
    """One whole answer."""

    unit_id: int
    transaction_id: int
    """0 in RTU, which has none."""
    pdu: bytes


Found = tuple[int, Frame | None]
"""Bytes that are done with, and the answer if it is there."""


def _crc_table() -> tuple[int, ...]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def crc16(message: bytes) -> bytes:
    """Return the two check bytes behind an RTU frame. Source: Modbus over serial line V1.02, 6.2.2."""
    crc = 0xFFFF
    for byte in message:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def rtu_frame(unit_id: int, pdu: bytes) -> bytes:
    """Return the bytes of one RTU frame."""
    message = bytes([unit_id]) + pdu
    return message + crc16(message)


def mbap_frame(unit_id: int, transaction_id: int, pdu: bytes) -> bytes:
    """Return the bytes of one Modbus TCP frame."""
    return struct.pack(">HHHB", transaction_id, 0, len(pdu) + 1, unit_id) + pdu


def find_rtu(received: bytes, request: Request, _transaction_id: int) -> Found:
    """Hunt at every offset for a frame of the asked unit whose check bytes are right.

    Noise and the echo of the request lie before the answer on real lines. The echo has to be passed over as such:
    of addresses 0x03xx it is itself an answer of three bytes, and of 0x04xx one of two words once a 0 follows it.
    """
    echo = rtu_frame(request.unit_id, request.pdu)
    start, waiting = 0, len(received)
    while (start := received.find(request.unit_id, start)) >= 0:
        if received.startswith(echo, start):
            start += len(echo)
            continue
        size = _rtu_size(received, start)
        if start + size > len(received) or echo.startswith(received[start:]):
            waiting = min(waiting, start)
        elif size and (frame := _rtu_frame_at(received, start, size)):
            return start + size, frame
        start += 1
    return waiting, None


def _rtu_size(received: bytes, start: int) -> int:
    """Return the length a frame that starts here has, at least; 0 = no answer to a read starts here."""
    if start + 2 >= len(received):
        return 3 if start + 1 >= len(received) or received[start + 1] in READS else 0
    function_code = received[start + 1]
    if function_code not in READS:
        return 0
    return 5 if function_code & 0x80 else 5 + received[start + 2]


def _rtu_frame_at(received: bytes, start: int, size: int) -> Frame | None:
    body, check = received[start : start + size - 2], received[start + size - 2 : start + size]
    return Frame(body[0], 0, body[1:]) if crc16(body) == check else None


def find_mbap(received: bytes, _request: Request, transaction_id: int) -> Found:
    """Pass over frames of other transactions: answers that come twice or too late."""
    start = 0
    while (header := mbap_header(received, start)) is not None:
        found_id, size = header
        if not size:
            return len(received), None  # out of step: where the next frame starts cannot be known
        if start + size > len(received):
            break
        if found_id == transaction_id:
            return start + size, Frame(received[start + 6], found_id, received[start + 7 : start + size])
        start += size
    return start, None


def mbap_header(received: bytes, start: int) -> tuple[int, int] | None:
    """Return transaction id and size of a frame, size 0 = this is no Modbus TCP; None = too short to tell."""
    if start + 6 > len(received):
        return None
    transaction_id, protocol_id, length = struct.unpack_from(">HHH", received, start)
    return transaction_id, 6 + length if protocol_id == 0 and 2 <= length <= 254 else 0


Mismatch = Literal[
    "other_unit", "other_function", "other_length", "other_transaction", "cut_short", "damaged", "not_modbus", "babble"
]
"""In what a reply does not fit; `babble`: the line did not fall silent, and nothing was sent."""


class Blame(NamedTuple):
    """What came in place of an answer."""

    text: str
    mismatch: Mismatch
    unit_id: int | None = None


def blame_rtu(received: bytes, request: Request, _transaction_id: int) -> Blame | None:
    """Return what came in place of an answer; None: nothing but the echo of the request."""
    rest = received.replace(rtu_frame(request.unit_id, request.pdu), b"", 1)
    for start in range(len(rest)):
        size = _rtu_size(rest, start)
        if size and start + size <= len(rest) and (frame := _rtu_frame_at(rest, start, size)):
            return Blame(f"unit {frame.unit_id} answered", "other_unit", frame.unit_id)
    return Blame(f"{len(rest)} bytes without a whole frame (CRC): {_sample(rest)}", "damaged") if rest else None


def blame_mbap(received: bytes, _request: Request, transaction_id: int) -> Blame | None:
    """Return what came in place of an answer; None: nothing."""
    header = mbap_header(received, 0)
    if header is None:
        return Blame(f"cut short after {len(received)} bytes: {_sample(received)}", "cut_short") if received else None
    found_id, size = header
    if not size:
        return Blame(f"this is no Modbus TCP: {_sample(received)}", "not_modbus")
    if found_id != transaction_id:
        return Blame(f"transaction {found_id} answered instead of {transaction_id}", "other_transaction")
    if size <= len(received):
        return Blame(f"unit {received[6]} answered", "other_unit", received[6])
    return Blame(f"cut short after {len(received)} of {size} bytes: {_sample(received)}", "cut_short")


def _sample(received: bytes) -> str:
    return received[:16].hex(" ") + (" ..." if len(received) > 16 else "")


def wholes_rtu(received: bytes) -> Iterator[Whole]:
    """Yield the whole frames of any sender, requests too, whatever is between them."""
    start = 0
    while start + 5 <= len(received):
        size, asks = _whole_size(received, start)
        if size and (frame := _rtu_frame_at(received, start, size)):
            yield Whole(frame.unit_id, frame.pdu, 0, asks)
            start += size
        else:
            start += 1


def _whole_size(received: bytes, start: int) -> tuple[int, bool]:
    """Return the length of the frame that may start here, 0 = none, and whether it would be a request."""
    function_code = received[start + 1]
    if function_code in ASKS_IN_8_BYTES and _rtu_frame_at(received, start, 8):
        return 8, True
    size = _rtu_size(received, start)
    return (size if start + size <= len(received) else 0), False


def wholes_mbap(received: bytes) -> Iterator[Whole]:
    """Yield the whole frames up to where the stream is out of step."""
    start = 0
    while (header := mbap_header(received, start)) is not None:
        transaction_id, size = header
        if size < 9 or start + size > len(received):
            return
        yield Whole(received[start + 6], received[start + 7 : start + size], transaction_id, asks=False)
        start += size


class Dialect(NamedTuple):
    """How a framing is read."""

    find: Callable[[bytes, Request, int], Found]
    blame: Callable[[bytes, Request, int], Blame | None]
    wholes: Callable[[bytes], Iterator[Whole]]
    pack: Callable[[Frame], bytes]
    envelope_bytes: int
    """What a frame is longer than its PDU."""
    echo: Callable[[Request], bytes]
    """What an adapter that hears itself delivers of a request; empty where that cannot be."""


RTU: Final = Dialect(
    find_rtu,
    blame_rtu,
    wholes_rtu,
    lambda frame: rtu_frame(frame.unit_id, frame.pdu),
    3,
    lambda request: rtu_frame(request.unit_id, request.pdu),
)
MBAP: Final = Dialect(
    find_mbap,
    blame_mbap,
    wholes_mbap,
    lambda frame: mbap_frame(frame.unit_id, frame.transaction_id, frame.pdu),
    7,
    lambda _: b"",
)
