"""What is published next on a connection, and which messages are in flight: published, their PUBACK outstanding.

Two sources take turns: retained topics to publish again, and the rows of the outbox in their order. A topic that the
broker refuses, or closes the connection for, is held back by itself; the others go on. When a PUBACK is lost with its
connection, its row is still in the outbox and is published again on the next one; its id shows the duplicate.
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
"""Reason codes of a PUBACK that will never change for this message: topic, size or form."""

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
    """Its pause is over: one message of it may be in flight, to see whether the broker accepts it now."""


class InFlight:
    """Lives through many connections; `open` and `close` begin and end its work on one."""

    def __init__(
        self, pending: Callable[[int, int], list[Row]], pause: Callable[[], Backoff], monotonic: Callable[[], float]
    ) -> None:
        self._pending, self._pause, self._monotonic = pending, pause, monotonic
        self._max_packet_bytes: int | None = None
        self._retained: dict[str, bytes] = {}
        self._once: deque[Sent] = deque()
        self._superseded: set[str] = set()
        self._rows: deque[Row] = deque()
        self._after = 0
        self._flight: dict[int, Sent] = {}
        self._holds: dict[str, Hold] = {}
        self._settled = Settled([], [], [])
        self._detector, self._quarantine = PoisonDetector(), TopicQuarantine(pause(), monotonic)
        self._refusal: str | None = None
        self._whole_size, self._progress = 0, False
        self.size = 0
        """Most messages that may be in flight; 0 while there is no connection."""
        self.refused = 0
        """Messages that a broker refused, ever."""

    def open(self, opened: Opened, retained: Mapping[str, bytes]) -> None:
        """Begin on a new connection: publish everything retained again, and the outbox from its head."""
        self.close()
        self._whole_size, self._max_packet_bytes = opened.window, opened.max_packet_bytes
        self.size = self._careful_size()
        self._retained = dict(retained)

    def close(self) -> None:
        """End with a connection: whether the messages in flight arrived is unknown."""
        self.size, self._whole_size, self._refusal = 0, 0, None
        self._retained.clear()
        self._once.clear()
        self._superseded.clear()
        self._flight.clear()
        self._holds.clear()
        self._quarantine.close()
        self._progress = False
        self._rewind()

    def lost(self, *, silent: bool = False) -> None:
        """Note that the connection was lost, perhaps for what is in flight; `silent`: we closed; then `close`."""
        first = next(iter(self._flight.values()), None)
        if self._detector.lost(first.payload if first else None, silent=silent) and first:
            stuck = first.number is None or not self._progress or first.topic == self._quarantine.trying
            if stuck:
                self._quarantine.lost(first.topic)
        self.close()

    def renumbered(self) -> None:
        """Begin again with the outbox, whose rows have other numbers now: what is in flight is published again."""
        self._flight = {mid: _without_row(sent) for mid, sent in self._flight.items()}
        self._rewind()

    def publish_retained(self, topics: Mapping[str, bytes]) -> None:
        """Publish these retained topics on this connection, the newest payload of each."""
        if self.size:
            self._retained |= topics

    def publish_once(self, topic: str, payload: bytes) -> None:
        """Publish a message once, not retained; without a connection it is dropped."""
        if self.size:
            self._once.append(Sent(topic, payload, _NO_ROW))

    def supersede(self, topics: Iterable[str]) -> None:
        """Drop these retained topics: a newer state of each waits in the outbox, and must be the last one published."""
        for topic in topics:
            self._retained.pop(topic, None)
            self._superseded.add(topic)

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
        under_way = self._flight or self._once
        return not under_way and settled and self._next_retained() is None and self._next_row() is None

    def held(self) -> tuple[str, ...]:
        """Return the topics that the broker refuses for now, or drops the connection for."""
        return tuple(sorted(self._quarantine.held | self._holds.keys()))

    @property
    def last_refusal(self) -> str | None:
        """What the broker refused last on this connection, and why; None when it refuses nothing."""
        if self._refusal is None and self.size and self._quarantine.held:
            return f"{', '.join(sorted(self._quarantine.held)[:3])}: the broker drops the connection for it"
        return self._refusal

    def due_in_s(self) -> float | None:
        """Return the time until a held topic may be tried again; None when none waits."""
        due = [hold.until for hold in self._holds.values() if not hold.trying]
        if self.free > 0 and self._quarantine.due_s is not None:
            due.append(self._quarantine.due_s)
        return max(0.0, min(due) - self._monotonic()) if due else None

    def fill(self, publish: Callable[[str, bytes, bool], int]) -> None:
        """Publish as much as may be in flight."""
        self._try_held()
        while self._once and self.free > 0:
            self._send(publish, self._once.popleft(), retain=False)
        self._send_ready(publish)
        while self.free > 0 and self._try_lost(publish):
            self._send_ready(publish)

    def acked(self, ack: Acked) -> bool:
        """Take a PUBACK; return whether it was that of a row of the outbox."""
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
        self._detector.acked(sent.payload, row=bool(sent.number))
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
        return min(1, self._whole_size) if self._detector.careful else self._whole_size

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
        if sent.number is None and sent.topic not in self._superseded and not self._under_way(sent.topic):
            self._retained.setdefault(sent.topic, sent.payload)

    def _try_held(self) -> None:
        now = self._monotonic()
        for hold in self._holds.values():
            if not hold.trying and now >= hold.until:
                hold.trying = True
                self._rewind()

    def _try_lost(self, publish: Callable[[str, bytes, bool], int]) -> bool:
        """Try a quarantined topic, when nothing else can be published; return False if none is due."""
        topic = self._quarantine.begin()
        if topic is None:
            return False
        self._rewind()
        if not (self._send_retained(publish) or self._send_row(publish)):
            self._release(topic)
        return True

    def _release(self, topic: str) -> None:
        if self._quarantine.answered(topic):
            self._rewind()

    def _rewind(self) -> None:
        self._rows.clear()
        self._after = 0

    def _blocked(self, topic: str, payload: bytes) -> bool:
        if self._detector.is_poison(payload):
            return False  # it becomes a dead letter instead
        if self._detector.repeated(payload):
            self._quarantine.hold(topic)
        hold = self._holds.get(topic)
        if self._quarantine.blocks(topic) or (hold is not None and not hold.trying):
            return True
        return (hold is not None or topic == self._quarantine.trying) and self._under_way(topic)

    def _under_way(self, topic: str) -> bool:
        return any(sent.topic == topic for sent in self._flight.values())

    def _next_retained(self) -> str | None:
        return next((topic for topic, payload in self._retained.items() if not self._blocked(topic, payload)), None)

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
            sent = self._send_retained(publish)
            if self.free > 0:
                sent = self._send_row(publish) or sent

    def _send_retained(self, publish: Callable[[str, bytes, bool], int]) -> bool:
        topic = self._next_retained()
        if topic is None:
            return False
        self._send(publish, Sent(topic, self._retained.pop(topic), None), retain=True)
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
        except (TypeError, ValueError) as error:  # no valid topic or payload: the journal's file was damaged
            never = str(error)
        if never is not None:
            self._bury(sent, never)
            self._release(sent.topic)

    def _never(self, sent: Sent) -> str | None:
        """Return why a message can never be published, or None. Raises: ValueError for an invalid topic."""
        size = _HEADER_BYTES + len(sent.topic.encode()) + len(sent.payload)
        if self._max_packet_bytes is not None and size > self._max_packet_bytes:
            return f"{size} bytes, the broker takes {self._max_packet_bytes}"
        if self._detector.is_poison(sent.payload):
            return f"{size} bytes, and the broker drops the connection for it"
        return None if sent.topic.isprintable() and REPLACED not in sent.topic else "its topic is damaged"


def _without_row(sent: Sent) -> Sent:
    return sent if sent.number is None else sent._replace(number=_NO_ROW)
