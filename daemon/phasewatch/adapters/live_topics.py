"""Live retained topics: the newest payload of each, and which of them a broker has to lose."""

import threading
from collections.abc import Collection, Mapping


class LiveTopics:
    """What was published without the journal, from any thread, until the thread of delivery takes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fresh: dict[str, bytes] = {}
        self._live: dict[str, bytes] = {}

    def publish(self, topic: str, payload: bytes) -> bool:
        """Keep the newest payload of a topic, empty to remove it; return whether it is the first to be taken."""
        with self._lock:
            first = not self._fresh
            self._fresh[topic] = payload
        return first

    def restore(self, topics: Mapping[str, bool]) -> None:
        """Remember what an earlier run wanted to be emptied, and no broker has confirmed yet."""
        self._live |= {topic: b"" for topic, wanted in topics.items() if not wanted}

    def take(self) -> dict[str, bytes]:
        """Return what is new."""
        with self._lock:
            fresh, self._fresh = self._fresh, {}
        self._live |= fresh
        return fresh

    def all(self) -> dict[str, bytes]:
        """Return every topic with its newest payload, empty for those that a broker has to lose."""
        return dict(self._live)

    def emptied(self, topics: Collection[str]) -> list[str]:
        """Forget topics that a broker has emptied; return those that are not wanted again."""
        gone = [topic for topic in topics if self._live.get(topic) == b""]
        for topic in gone:
            del self._live[topic]
        return gone
