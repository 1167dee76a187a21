"""Finds the answer to a request in the bytes that come in, whatever else comes with it."""

import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from phasewatch.adapters.modbus_request import Request

KEPT_BYTES: Final = 512
"""Bytes kept to say what came instead of an answer: two of the longest frames."""

READS: Final = (3, 4, 0x83, 0x84)
"""Function codes of answers to reads, and of exceptions to them."""


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


def find_rtu(heard: bytes, request: Request, _transaction_id: int) -> Found:
    """Hunt at every offset for a frame of the asked unit whose check bytes are right.

    Noise and the echo of the request lie before the answer on real lines. The echo has to be passed over as such:
    of addresses 0x03xx it is itself an answer of three bytes, and of 0x04xx one of two words once a 0 follows it.
    """
    echo = rtu_frame(request.unit_id, request.pdu)
    start, waiting = 0, len(heard)
    while (start := heard.find(request.unit_id, start)) >= 0:
        if heard.startswith(echo, start):
            start += len(echo)
            continue
        size = _rtu_size(heard, start)
        if start + size > len(heard) or echo.startswith(heard[start:]):
            waiting = min(waiting, start)
        elif size and (frame := _rtu_frame_at(heard, start, size)):
            return start + size, frame
        start += 1
    return waiting, None


def _rtu_size(heard: bytes, start: int) -> int:
    """Return the length a frame that starts here has, at least; 0 = no answer to a read starts here."""
    if start + 2 >= len(heard):
        return 3 if start + 1 >= len(heard) or heard[start + 1] in READS else 0
    function_code = heard[start + 1]
    if function_code not in READS:
        return 0
    return 5 if function_code & 0x80 else 5 + heard[start + 2]


def _rtu_frame_at(heard: bytes, start: int, size: int) -> Frame | None:
    body, check = heard[start : start + size - 2], heard[start + size - 2 : start + size]
    return Frame(body[0], 0, body[1:]) if crc16(body) == check else None


def find_mbap(heard: bytes, _request: Request, transaction_id: int) -> Found:
    """Pass over frames of other transactions: answers that come twice or too late."""
    start = 0
    while (header := _mbap_header(heard, start)) is not None:
        found_id, size = header
        if not size:
            return len(heard), None  # out of step: where the next frame starts cannot be known
        if start + size > len(heard):
            break
        if found_id == transaction_id:
            return start + size, Frame(heard[start + 6], found_id, heard[start + 7 : start + size])
        start += size
    return start, None


def _mbap_header(heard: bytes, start: int) -> tuple[int, int] | None:
    """Return transaction id and size of a frame, size 0 = this is no Modbus TCP; None = too short to tell."""
    if start + 6 > len(heard):
        return None
    transaction_id, protocol_id, length = struct.unpack_from(">HHH", heard, start)
    return transaction_id, 6 + length if protocol_id == 0 and 2 <= length <= 254 else 0


def blame_rtu(heard: bytes, request: Request, _transaction_id: int) -> str | None:
    """Say what came instead of an answer; None = nothing but the echo of the request."""
    rest = heard.replace(rtu_frame(request.unit_id, request.pdu), b"", 1)
    for start in range(len(rest)):
        size = _rtu_size(rest, start)
        if size and start + size <= len(rest) and (frame := _rtu_frame_at(rest, start, size)):
            return f"unit {frame.unit_id} answered"
    return f"{len(rest)} bytes without a whole frame (CRC): {_sample(rest)}" if rest else None


def blame_mbap(heard: bytes, _request: Request, transaction_id: int) -> str | None:
    """Say what came instead of an answer; None = nothing."""
    header = _mbap_header(heard, 0)
    if header is None:
        return f"cut short after {len(heard)} bytes: {_sample(heard)}" if heard else None
    found_id, size = header
    if not size:
        return f"this is no Modbus TCP: {_sample(heard)}"
    if found_id != transaction_id:
        return f"transaction {found_id} answered instead of {transaction_id}"
    return f"cut short after {len(heard)} of {size} bytes: {_sample(heard)}"


def _sample(heard: bytes) -> str:
    return heard[:16].hex(" ") + (" ..." if len(heard) > 16 else "")


class Listener:
    """Hears all that comes in over one link and picks out the answer to the request that is pending."""

    def __init__(
        self,
        find: Callable[[bytes, Request, int], Found],
        blame: Callable[[bytes, Request, int], str | None],
        now: Callable[[], float],
    ) -> None:
        """Listen with the finder and the fault finder of one framing; `now` is a monotonic clock in seconds."""
        self._find, self._blame, self._now = find, blame, now
        self._request: Request | None = None
        self._transaction_id = 0
        self._pending = b""
        self._heard = b""
        self.heard_at: float | None = None
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
        return self.asked_at is not None and (self.heard_at is None or self.heard_at < self.asked_at)

    def listen_for(self, request: Request) -> None:
        """Await the answer to this request; what came before it cannot be it."""
        self.asked_at = self._now()
        self._request, self._pending, self._heard = request, b"", b""

    def stop(self) -> None:
        """Await nothing: what comes in from now on is discarded."""
        self._request = None

    def hear(self, chunk: bytes, transaction_id: int) -> Frame | None:
        """Take in a chunk; return the answer once it is whole."""
        self.heard_at = self._now()
        if self._request is None:
            return None
        self._transaction_id = transaction_id
        self._heard = (self._heard + chunk)[:KEPT_BYTES]
        self._pending += chunk
        done, frame = self._find(self._pending, self._request, transaction_id)
        self._pending = self._pending[done:]
        if frame is not None:
            self.stop()
        return frame

    def blame(self, request: Request) -> str | None:
        """Say what came instead of an answer to the request; None = nothing."""
        return self._blame(self._heard, request, self._transaction_id)
