"""What is asked of a meter, which answer fits, what can go wrong, and what a bus counts of its line."""

import struct
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import Final, Literal, Protocol, Self

from phasewatch.meters.framing import Mismatch, Request


@dataclass(slots=True)
class LineCounts:
    """What was seen since the bus was opened."""

    requests: int = 0
    answers: int = 0
    """Those that gave words; refusals are `exceptions`."""
    timeouts: int = 0
    """Requests on which nothing came back."""
    crc_errors: int = 0
    """Requests on which bytes came back and no whole frame: damaged or cut short."""
    unsolicited_bytes: int = 0
    """Bytes that belong to no answer in time; the echo of a request does not count."""
    foreign_requests: int = 0
    """Whole requests that this bus did not send."""
    foreign_replies: Counter[int] = field(default_factory=Counter)
    """Unit id -> whole replies to what was not asked: of another unit, another function or another length."""
    late_replies: Counter[int] = field(default_factory=Counter)
    """Unit id -> replies to requests whose time was out."""
    second_replies: Counter[int] = field(default_factory=Counter)
    """Unit id -> replies to requests that had been answered."""
    exceptions: Counter[int] = field(default_factory=Counter)
    """Exception code -> refusals."""

    def copy(self) -> Self:
        """Return the counts of this moment."""
        return replace(
            self,
            foreign_replies=self.foreign_replies.copy(),
            late_replies=self.late_replies.copy(),
            second_replies=self.second_replies.copy(),
            exceptions=self.exceptions.copy(),
        )

    def since(self, earlier: Self) -> Self:
        """Return what was counted since an earlier moment."""
        return type(self)(**{one.name: getattr(self, one.name) - getattr(earlier, one.name) for one in fields(self)})


# ruff: noqa: N818  (these names say what happened; all end up under BusError)


REFUSALS: Final[dict[int, str]] = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge: needs more time",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond: no meter with this unit id",
}
"""Exception code -> its meaning. Source: as above, 7."""


class BusError(Exception):
    """A read brought no sample."""


LinkTrouble = Literal["nothing_listens", "unknown_host", "no_answer", "port_taken", "lost", "other"]
"""Why there is no connection, as far as the system tells."""


class LinkDown(BusError):
    """The bus is not connected, cannot be connected, or lost its connection."""

    def __init__(self, message: str, trouble: LinkTrouble = "other") -> None:
        """Keep the kind of trouble beside the message."""
        super().__init__(message)
        self.trouble = trouble


class NoReply(BusError):
    """The meter did not answer in time."""


class BadReply(BusError):
    """Something came back that is no answer to the request."""

    def __init__(self, message: str, mismatch: Mismatch = "damaged", unit_id: int | None = None) -> None:
        """Keep what does not fit beside the message, and the unit that answered, if another did."""
        super().__init__(message)
        self.mismatch, self.unit_id = mismatch, unit_id

    @property
    def whole(self) -> bool:
        """Whether it was a whole frame, which may be a late answer."""
        return self.mismatch in ("other_unit", "other_function", "other_length")


class Refused(BusError):
    """The meter answered with an exception code."""

    def __init__(self, message: str, exception_code: int) -> None:
        """Keep the code beside the message."""
        super().__init__(message)
        self.exception_code = exception_code


class IllegalDataAddress(Refused):
    """The meter has no such register, or does not answer this block as a whole."""


class Bus(Protocol):
    """A line or endpoint with meters on it. It can be read; there is no way to write to a meter."""

    @property
    def counts(self) -> LineCounts:
        """What was seen on the line since it was opened; it counts on: take a copy to compare."""
        ...

    async def read(self, function_code: int, address: int, count: int, unit_id: int) -> tuple[int, ...]:
        """Return `count` words from `address` on, each 0..65535.

        Raises: BusError if there is no answer or none that fits; ValueError if it is no request.
        """
        ...

    async def close(self) -> None:
        """Let go of the line; later reads raise LinkDown."""
        ...


def refusal(request: Request, exception_code: int) -> Refused:
    """Return the error for an exception code."""
    meaning = REFUSALS.get(exception_code, "not in the standard")
    kind = IllegalDataAddress if exception_code == 2 else Refused
    return kind(f"{request}: refused with exception {exception_code} ({meaning})", exception_code)


def words_of(request: Request, unit_id: int, pdu: bytes) -> tuple[int, ...]:
    """Return the words of an answer that fits its request in every respect.

    Raises: BadReply if it does not fit; Refused if it is an exception to this very request.
    """
    if unit_id != request.unit_id:
        raise BadReply(f"{request}: unit {unit_id} answered", "other_unit", unit_id)
    if len(pdu) < 2:
        raise BadReply(f"{request}: the answer is cut short: {pdu.hex(' ')}", "cut_short")
    if pdu[0] == request.function_code | 0x80 and len(pdu) == 2:
        raise refusal(request, pdu[1])
    if pdu[0] != request.function_code:
        said = f"the answer is of function {pdu[0] & 0x7F}: {pdu[:8].hex(' ')}"
        raise BadReply(f"{request}: {said}", "other_function")
    if pdu[1] != 2 * request.count or len(pdu) != 2 + 2 * request.count:
        lengths = f"{pdu[1]} bytes announced, {len(pdu) - 2} came, {2 * request.count} asked for"
        raise BadReply(f"{request}: {lengths}", "other_length")
    return struct.unpack_from(f">{request.count}H", pdu, 2)
