"""The window: what may be sent next on this connection, and what awaits its acknowledgement.

Two sources take turns: retained topics that the broker is owed, and the rows of the outbox in their order. A topic that
the broker refuses is held back by itself; the others go on.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from phasewatch.adapters.link import Backoff
from phasewatch.adapters.messages import Row
from phasewatch.adapters.mqtt import FAILURE, Acked, Opened
from phasewatch.adapters.suspicion import Suspicion

POISON: Final = frozenset({0x90, 0x95, 0x99})
"""Reason codes for a message that will be refused for ever: topic, size or form."""

_HEADER_BYTES: Final = 16
_READ_AHEAD: Final = 64
_NO_ROW: Final = 0
"""Number of a message in flight that has no row, or whose row has another number now."""


class Sent(NamedTuple):
    """A message in flight; `number` is its row, None for a retained topic that was owed."""

    topic: str
    payload: bytes
    number: int | None
    committed_s: float = 0.0


class Settled(NamedTuple):
    """What has become of messages."""

    accepted: list[Sent]
    """Rows that the broker has."""
    poison: list[tuple[int, str]]
    """Rows that it will never take, and why."""
    emptied: list[str]
    """Retained topics that it has emptied."""


@dataclass(slots=True)
class Hold:
    """A topic that the broker refused."""

    pause: Backoff
    until: float
    trying: bool = False
    """Its time has come: one message of it may be in flight, to see whether the broker takes it now."""


class Window:
    """Lives through many connections; `open` and `close` begin and end its work on one."""

    def __init__(
        self, pending: Callable[[int, int], list[Row]], pause: Callable[[], Backoff], monotonic: Callable[[], float]
    ) -> None:
        self._pending, self._pause, self._monotonic = pending, pause, monotonic
        self._max_packet_bytes: int | None = None
        self._owed: dict[str, bytes] = {}
        self._said: deque[Sent] = deque()
        self._overtaken: set[str] = set()
        self._rows: deque[Row] = deque()
        self._after = 0
        self._flight: dict[int, Sent] = {}
        self._holds: dict[str, Hold] = {}
        self._settled = Settled([], [], [])
        self._suspicion, self._whole_size = Suspicion(), 0
        self.size = 0
        """Messages that may be in flight; 0 while there is no connection."""
        self.last_refusal: str | None = None
        self.refused = 0
        """Messages that a broker refused, ever."""

    def open(self, opened: Opened, owed: Mapping[str, bytes]) -> None:
        """Begin on a new connection: everything retained is owed again, and the outbox starts from its head."""
        self.close()
        self._whole_size, self._max_packet_bytes = opened.window, opened.max_packet_bytes
        self.size = self._careful_size()
        self._owed = dict(owed)

    def close(self) -> None:
        """End with a connection: nobody knows what became of the messages in flight."""
        self.size, self._whole_size, self.last_refusal = 0, 0, None
        self._owed.clear()
        self._said.clear()
        self._overtaken.clear()
        self._flight.clear()
        self._holds.clear()
        self._rewind()

    def lost(self) -> None:
        """Take note that the broker closed the connection, perhaps for what is in flight; then `close`."""
        self._suspicion.lost(next((sent.payload for sent in self._flight.values()), None))
        self.close()

    def renumbered(self) -> None:
        """Begin again with the outbox, whose rows have other numbers now: what is in flight is sent again."""
        self._flight = {mid: _orphan(sent) for mid, sent in self._flight.items()}
        self._rewind()

    def owe(self, topics: Mapping[str, bytes]) -> None:
        """Send these retained topics on this connection, the newest payload of each."""
        if self.size:
            self._owed |= topics

    def say(self, topic: str, payload: bytes) -> None:
        """Send a message once, not retained, to whoever listens now; without a connection nobody does."""
        if self.size:
            self._said.append(Sent(topic, payload, _NO_ROW))

    def overtaken(self, topics: Iterable[str]) -> None:
        """Owe these topics no more: a newer state of each now waits in the outbox, and must stay the last one."""
        for topic in topics:
            self._owed.pop(topic, None)
            self._overtaken.add(topic)

    @property
    def free(self) -> int:
        return self.size - len(self._flight)

    @property
    def in_flight(self) -> int:
        return len(self._flight)

    @property
    def idle(self) -> bool:
        """Whether nothing is left to send or to wait for, apart from held topics."""
        settled = not self._settled.accepted and not self._settled.emptied
        under_way = self._flight or self._said
        return not under_way and settled and self._next_owed() is None and self._next_row() is None

    def held(self) -> tuple[str, ...]:
        """Return the topics that the broker refuses for now."""
        return tuple(sorted(self._holds))

    def due_in_s(self) -> float | None:
        """Return the time until a held topic may be tried again; None when none waits."""
        due = [hold.until for hold in self._holds.values() if not hold.trying]
        return max(0.0, min(due) - self._monotonic()) if due else None

    def fill(self, publish: Callable[[str, bytes, bool], int]) -> None:
        """Send as much as the window takes."""
        self._try_held()
        while self._said and self.free > 0:
            self._send(publish, self._said.popleft(), retain=False)
        sent = True
        while sent and self.free > 0:
            sent = self._send_owed(publish)
            if self.free > 0:
                sent = self._send_row(publish) or sent

    def acked(self, ack: Acked) -> None:
        """Take the broker's answer to one message."""
        sent = self._flight.pop(ack.mid, None)
        if sent is None:
            return
        self.refused += ack.code >= FAILURE
        if ack.code < FAILURE:
            self._accept(sent)
        elif ack.code in POISON:
            self._bury(sent, ack.reason)
        else:
            self._refuse(sent, ack.reason)

    def settled(self) -> Settled:
        """Return and forget what has become of messages."""
        settled, self._settled = self._settled, Settled([], [], [])
        return settled

    def _accept(self, sent: Sent) -> None:
        self._suspicion.acked(sent.payload)
        self.size = self._careful_size()
        if sent.number:
            self._settled.accepted.append(sent)
        elif sent.number is None and not sent.payload:
            self._settled.emptied.append(sent.topic)
        if self._holds.pop(sent.topic, None):
            self.last_refusal = None
            self._rewind()

    def _careful_size(self) -> int:
        return min(1, self._whole_size) if self._suspicion.careful else self._whole_size

    def _bury(self, sent: Sent, reason: str) -> None:
        self.last_refusal = f"{sent.topic}: {reason}"
        if sent.number:
            self._settled.poison.append((sent.number, reason))

    def _refuse(self, sent: Sent, reason: str) -> None:
        self.last_refusal = f"{sent.topic}: {reason}"
        hold = self._holds.get(sent.topic) or Hold(self._pause(), 0.0, trying=True)
        self._holds[sent.topic] = hold
        if hold.trying:
            hold.trying, hold.until = False, self._monotonic() + hold.pause.next_s()
        if sent.number is None and sent.topic not in self._overtaken and not self._flies(sent.topic):
            self._owed.setdefault(sent.topic, sent.payload)

    def _try_held(self) -> None:
        now = self._monotonic()
        for hold in self._holds.values():
            if not hold.trying and now >= hold.until:
                hold.trying = True
                self._rewind()

    def _rewind(self) -> None:
        self._rows.clear()
        self._after = 0

    def _blocked(self, topic: str) -> bool:
        hold = self._holds.get(topic)
        return hold is not None and (not hold.trying or self._flies(topic))

    def _flies(self, topic: str) -> bool:
        return any(sent.topic == topic for sent in self._flight.values())

    def _next_owed(self) -> str | None:
        return next((topic for topic in self._owed if not self._blocked(topic)), None)

    def _next_row(self) -> Row | None:
        flying = {sent.number for sent in self._flight.values()}
        while True:
            while self._rows and (self._rows[0].number in flying or self._blocked(self._rows[0].topic)):
                self._rows.popleft()
            if self._rows:
                return self._rows[0]
            self._rows.extend(self._pending(_READ_AHEAD, self._after))
            if not self._rows:
                return None
            self._after = self._rows[-1].number

    def _send_owed(self, publish: Callable[[str, bytes, bool], int]) -> bool:
        topic = self._next_owed()
        if topic is None:
            return False
        self._send(publish, Sent(topic, self._owed.pop(topic), None), retain=True)
        return True

    def _send_row(self, publish: Callable[[str, bytes, bool], int]) -> bool:
        row = self._next_row()
        if row is None:
            return False
        self._rows.popleft()
        self._send(publish, Sent(row.topic, row.payload, row.number, row.committed_s), retain=row.retain)
        return True

    def _send(self, publish: Callable[[str, bytes, bool], int], sent: Sent, *, retain: bool) -> None:
        size = _HEADER_BYTES + len(sent.topic.encode()) + len(sent.payload)
        if self._max_packet_bytes is not None and size > self._max_packet_bytes:
            self._bury(sent, f"{size} bytes, the broker takes {self._max_packet_bytes}")
            return
        if self._suspicion.condemned(sent.payload):
            self._bury(sent, f"{size} bytes, and the broker drops the connection for it")
            return
        try:
            self._flight[publish(sent.topic, sent.payload, retain)] = sent
        except ValueError as error:
            self._bury(sent, str(error))


def _orphan(sent: Sent) -> Sent:
    return sent if sent.number is None else sent._replace(number=_NO_ROW)
