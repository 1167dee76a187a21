"""The page that the daemon serves: its files, and what they ask for beyond the API."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta, timezone
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from phasewatch.adapters.assets import INDEX, Asset, assets
from phasewatch.adapters.broadcast import Broadcast
from phasewatch.adapters.journal.types import encode
from phasewatch.adapters.page_charts import KINDS, evidence_chart, kinds, trend_chart
from phasewatch.adapters.page_daemon import PageDaemon, slim
from phasewatch.adapters.page_stream import Stream
from phasewatch.drawing.picture import picture
from phasewatch.drawing.plot import plot
from phasewatch.electrical.explanation import Messages
from phasewatch.history import SPANS

MOST_EVENTS: Final = 200
"""At a time."""
_MOST_DRAWN: Final = 32
WORD_GROUPS: Final = ("page", "report", "titles", "labels")

_NOT_KEPT: Final = {"cache-control": "no-store"}
_SVG: Final = "image/svg+xml"


def routes(daemon: PageDaemon, broadcast: Broadcast) -> list[BaseRoute]:
    """Return the routes of the page, for `application(daemon, token, more)`."""
    broadcast.show(daemon)
    shown = _Shown(daemon)
    return [
        *_files(),
        Route("/api/stream", Stream(daemon, broadcast).open),
        Route("/api/words", shown.words),
        Route("/api/events", shown.events),
        Route("/api/evidence/{alert_id}.svg", shown.evidence_plot),
        Route("/api/evidence/{alert_id}", shown.evidence),
        Route("/api/points/{point}/state", shown.state),
        Route("/api/points/{point}/explanation", shown.explanation),
        Route("/api/points/{point}/picture.svg", shown.picture),
        Route("/api/points/{point}/trend.svg", shown.trend_plot),
        Route("/api/points/{point}/trend", shown.trend),
    ]


# Files


def _files() -> list[BaseRoute]:
    found = assets()

    async def index(request: Request) -> Response:
        return _file(request, found[INDEX])

    async def asset(request: Request) -> Response:
        if (one := found.get(request.path_params["name"])) is None:
            raise HTTPException(404)
        return _file(request, one)

    return [Route("/", index), Route("/assets/{name}", asset)]


def _file(request: Request, asset: Asset) -> Response:
    # Asked for anew each time, for an upgrade must show at once; the tag makes that cheap.
    headers = {"etag": asset.tag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if asset.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(asset.content, media_type=asset.media_type, headers=headers)
    return Response(asset.packed, media_type=asset.media_type, headers={**headers, "content-encoding": "gzip"})


# What is asked for


class _Shown:
    """Answers of one daemon."""

    def __init__(self, daemon: PageDaemon) -> None:
        self._daemon = daemon
        self._drawn: dict[object, str] = {}
        """The newest drawings, by what they show: pages that look at the same need only one."""

    async def words(self, request: Request) -> Response:
        messages = self._daemon.words(request.query_params.get("lang"))
        return _json({"language": messages["language"], **{group: messages[group] for group in WORD_GROUPS}})

    async def events(self, request: Request) -> Response:
        limit = _number(request, "limit", 50)
        before = _number(request, "before", 0) or None
        found = await self._daemon.events(max(1, min(limit, MOST_EVENTS)), before)
        return _json({"events": [slim(event) for event in found] if "brief" in request.query_params else found})

    async def evidence(self, request: Request) -> Response:
        found = await self._evidence(request)
        return _json({**found, "kinds": kinds(found)})

    async def evidence_plot(self, request: Request) -> Response:
        found = await self._evidence(request)
        kind = _kind(request, next(iter(kinds(found)), "voltages"))
        chart, messages = evidence_chart(found, kind, _zone(request)), self._messages(request)
        return await self._svg(str(request.url), lambda: plot(chart, messages, style=False))

    async def _evidence(self, request: Request) -> dict[str, Any]:
        alert_id = request.path_params["alert_id"]
        if (found := await self._daemon.evidence(alert_id)) is None:
            raise HTTPException(
                404, f"{alert_id}: no readings are kept of it (yet); they come a minute after the onset"
            )
        return found

    async def state(self, request: Request) -> Response:
        return _json(self._state(request))

    async def explanation(self, request: Request) -> Response:
        point = self._state(request)["point"]
        told = self._daemon.explanation(point, str(self._messages(request)["language"]))
        return _json(told or {"verdict": None})

    async def picture(self, request: Request) -> Response:
        state = self._state(request)
        nominal_v, limits = self._daemon.circles(state["point"])
        messages, numbers = self._messages(request), state.get("picture") or {}
        unjudged = state.get("unjudged") or {}
        readings = {name: value for name, value in (state.get("readings") or {}).items() if name not in unjudged}
        key = state["point"], messages["language"], state.get("at"), nominal_v, limits
        return await self._svg(
            key, lambda: picture(readings, numbers, messages, limits, nominal_v=nominal_v, style=False)
        )

    async def trend(self, request: Request) -> Response:
        return _json(self._trend(request))

    async def trend_plot(self, request: Request) -> Response:
        kind, zone, messages = _kind(request, "voltages"), _zone(request), self._messages(request)
        trend = self._trend(request)
        return await self._svg(
            (str(request.url), trend["at"][:-5]), lambda: plot(trend_chart(trend, kind, zone), messages, style=False)
        )

    def _trend(self, request: Request) -> dict[str, Any]:
        asked = request.query_params.get("span", "hour")
        span = next((span for span in SPANS if span == asked), None)
        if span is None:
            raise HTTPException(400, f"span: one of {', '.join(SPANS)}")
        return self._daemon.trend(self._state(request)["point"], span)

    def _state(self, request: Request) -> dict[str, Any]:
        point = request.path_params["point"]
        if (state := self._daemon.point_state(point)) is None:
            raise HTTPException(404, f"{point[:64]}: no such point; see /api/points")
        return state

    def _messages(self, request: Request) -> Messages:
        return self._daemon.words(request.query_params.get("lang"))

    async def _svg(self, key: object, draw: Callable[[], str]) -> Response:
        drawn = self._drawn.get(key)
        if drawn is None:
            drawn = self._drawn[key] = await asyncio.to_thread(draw)  # milliseconds, in which meters would wait
            if len(self._drawn) > _MOST_DRAWN:
                del self._drawn[next(iter(self._drawn))]
        return Response(drawn, media_type=_SVG, headers=_NOT_KEPT)


def _json(content: Mapping[str, Any]) -> Response:
    return Response(encode(content), media_type="application/json", headers=_NOT_KEPT)


def _number(request: Request, name: str, default: int) -> int:
    """Return a whole number of the query. Raises: HTTPException."""
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise HTTPException(400, f"{name}: must be a whole number")
    return int(text)


def _kind(request: Request, default: str) -> str:
    kind = request.query_params.get("of", default)
    if kind not in KINDS:
        raise HTTPException(400, f"of: one of {', '.join(KINDS)}")
    return kind


def _zone(request: Request) -> timezone:
    """Return the time zone of who looks: `ahead`, in minutes before UTC, as browsers know it."""
    text = request.query_params.get("ahead", "0")
    minutes = int(text) if text.removeprefix("-").isascii() and text.removeprefix("-").isdigit() else 0
    return timezone(timedelta(minutes=max(-14 * 60, min(minutes, 14 * 60))))
