"""Finds the message for which a broker drops the connection, without ever saying that it will not take it."""

from typing import Final

from phasewatch.adapters.mqtt import Closed, Stage

LOSSES: Final = 3
"""Connections lost in a row with the same message first in flight, until it is never sent again."""

_CLEARING_ACKS: Final = 100
"""Messages acknowledged on one connection, after which its predecessor was lost for another reason."""
_CONDEMNED_KEPT: Final = 64
# No reason at all, or one of a message: unspecified, malformed, protocol, implementation, topic, size, format.
_BLAMING: Final = frozenset({None, 0x80, 0x81, 0x82, 0x83, 0x90, 0x95, 0x99})


def blames_message(closed: Closed) -> bool:
    """Return whether a message may be why the broker closed the connection."""
    return closed.stage is Stage.OPEN and closed.code in _BLAMING


class Suspicion:
    """Lives through many connections.

    After a loss one message at a time is sent, so the one in flight at the next loss is the cause, or the line is bad:
    a message no larger than another that was acknowledged meanwhile is not blamed.
    """

    def __init__(self) -> None:
        self._suspect: bytes | None = None
        self._losses, self._largest, self._acks = 0, 0, 0
        self._condemned: dict[bytes, None] = {}

    @property
    def careful(self) -> bool:
        """Whether only one message may be in flight."""
        return self._suspect is not None

    def condemned(self, payload: bytes) -> bool:
        """Return whether this is never to be sent again, on whatever topic."""
        return payload in self._condemned

    def acked(self, payload: bytes) -> None:
        """Take note of a message that came through."""
        self._acks += 1
        self._largest = max(self._largest, len(payload))
        if payload == self._suspect or self._acks >= _CLEARING_ACKS:
            self._suspect = None

    def lost(self, first: bytes | None) -> None:
        """Take note of a connection that the broker closed, and of the oldest message that it left in flight."""
        if first is not None and self._acks:
            self._blame(first)
        self._acks = 0

    def _blame(self, first: bytes) -> None:
        if first != self._suspect:
            self._suspect, self._losses, self._largest = first, 0, 0
        self._losses += 1
        if self._losses >= LOSSES and len(first) > self._largest:
            self._suspect = None
            self._condemned[first] = None
            if len(self._condemned) > _CONDEMNED_KEPT:
                del self._condemned[next(iter(self._condemned))]
