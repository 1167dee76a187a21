"""Finds poison: messages and topics for which a broker drops the connection instead of refusing them.

The cause may be a message that the broker will never accept, a topic that it forbids, or a crash of its own:

- After a loss one message at a time is published, so the one in flight at the next loss is known.
- A topic that cost four connections in a row, none of which got a row through, is quarantined; fewer are a bad line, on
  which events keep their order. Everything else is published first then, and one message of one quarantined topic is
  tried after a pause, which grows from loss to loss and ends with the first PUBACK. So nothing is lost to a forbidden
  topic or a crashing broker, each topic keeps its order, and no other topic waits.
- Only one kind of message is never published again: it cost three connections, is larger than all that the broker
  accepted since the first of them, and the broker accepted at least three other rows of the outbox since. A retained
  topic such as `online` proves nothing: a broker that crashes over and over accepts it, too.
- A connection lost over a smaller message points to another cause than size: the count starts again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from phasewatch.adapters.backoff import Backoff
from phasewatch.adapters.mqtt.client import Closed, Stage

HELD_AFTER: Final = 4
"""Connections lost with the same topic first in flight, until it is held."""
LOSSES: Final = 3
"""Connections lost with the same message first in flight, until it may be poison."""
PROOFS: Final = 3
"""Other rows that a broker must accept meanwhile, as proof that it does not merely crash."""

_CLEARING_ACKS: Final = 100
"""Messages acknowledged on one connection, after which its predecessor was lost for another reason."""
_KEPT: Final = 64
# No reason at all, or one of a message: unspecified, malformed, protocol, implementation, topic, size, format.
_BLAMING: Final = frozenset({None, 0x80, 0x81, 0x82, 0x83, 0x90, 0x95, 0x99})


def blames_message(closed: Closed) -> bool:
    """Return whether a message may be why the broker closed the connection."""
    return closed.stage is Stage.OPEN and closed.code in _BLAMING


@dataclass(slots=True)
class _Suspect:
    """What happened since a message first cost a connection."""

    losses: int = 0
    largest: int = 0
    """Bytes of the largest payload that the broker took."""
    rows: int = 0
    """Other rows that it took."""


class PoisonDetector:
    """Counts losses by payload, which may be the same on two topics; lives through many connections."""

    def __init__(self) -> None:
        self._last: bytes | None = None
        self._acks = 0
        self._suspects: dict[bytes, _Suspect] = {}
        self._poison: dict[bytes, None] = {}

    @property
    def careful(self) -> bool:
        """Whether only one message may be in flight."""
        return self._last is not None

    def is_poison(self, payload: bytes) -> bool:
        """Return whether this is never to be published again, on any topic."""
        return payload in self._poison

    def repeated(self, payload: bytes) -> bool:
        """Return whether this cost connections for its size, as far as is known, and other topics with it must wait."""
        suspect = self._suspects.get(payload)
        return suspect is not None and suspect.losses >= HELD_AFTER and len(payload) > suspect.largest

    def acked(self, payload: bytes, *, row: bool) -> None:
        """Count a message that was accepted, a row of the outbox or a retained topic."""
        self._acks += 1
        for suspected, suspect in self._suspects.items():
            suspect.largest = max(suspect.largest, len(payload))
            suspect.rows += row and payload != suspected
        if payload == self._last or self._acks >= _CLEARING_ACKS:
            self._last = None

    def lost(self, first: bytes | None, *, silent: bool = False) -> bool:
        """Count a lost connection and the oldest message that it left in flight; return whether that is blamed.

        `silent`: the broker never answered, and we closed.
        """
        acks, self._acks = self._acks, 0
        if first is None or not acks:
            return False
        if not silent:
            self._blame(first)
        return True

    def _blame(self, first: bytes) -> None:
        self._last = first
        for suspected, suspect in self._suspects.items():
            if len(first) < len(suspected):
                suspect.losses = suspect.rows = 0
        suspect = self._suspects.setdefault(first, _Suspect())
        suspect.losses += 1
        if suspect.losses >= LOSSES and suspect.rows >= PROOFS and len(first) > suspect.largest:
            self._last = None
            del self._suspects[first]
            self._poison[first] = None
        _trim(self._suspects)
        _trim(self._poison)


def _trim(kept: dict[bytes, _Suspect] | dict[bytes, None]) -> None:
    if len(kept) > _KEPT:
        del kept[next(iter(kept))]


class TopicQuarantine:
    """Topics over which connections were lost, and which of them is tried; lives through many connections."""

    def __init__(self, pause: Backoff, monotonic: Callable[[], float]) -> None:
        self._pause, self._monotonic = pause, monotonic
        self._losses: dict[str, int] = {}
        self._held: dict[str, None] = {}
        """In the order in which they are to be tried."""
        self._until_s = 0.0
        self.trying: str | None = None
        """One message of this topic may be in flight, to see whether the broker takes it now."""

    @property
    def held(self) -> frozenset[str]:
        return frozenset(self._held)

    @property
    def due_s(self) -> float | None:
        """When the next topic may be tried, by the monotonic clock; None when none waits."""
        return self._until_s if self._held and self.trying is None else None

    def blocks(self, topic: str) -> bool:
        return topic in self._held and topic != self.trying

    def hold(self, topic: str) -> None:
        """Hold a topic for a message on it that cost connections on another."""
        self._held.setdefault(topic)

    def lost(self, topic: str) -> None:
        """Count a connection that was lost with this topic first in flight."""
        self.trying = None
        self._losses[topic] = self._losses.get(topic, 0) + 1
        if self._losses[topic] >= HELD_AFTER or topic in self._held:
            self._held.pop(topic, None)
            self._held[topic] = None
            self._until_s = self._monotonic() + self._pause.next_s()

    def begin(self) -> str | None:
        """Begin to try a topic, if it is time; return it."""
        if self.due_s is None or self._monotonic() < self._until_s:
            return None
        self.trying = next(iter(self._held))
        return self.trying

    def answered(self, topic: str) -> bool:
        """Release a topic: the broker answered, or nothing of it waits; return whether it was held."""
        self._losses.pop(topic, None)
        if topic not in self._held:
            return False
        del self._held[topic]
        self.trying = None if self.trying == topic else self.trying
        self._until_s = 0.0
        self._pause.reset()
        return True

    def close(self) -> None:
        """End with a connection: whatever was on trial is tried again on the next."""
        self.trying = None
