"""What the daemon tells to the pages that are open, as server-sent events: encoded once, and only when somebody looks.

A page that does not keep up is dropped: it comes again, and then gets the whole state.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from phasewatch.adapters.journal.types import encode

MOST_PAGES: Final = 16
"""Open at the same time; at each place there are connections for more, so that commands still get through."""
DEPTH: Final = 256
"""Messages that wait for one page."""
POINT_S: Final = 1.0
"""Between two states of one point."""
BEAT_S: Final = 5.0
"""Between two heartbeats of the daemon."""
QUIET_S: Final = 15.0
"""After this long without a message a comment keeps the connection open."""
COMMENT: Final = b":\n\n"


class Sources(Protocol):
    """Where the contents come from; called in the loop."""

    def status(self) -> dict[str, Any]:
        """Return the heartbeat."""
        ...

    def briefs(self) -> list[dict[str, Any]]:
        """Return one line of each point, of its name in `point`, its verdict and its quality."""
        ...

    def point_state(self, point: str) -> dict[str, Any] | None:
        """Return the state of a point; None if there is none of that name."""
        ...


def message(kind: str, payload: Any) -> bytes:
    """Return a server-sent event."""
    return b"event: " + kind.encode() + b"\ndata: " + encode(payload) + b"\n\n"


class Listener:
    """One open page."""

    def __init__(self, follows: Iterable[str], depth: int) -> None:
        """`follows`: the points of which it wants every state."""
        self.follows = frozenset(follows)
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(depth + 1)
        self._depth = depth
        self._ended = False

    def put(self, told: bytes) -> None:
        """Add a message; one too many ends the listener."""
        if self._ended:
            return
        if self._queue.qsize() >= self._depth:
            self.end()
        else:
            self._queue.put_nowait(told)

    def end(self) -> None:
        """Let it get nothing more, not even what waits."""
        if not self._ended:
            self._ended = True
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(None)

    async def get(self) -> bytes | None:
        """Wait for the next message; None when there will be no more."""
        try:
            async with asyncio.timeout(QUIET_S):
                return await self._queue.get()
        except TimeoutError:
            return COMMENT


class Broadcast:
    """Tells every open page what is new; called in the loop of the daemon."""

    def __init__(self, most: int = MOST_PAGES, depth: int = DEPTH) -> None:
        self._most, self._depth = most, depth
        self._listeners: list[Listener] = []
        self._sources: Sources | None = None
        self._beating: asyncio.TimerHandle | None = None
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._told_s: dict[str, float] = {}
        self._briefs: dict[str, dict[str, Any]] = {}
        """Of each point the line that was told last."""

    def show(self, sources: Sources) -> None:
        """Say where the contents come from, before the first page is opened."""
        self._sources = sources

    @property
    def full(self) -> bool:
        """Whether no more pages can be served."""
        return len(self._listeners) >= self._most

    @contextmanager
    def listener(self, follows: Iterable[str]) -> Iterator[Listener]:
        """Listen."""
        one = Listener(follows, self._depth)
        self._listeners.append(one)
        self._briefs = {}  # what it gets at its start may be newer than what was told last
        if self._beating is None:
            self._beating = asyncio.get_running_loop().call_later(BEAT_S, self._beat)
        try:
            yield one
        finally:
            one.end()
            self._listeners.remove(one)

    def tell(self, kind: str, payload: Any) -> None:
        """Tell every page."""
        if self._listeners:
            self._put(message(kind, payload), self._listeners)

    def changed(self, point: str) -> None:
        """Tell the state of a point to those who follow it: at once, or when a second since the last time is over."""
        if not self._listeners or point in self._waiting or not self._followers(point):
            return
        loop = asyncio.get_running_loop()
        due_s = self._told_s.get(point, 0.0) + POINT_S
        if loop.time() >= due_s:
            self._tell_point(point)
        else:
            self._waiting[point] = loop.call_at(due_s, self._tell_point, point)

    def close(self) -> None:
        """Send every page away."""
        for one in list(self._listeners):
            one.end()
        for timer in (*self._waiting.values(), *([self._beating] if self._beating else [])):
            timer.cancel()
        self._waiting.clear()
        self._beating = None

    def _followers(self, point: str) -> list[Listener]:
        return [one for one in self._listeners if point in one.follows]

    def _tell_point(self, point: str) -> None:
        self._waiting.pop(point, None)
        self._told_s[point] = asyncio.get_running_loop().time()
        followers = self._followers(point)
        state = self._sources.point_state(point) if followers and self._sources else None
        if state is not None:
            self._put(message("point", state), followers)

    def _beat(self) -> None:
        if not self._listeners or self._sources is None:
            self._beating = None
            self._told_s = {}
            return
        self._beating = asyncio.get_running_loop().call_later(BEAT_S, self._beat)
        self.tell("status", self._sources.status())
        told, self._briefs = self._briefs, {brief["point"]: brief for brief in self._sources.briefs()}
        if told and told.keys() != self._briefs.keys():
            self._restart()
        elif news := [brief for name, brief in self._briefs.items() if told.get(name) != brief]:
            self.tell("points", news)

    def _restart(self) -> None:
        """Let every page come again: another site file is in force."""
        for one in list(self._listeners):
            one.end()

    @staticmethod
    def _put(told: bytes, listeners: Iterable[Listener]) -> None:
        for one in listeners:
            one.put(told)
