"""The window: what may be sent next on this connection, and what awaits its acknowledgement.

Two sources take turns: retained topics that the broker is owed, and the rows of the outbox in their order. A topic that
the broker refuses, or closes the connection for, is held back by itself; the others go on.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from phasewatch.adapters.backoff import Backoff
from phasewatch.adapters.journal.sqlite import REPLACED
from phasewatch.adapters.journal.types import Row, Sent, Settled
from phasewatch.adapters.mqtt.client import FAILURE, Acked, Opened
from phasewatch.adapters.mqtt.quarantine import PoisonDetector, TopicQuarantine

POISON: Final = frozenset({0x90, 0x95, 0x99})
"""Reason codes for a message that will be refused for ever: topic, size or form."""

_HEADER_BYTES: Final = 16
_READ_AHEAD: Final = 64
_NO_ROW: Final = 0
"""Number of a message in flight that has no row, or whose row has another number now."""


@dataclass(slots=True)
class Hold:
    """A topic that the broker refused."""

    pause: Backoff
    until: float
    trying: bool = False
    """Its time has come: one message of it may be in flight, to see whether the broker takes it now."""


class InFlight:
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
        self._suspicion, self._trials = PoisonDetector(), TopicQuarantine(pause(), monotonic)
        self._refusal: str | None = None
        self._whole_size, self._progress = 0, False
        self.size = 0
        """Messages that may be in flight; 0 while there is no connection."""
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
        self.size, self._whole_size, self._refusal = 0, 0, None
        self._owed.clear()
        self._said.clear()
        self._overtaken.clear()
        self._flight.clear()
        self._holds.clear()
        self._trials.close()
        self._progress = False
        self._rewind()

    def lost(self, *, silent: bool = False) -> None:
        """Take note that the connection was lost, perhaps for what is in flight; `silent`: we closed; then `close`."""
        first = next(iter(self._flight.values()), None)
        if self._suspicion.lost(first.payload if first else None, silent=silent) and first:
            stuck = first.number is None or not self._progress or first.topic == self._trials.trying
            if stuck:
                self._trials.lost(first.topic)
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
        """Return the topics that the broker refuses for now, or drops the connection for."""
        return tuple(sorted(self._trials.held | self._holds.keys()))

    @property
    def last_refusal(self) -> str | None:
        """What the broker refused last on this connection and why; None when nothing is wrong or nobody is there."""
        if self._refusal is None and self.size and self._trials.held:
            return f"{', '.join(sorted(self._trials.held)[:3])}: the broker drops the connection for it"
        return self._refusal

    def due_in_s(self) -> float | None:
        """Return the time until a held topic may be tried again; None when none waits."""
        due = [hold.until for hold in self._holds.values() if not hold.trying]
        if self.free > 0 and self._trials.due_s is not None:
            due.append(self._trials.due_s)
        return max(0.0, min(due) - self._monotonic()) if due else None

    def fill(self, publish: Callable[[str, bytes, bool], int]) -> None:
        """Send as much as the window takes."""
        self._try_held()
        while self._said and self.free > 0:
            self._send(publish, self._said.popleft(), retain=False)
        self._send_ready(publish)
        while self.free > 0 and self._try_lost(publish):
            self._send_ready(publish)

    def acked(self, ack: Acked) -> bool:
        """Take the broker's answer to one message; return whether that was a row of the outbox."""
        sent = self._flight.pop(ack.mid, None)
        if sent is None:
            return False
        self.refused += ack.code >= FAILURE
        self._release(sent.topic)
        if ack.code < FAILURE:
            self._accept(sent)
        elif ack.code in POISON:
            self._bury(sent, ack.reason)
        else:
            self._refuse(sent, ack.reason)
        return bool(sent.number)

    def settled(self) -> Settled:
        """Return and forget what has become of messages."""
        settled, self._settled = self._settled, Settled([], [], [])
        return settled

    def _accept(self, sent: Sent) -> None:
        self._suspicion.acked(sent.payload, row=bool(sent.number))
        self.size = self._careful_size()
        if sent.number:
            self._progress = True
            self._settled.accepted.append(sent)
        elif sent.number is None and not sent.payload:
            self._settled.emptied.append(sent.topic)
        if self._holds.pop(sent.topic, None):
            self._refusal = None
            self._rewind()

    def _careful_size(self) -> int:
        return min(1, self._whole_size) if self._suspicion.careful else self._whole_size

    def _bury(self, sent: Sent, reason: str) -> None:
        self._refusal = f"{sent.topic}: {reason}"
        if sent.number:
            self._settled.poison.append((sent.number, reason))

    def _refuse(self, sent: Sent, reason: str) -> None:
        self._refusal = f"{sent.topic}: {reason}"
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

    def _try_lost(self, publish: Callable[[str, bytes, bool], int]) -> bool:
        """Try a topic that cost connections; called when nothing else can be sent, return False if none is due."""
        topic = self._trials.begin()
        if topic is None:
            return False
        self._rewind()
        if not (self._send_owed(publish) or self._send_row(publish)):
            self._release(topic)
        return True

    def _release(self, topic: str) -> None:
        if self._trials.answered(topic):
            self._rewind()

    def _rewind(self) -> None:
        self._rows.clear()
        self._after = 0

    def _blocked(self, topic: str, payload: bytes) -> bool:
        if self._suspicion.condemned(payload):
            return False  # it is buried instead of sent
        if self._suspicion.repeated(payload):
            self._trials.hold(topic)
        hold = self._holds.get(topic)
        if self._trials.blocks(topic) or (hold is not None and not hold.trying):
            return True
        return (hold is not None or topic == self._trials.trying) and self._flies(topic)

    def _flies(self, topic: str) -> bool:
        return any(sent.topic == topic for sent in self._flight.values())

    def _next_owed(self) -> str | None:
        return next((topic for topic, payload in self._owed.items() if not self._blocked(topic, payload)), None)

    def _next_row(self) -> Row | None:
        flying = {sent.number for sent in self._flight.values()}
        while True:
            while self._rows:
                row = self._rows[0]
                if row.number not in flying and not self._blocked(row.topic, row.payload):
                    return row
                self._rows.popleft()
            self._rows.extend(self._pending(_READ_AHEAD, self._after))
            if not self._rows:
                return None
            self._after = self._rows[-1].number

    def _send_ready(self, publish: Callable[[str, bytes, bool], int]) -> None:
        sent = True
        while sent and self.free > 0:
            sent = self._send_owed(publish)
            if self.free > 0:
                sent = self._send_row(publish) or sent

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
        try:
            never = self._never(sent)
            if never is None:
                self._flight[publish(sent.topic, sent.payload, retain)] = sent
        except (TypeError, ValueError) as error:  # a topic or payload that is none: the journal's file was damaged
            never = str(error)
        if never is not None:
            self._bury(sent, never)
            self._release(sent.topic)

    def _never(self, sent: Sent) -> str | None:
        """Return why a message is not to be sent at all; None if it is. Raises: ValueError for a topic that is none."""
        size = _HEADER_BYTES + len(sent.topic.encode()) + len(sent.payload)
        if self._max_packet_bytes is not None and size > self._max_packet_bytes:
            return f"{size} bytes, the broker takes {self._max_packet_bytes}"
        if self._suspicion.condemned(sent.payload):
            return f"{size} bytes, and the broker drops the connection for it"
        return None if sent.topic.isprintable() and REPLACED not in sent.topic else "its topic is damaged"


def _orphan(sent: Sent) -> Sent:
    return sent if sent.number is None else sent._replace(number=_NO_ROW)
