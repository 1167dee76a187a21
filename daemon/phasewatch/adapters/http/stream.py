"""Keeps open pages up to date, as long as they are open.

What the daemon tells to the pages that are open, as server-sent events: encoded once, and only when somebody looks.

A page that does not keep up is dropped: it comes again, and then gets the whole state.

What the page shows of the daemon beyond the API, and how much of it.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from phasewatch.adapters.http.api import Daemon
from phasewatch.adapters.journal.types import encode
from phasewatch.drawing.places import Limits
from phasewatch.drawing.trends import Span
from phasewatch.electrical.explanation import Messages

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
        """Return a line of each point: `point`, `verdict`, `severity`, `quality`, `low_v`, `high_v`, `age_s`."""
        ...

    def point_state(self, point: str) -> dict[str, Any] | None:
        """Return the state of a point, and `stale_s`; without readings only its name; None if there is none such."""
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

    def put(self, message: bytes) -> None:
        """Add a message; one too many ends the listener."""
        if self._ended:
            return
        if self._queue.qsize() >= self._depth:
            self.end()
        else:
            self._queue.put_nowait(message)

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
        self._sent_s: dict[str, float] = {}
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
        due_s = self._sent_s.get(point, 0.0) + POINT_S
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
        self._sent_s[point] = asyncio.get_running_loop().time()
        followers = self._followers(point)
        state = self._sources.point_state(point) if followers and self._sources else None
        if state is not None:
            self._put(message("point", state), followers)

    def _beat(self) -> None:
        if not self._listeners or self._sources is None:
            self._beating = None
            self._sent_s = {}
            return
        self._beating = asyncio.get_running_loop().call_later(BEAT_S, self._beat)
        self.tell("status", self._sources.status())
        message, self._briefs = self._briefs, {brief["point"]: brief for brief in self._sources.briefs()}
        if message and message.keys() != self._briefs.keys():
            self._restart()
        elif news := [brief for name, brief in self._briefs.items() if message.get(name) != brief]:
            self.tell("points", news)

    def _restart(self) -> None:
        """Let every page come again: another site file is in force."""
        for one in list(self._listeners):
            one.end()

    @staticmethod
    def _put(message: bytes, listeners: Iterable[Listener]) -> None:
        for one in listeners:
            one.put(message)


ALERT_KEYS: Final = (
    "alert_id", "rev", "subject", "rule", "phase", "state", "severity", "acknowledged", "shelved_until",
    "suppressed_by", "since", "at", "by", "reason", "transition", "chattering", "first_out", "value", "unit", "limit",
    "source", "summary",
)  # fmt: skip
"""What the page needs of an alert or an event: a fifth of it."""


class PageDaemon(Sources, Daemon, Protocol):
    """What the page shows of the daemon beyond the API; called in the daemon's own loop."""

    def explanation(self, point: str, language: str) -> dict[str, Any] | None:
        """Return `verdict`, `summary`, `causes`, `cannot_tell`, `next_steps` in words; None without a diagnosis."""
        ...

    def circles(self, point: str) -> tuple[float, Limits]:
        """Return the nominal voltage, phase to neutral, and the limits that the picture of a point shows."""
        ...

    def trend(self, point: str, span: Span) -> dict[str, Any]:
        """Return the trend of a point as `History.trend` does, and `at`, the time stamp of now."""
        ...

    def words(self, language: str | None) -> Messages:
        """Return the words of a language; of the site's for None or one that there is not."""
        ...

    async def events(self, limit: int, before: int | None) -> list[dict[str, Any]]:
        """Return events as published, newest first, each with its `place`; those before a place if one is named."""
        ...

    async def evidence(self, alert_id: str) -> dict[str, Any] | None:
        """Return `alert_id`, `subject`, `rule`, `at`, `samples`, `complete` of an occurrence; None if there is none."""
        ...


def slim(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page needs of an alert or an event as published."""
    return {key: message[key] for key in (*ALERT_KEYS, "place") if key in message}


_LONGEST: Final = 64
"""Of a name of a point."""
_MOST_FOLLOWED: Final = 64


class Stream:
    """Keeps open pages up to date."""

    def __init__(self, daemon: PageDaemon, broadcast: Broadcast) -> None:
        self._daemon, self._broadcast = daemon, broadcast

    async def open(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type=_Events.media_type)
        if self._broadcast.full:
            raise HTTPException(503, "too many pages are open; close some", {"Retry-After": "30"})
        followed = request.query_params.get("follow", "").split(",")[:_MOST_FOLLOWED]
        return _Events(self, [name for name in followed if len(name) <= _LONGEST])

    async def hello(self, follows: list[str]) -> bytes:
        """Return the whole state."""
        alerts = [alert for alert in await self._daemon.alerts() if _shown(alert)]
        states = (self._daemon.point_state(name) for name in follows if name)
        whole = {
            "status": self._daemon.status(),
            "points": self._daemon.briefs(),
            "alerts": [slim(alert) for alert in alerts],
            "states": [state for state in states if state is not None],
        }
        return message("hello", whole)

    async def feed(self, follows: list[str], receive: Receive, send: Send) -> None:
        """Send events until the page is closed or told to come again."""
        with self._broadcast.listener(follows) as listener:
            gone = asyncio.create_task(_gone(receive), name="page")
            gone.add_done_callback(lambda _: listener.end())
            try:
                message: bytes | None = await self.hello(follows)
                while message is not None:
                    await send({"type": "http.response.body", "body": message, "more_body": True})
                    message = await listener.get()
            except asyncio.CancelledError:
                return  # the server ends; a cancelled answer would be logged as a failure
            finally:
                gone.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _shown(alert: Mapping[str, Any]) -> bool:
    return alert.get("state") != "cleared" or bool(alert.get("shelved_until"))


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Events(Response):
    """A response that goes on."""

    media_type = "text/event-stream"

    def __init__(self, stream: Stream, follows: list[str]) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._stream, self._follows = stream, follows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  starlette's
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(start)
        await self._stream.feed(self._follows, receive, send)
