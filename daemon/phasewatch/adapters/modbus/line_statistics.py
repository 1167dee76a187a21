"""Counts what comes over a line beside the answers asked for."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from phasewatch.adapters.modbus.protocol import BusError, LineCounts, NoReply, Refused
from phasewatch.meters.framing import Request, Whole

KEPT_BYTES: Final = 512
"""Bytes kept to find whole frames in: two of the longest."""
RECENT: Final = 64
"""Requests after which an answer that did not come is awaited no more."""
MOST_AWAITED: Final = 8
"""Such answers of one unit."""


class _Asked(NamedTuple):
    """A request and the transaction it went out as."""

    request: Request
    transaction_id: int
    """0 = not known, or there is none."""
    number: int
    """Of the request, counted from 1."""

    def answered_by(self, whole: Whole) -> bool:
        request, pdu = self.request, whole.pdu
        if whole.unit_id != request.unit_id or (self.transaction_id and whole.transaction_id != self.transaction_id):
            return False
        return pdu[0] == request.function_code | 0x80 or pdu[:2] == bytes((request.function_code, 2 * request.count))


class LineStatistics:
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
        self._missed: dict[int, list[_Asked]] = {}
        """Unit id -> what was not answered in time: slow meters answer several requests late."""
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
        self._done[request.unit_id] = _Asked(request, transaction_id, self._counts.requests)

    def missed(self, request: Request, received: bytes) -> None:
        """Note the end of a request without an answer, and what was heard until then, the echo apart."""
        self._await(_Asked(request, 0, self._counts.requests))
        self.stray(received)
        self._damaged = bool(received)

    def ended(self, error: BusError | None, came: Whole | None = None) -> None:
        """Note how a request ended; `came`: the frame that was taken for its answer, None = none was."""
        counts = self._counts
        if error is None:
            counts.answers += 1
        elif isinstance(error, Refused):
            counts.exceptions[error.exception_code] += 1
        elif isinstance(error, NoReply):
            counts.timeouts += 1
        elif came is not None:
            self._unfit(came)

    def stray(self, received: bytes) -> None:
        """Note bytes that belong to no answer in time."""
        self._counts.unsolicited_bytes += len(received)
        self._strays = (self._strays + received)[-KEPT_BYTES:]

    def _unfit(self, whole: Whole) -> None:
        """Sort a frame that is not the answer; behind a late one, that to the request is still to come."""
        if not self._awaited(whole):
            self._counts.foreign_replies[whole.unit_id] += 1
            return
        self._counts.late_replies[whole.unit_id] += 1
        if asked := self._done.pop(whole.unit_id, None):
            self._await(asked)

    def _await(self, asked: _Asked) -> None:
        unit_id = asked.request.unit_id
        self._missed[unit_id] = [*self._missed.get(unit_id, ()), asked][-MOST_AWAITED:]

    def _awaited(self, whole: Whole) -> bool:
        """Return whether a frame answers a request whose time was out; the next such frame answers another."""
        oldest, missed = self._counts.requests - RECENT, self._missed.get(whole.unit_id, [])
        asked = next((one for one in missed if one.number >= oldest and one.answered_by(whole)), None)
        if asked is not None:
            missed.remove(asked)
        return asked is not None

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
        elif self._awaited(whole):
            counts.late_replies[whole.unit_id] += 1
        elif (done := self._done.get(whole.unit_id)) and done.answered_by(whole):
            counts.second_replies[whole.unit_id] += 1
        else:
            counts.foreign_replies[whole.unit_id] += 1
