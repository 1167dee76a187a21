"""Counts what comes over a line beside the answers asked for."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from phasewatch.adapters.modbus_counts import LineCounts
from phasewatch.adapters.modbus_request import BusError, NoReply, Refused, Request

KEPT_BYTES: Final = 512
"""Bytes kept to find whole frames in: two of the longest."""


class Whole(NamedTuple):
    """A whole frame of somebody."""

    unit_id: int
    pdu: bytes
    transaction_id: int
    """0 in RTU, which has none."""
    asks: bool
    """Whether it is a request."""


class _Asked(NamedTuple):
    """A request and the transaction it went out as."""

    request: Request
    transaction_id: int
    """0 = not known, or there is none."""

    def answered_by(self, whole: Whole) -> bool:
        request, pdu = self.request, whole.pdu
        if whole.unit_id != request.unit_id or (self.transaction_id and whole.transaction_id != self.transaction_id):
            return False
        return pdu[0] == request.function_code | 0x80 or pdu[:2] == bytes((request.function_code, 2 * request.count))


class Tally:
    """Counts for one bus, over all its connections.

    What comes beside the answers is kept and looked at before the next request: a healthy line costs nothing.
    """

    def __init__(self, wholes: Callable[[bytes], Iterator[Whole]]) -> None:
        """Count, with what finds the whole frames of a framing."""
        self._wholes = wholes
        self._counts = LineCounts()
        self._strays = b""
        self._damaged = False
        self._done: dict[int, _Asked] = {}
        """Unit id -> what was answered last."""
        self._missed: dict[int, _Asked] = {}
        """Unit id -> what was last not answered in time."""
        self._theirs: Whole | None = None
        """The request of another master whose reply is still to come."""

    @property
    def counts(self) -> LineCounts:
        """What was seen to this moment."""
        self._settle()
        return self._counts

    def asked(self) -> None:
        """Note a request."""
        if self._strays:
            self._settle()
        self._counts.requests += 1

    def came(self, request: Request, transaction_id: int) -> None:
        """Note that the frame that answers a request is here."""
        self._done[request.unit_id] = _Asked(request, transaction_id)

    def missed(self, request: Request, heard: bytes) -> None:
        """Note the end of a request without an answer, and what was heard until then, the echo apart."""
        self._missed[request.unit_id] = _Asked(request, 0)
        self.stray(heard)
        self._damaged = bool(heard)

    def ended(self, error: BusError | None, frame_of: int | None) -> None:
        """Note how a request ended; `frame_of` is the unit whose frame came as the answer, None = none came."""
        counts = self._counts
        if error is None:
            counts.answers += 1
        elif isinstance(error, Refused):
            counts.exceptions[error.exception_code] += 1
        elif isinstance(error, NoReply):
            counts.timeouts += 1
        elif frame_of is not None:
            counts.foreign_replies[frame_of] += 1

    def stray(self, heard: bytes) -> None:
        """Note bytes that belong to no answer in time."""
        self._counts.unsolicited_bytes += len(heard)
        self._strays = (self._strays + heard)[-KEPT_BYTES:]

    def _settle(self) -> None:
        """Find whole frames in what came beside the answers."""
        found = list(self._wholes(self._strays)) if self._strays else []
        for whole in found:
            self._sort(whole)
        self._counts.crc_errors += self._damaged and not found
        self._strays, self._damaged = b"", False

    def _sort(self, whole: Whole) -> None:
        counts, theirs = self._counts, self._theirs
        if whole.asks:
            counts.foreign_requests += 1
            self._theirs = whole
        elif theirs and (whole.unit_id, whole.pdu[0] & 0x7F) == (theirs.unit_id, theirs.pdu[0]):
            counts.foreign_replies[whole.unit_id] += 1
            self._theirs = None
        elif (missed := self._missed.get(whole.unit_id)) and missed.answered_by(whole):
            counts.late_replies[whole.unit_id] += 1
            del self._missed[whole.unit_id]
        elif (done := self._done.get(whole.unit_id)) and done.answered_by(whole):
            counts.second_replies[whole.unit_id] += 1
        else:
            counts.foreign_replies[whole.unit_id] += 1
