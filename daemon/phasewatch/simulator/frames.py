"""Modbus frames as bytes: MBAP (TCP, UDP) and RTU with CRC, seen from the server."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

SHORT_REQUEST: Final = range(1, 7)
"""Function codes whose request is two 16-bit numbers."""

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
    found = []
    while len(stream) >= 8:
        transaction_id, protocol, length, unit_id = struct.unpack_from(">HHHB", stream)
        if protocol != 0 or not 2 <= length <= 254:
            raise FrameError(f"protocol {protocol}, length {length} in an MBAP header")
        if len(stream) < 6 + length:
            break
        found.append(Request(unit_id, stream[7 : 6 + length], transaction_id))
        stream = stream[6 + length :]
    return found, stream


def pack_mbap(request: Request, unit_id: int, pdu: bytes) -> bytes:
    """Wrap a reply for TCP."""
    return struct.pack(">HHHB", request.transaction_id, 0, len(pdu) + 1, unit_id) + pdu


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
    body = bytes([unit_id]) + pdu
    return body + crc16(body).to_bytes(2, "little")


def _rtu_size(stream: bytes) -> int:
    """Return the bytes of the frame that begins here; 0 if none does, or not yet."""
    sizes = (8,) if stream[1] in SHORT_REQUEST else range(4, len(stream) + 1)
    return next((size for size in sizes if size <= len(stream) and crc16(stream[:size]) == 0), 0)


def crc16(frame: bytes) -> int:
    """Return the CRC of an RTU frame; over a frame with its CRC it is 0."""
    crc = 0xFFFF
    for byte in frame:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
