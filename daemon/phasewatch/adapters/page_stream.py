"""Keeps open pages up to date, as long as they are open."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from phasewatch.adapters.broadcast import Broadcast, message
from phasewatch.adapters.page_daemon import PageDaemon, slim

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
                told: bytes | None = await self.hello(follows)
                while told is not None:
                    await send({"type": "http.response.body", "body": told, "more_body": True})
                    told = await listener.get()
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
