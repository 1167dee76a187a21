"""The page that the daemon serves: its files, and what they ask for beyond the API.

Charts of trends and of evidence, from the columns that the page is told.

The files of the page, in memory: each with its tag, and packed once for those who take it so.
"""

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from importlib.resources import files
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from phasewatch.adapters.http.stream import Broadcast, PageDaemon, Stream, slim
from phasewatch.adapters.journal.types import encode
from phasewatch.drawing.phasor_diagram import picture
from phasewatch.drawing.plot import Chart, Series, plot
from phasewatch.drawing.svg import STYLE
from phasewatch.drawing.trends import SPANS
from phasewatch.electrical.explanation import Messages
from phasewatch.meters.quantities import CURRENT_N, CURRENTS, LL, LN, LPE, NPE, PHASES

SHIFTS: Final = ("neutral_shift_v", "earth_shift_v")
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "voltages": LN,
    "lines": LL,
    "earth": LPE,
    "shifts": (*SHIFTS, NPE),
    "currents": (*CURRENTS, CURRENT_N),
}
"""What can be drawn in one chart."""
_UNITS: Final = {"currents": "A"}
_OF_RULE: Final[Mapping[str, tuple[str, ...]]] = {
    "neutral_displacement": ("voltages", "shifts"),
    "neutral_impedance": ("shifts", "currents"),
    "earth_displacement": ("earth", "shifts"),
    "neutral_earth_voltage": ("earth", "shifts"),
    "voltage_unbalance": ("lines", "voltages"),
    "phase_loss": ("voltages", "currents"),
}
_MARKS: Final = {
    **dict(zip((*LN, *LL, *LPE, *CURRENTS), PHASES * 4, strict=True)),
    "neutral_shift_v": "n",
    "earth_shift_v": "pe",
}
_NAMES: Final = {"neutral_shift_v": "N", "earth_shift_v": "PE"}


def kinds(evidence: Mapping[str, Any]) -> list[str]:
    """Return what of evidence is worth a chart: for its rule what it judges, and only what was sampled."""
    samples = evidence["samples"]
    wanted = (*_OF_RULE.get(str(evidence["rule"]), ("voltages",)), *KINDS)
    sampled = [kind for kind in wanted if any(name in samples for name in KINDS[kind])]
    return list(dict.fromkeys(sampled))[:2]


def evidence_chart(evidence: Mapping[str, Any], kind: str, zone: tzinfo) -> Chart:
    """Return the chart of one kind around the onset of an alert."""
    samples = evidence["samples"]
    series = _series(kind, {name: samples[name] for name in KINDS[kind] if name in samples})
    at = datetime.fromisoformat(str(evidence["at"])).astimezone(zone)
    return Chart(at, samples.get("offset_s", ()), series, _UNITS.get(kind, "V"), onset_s=0.0)


def trend_chart(trend: Mapping[str, Any], kind: str, zone: tzinfo) -> Chart:
    """Return the chart of one kind over the last hour or day: each slot from its lowest to its highest value."""
    width_s, quantities = trend["slot_s"], trend["quantities"]
    times_s = [t_s + side * width_s / 4.0 for t_s in trend["t_s"] for side in (-1, 1)]
    found = {name: quantities[name] for name in KINDS[kind] if name in quantities}
    series = _series(kind, {name: list(_between(parts["low"], parts["high"])) for name, parts in found.items()})
    at = datetime.fromisoformat(str(trend["at"])).astimezone(zone)
    span_s = trend["t_s"][0] - width_s / 2.0, 0.0
    return Chart(at, times_s, series, _UNITS.get(kind, "V"), gap_s=1.5 * width_s, span_s=span_s)


def _between(lows: Iterable[float | None], highs: Iterable[float | None]) -> Iterable[float | None]:
    for pair in zip(lows, highs, strict=True):
        yield from pair


def _series(kind: str, columns: Mapping[str, Sequence[float | None]]) -> list[Series]:
    return [Series(_name(name, kind), values, _MARKS.get(name, "other")) for name, values in columns.items()]


def _name(quantity: str, kind: str) -> str:
    if quantity in _NAMES:
        return _NAMES[quantity]
    of = quantity.split("_", 1)[1].upper()
    return of.replace("_", "–") if kind != "currents" else f"I {of}"


PACKAGE: Final = "phasewatch"
DIRECTORY: Final = "page"
INDEX: Final = "index.html"
_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    content: bytes
    packed: bytes
    """With gzip."""
    media_type: str
    tag: str
    """Changes with the content; quoted, as HTTP has it."""


def assets() -> dict[str, Asset]:
    """Return every file of the page by its name, and the look of drawings as `drawing.css`."""
    return {name: _asset(name, content) for name, content in _contents()}


def _contents() -> Iterator[tuple[str, bytes]]:
    yield "drawing.css", drawing_css().encode()
    for file in files(PACKAGE).joinpath(DIRECTORY).iterdir():
        if file.is_file() and file.name.rpartition(".")[2] in _TYPES:
            yield file.name, file.read_bytes()


def drawing_css() -> str:
    """Return the look of drawings as a style sheet: the page's policy lets no style stand in a drawing."""
    return STYLE.removeprefix("<style>").removesuffix("</style>")


def _asset(name: str, content: bytes) -> Asset:
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    return Asset(content, gzip.compress(content, mtime=0), _TYPES[name.rpartition(".")[2]], tag)


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
    # Revalidated each time, so that an upgrade shows at once; the tag makes that cheap.
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
