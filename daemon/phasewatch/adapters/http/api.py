"""The HTTP API of the daemon: what it knows, what operators may do, and its metrics.

Over the unix socket the mode of the file is the permission. Over TCP everybody who reaches the port may look;
commands need the token.

The token that commands over TCP carry.
"""

import asyncio
import hmac
import ipaddress
import json
import pwd
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from phasewatch.adapters.http.connection import Peer
from phasewatch.adapters.journal.types import decode, encode
from phasewatch.adapters.metrics import CONTENT_TYPE, Measures, expose
from phasewatch.alerts.operations import VERBS
from phasewatch.settings import is_no_file, text_of

MOST_BYTES: Final = 64 * 1024
"""Of the body of a request."""
BODY_S: Final = 5.0
"""A body that takes longer to arrive is given up."""
HOLD_S: Final = 0.25
METRICS_HOLD_S: Final = 1.0
"""An answer is computed at most so often: a client that asks without pause must not keep the daemon from measuring."""
SHARE: Final = 0.05
"""Of the time that making one answer again and again may take."""

_JSON: Final = "application/json"


class Daemon(Protocol):
    """What the API shows of the daemon, and asks of it; called in the daemon's own loop."""

    def status(self) -> dict[str, Any]:
        """Return the heartbeat as published."""
        ...

    def points(self) -> list[dict[str, Any]]:
        """Return the state of every point as published."""
        ...

    async def alerts(self) -> list[dict[str, Any]]:
        """Return the current state of every alert as published; those that are cleared, too."""
        ...

    def operate(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """Do a command; return the reply as published, with `ok` and `error`. Never raises for what the body holds.

        `body` is that of the MQTT command; where the client left out `by`, it is what is known of him.
        """
        ...

    def measures(self) -> Measures:
        """Return a picture of every metric, which nobody changes any more."""
        ...


def application(daemon: Daemon, token: str | None = None, more: Sequence[BaseRoute] = ()) -> Starlette:
    """Return the API over a daemon. `token`: for commands over TCP; None: there are none. `more`: further routes."""
    shown: dict[str, _Page] = {
        "/api/status": _Page(_shown(daemon.status)),
        "/api/points": _Page(_shown(lambda: {"points": daemon.points()})),
        "/api/alerts": _Page(_alerts_of(daemon)),
        "/metrics": _Page(_measured(daemon), CONTENT_TYPE, METRICS_HOLD_S),
    }

    async def act(request: Request) -> Response:
        verb = request.path_params["verb"]
        if verb not in VERBS:
            raise HTTPException(404, f"{verb} is no command; one of {', '.join(VERBS)}")
        _permit(request, token)
        body = await _body(request)
        reply = daemon.operate(verb, body if "by" in body else {"by": await _caller(request), **body})
        for page in shown.values():
            page.forget()
        return _answer(reply, 200 if reply["ok"] else 400)

    routes = [
        *(Route(path, page.show) for path, page in shown.items()),
        Route("/api/health", _health),
        Route("/api/alerts/{verb}", act, methods=["POST"]),
        *more,
    ]
    api = Starlette(
        routes=routes,
        middleware=[Middleware(_HostGuard)],
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )
    api.router.redirect_slashes = False
    return api


class _Page:
    """One answer, kept for a moment."""

    def __init__(self, make: Callable[[], Awaitable[bytes]], media_type: str = _JSON, hold_s: float = HOLD_S) -> None:
        self._make, self._media_type, self._hold_s = make, media_type, hold_s
        self._made: tuple[float, bytes] | None = None
        """Until when an answer holds, and the answer."""
        self._turn = asyncio.Lock()

    async def show(self, _request: Request) -> Response:
        async with self._turn:
            loop = asyncio.get_running_loop()
            begin_s = loop.time()
            if self._made is None or begin_s >= self._made[0]:
                content = await self._make()
                took_s = loop.time() - begin_s
                self._made = begin_s + max(self._hold_s, took_s / SHARE), content
            content = self._made[1]
        return Response(content, media_type=self._media_type, headers=_NOT_KEPT)

    def forget(self) -> None:
        self._made = None


def _shown(read: Callable[[], dict[str, Any]]) -> Callable[[], Awaitable[bytes]]:
    async def make() -> bytes:
        return encode(read())

    return make


def _alerts_of(daemon: Daemon) -> Callable[[], Awaitable[bytes]]:
    async def make() -> bytes:
        return encode({"alerts": await daemon.alerts()})

    return make


def _measured(daemon: Daemon) -> Callable[[], Awaitable[bytes]]:
    async def make() -> bytes:
        return await asyncio.to_thread(expose, daemon.measures())  # thousands of lines would hold up the loop

    return make


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok\n", headers=_NOT_KEPT)


# Who may do what


def _permit(request: Request, token: str | None) -> None:
    """Let a command pass. Raises: HTTPException."""
    if _peer(request.scope).local:
        return
    if token is None:
        raise HTTPException(
            403, "commands over TCP are off: set web.token_file, or use the control socket (phasewatch alerts)"
        )
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(sent.strip().encode(), token.encode()):
        raise HTTPException(
            401,
            "needs the header Authorization: Bearer, with the token of web.token_file",
            {"WWW-Authenticate": "Bearer"},
        )


async def _caller(request: Request) -> str:
    peer = _peer(request.scope)
    if peer.local:
        return await asyncio.to_thread(_user, peer.uid)  # a directory service may take its time
    return f"http {request.client.host if request.client else '?'}"


def _user(uid: int | None) -> str:
    if uid is None:
        return "control socket"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _peer(scope: Scope) -> Peer:
    peer: Peer = scope["state"]["peer"]
    return peer


class _HostGuard:
    """Keeps pages of other sites, whose names a browser was led to believe to be this machine, from reading here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _peer(scope).loopback and not _names_an_address(Request(scope).headers):
            text = "the name in the Host header is not this machine's; ask 127.0.0.1 or localhost"
            await _error(421, text)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _names_an_address(headers: Any) -> bool:
    try:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        return host == "localhost" or bool(ipaddress.ip_address(host))
    except ValueError:
        return False


# Bodies and answers


async def _body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a body; an empty one is an empty object. Raises: HTTPException."""
    raw = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                raw += chunk
                if len(raw) > MOST_BYTES:
                    raise HTTPException(413, f"body: more than {MOST_BYTES} bytes")
    except TimeoutError:
        raise HTTPException(408, f"body: not there within {BODY_S:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "body: cut short") from None
    try:
        content = decode(bytes(raw) or b"{}")
        json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair is JSON, but no text
    except RecursionError:
        raise HTTPException(400, "body: nested too deep") from None
    except ValueError as error:
        raise HTTPException(400, f"body: {error}") from None
    if not isinstance(content, dict):
        raise HTTPException(400, 'body: must be a JSON object, as {"subject": "main", "rule": "voltage_dip"}')
    return content


_NOT_KEPT: Final = {"cache-control": "no-store"}


def _answer(content: dict[str, Any], code: int, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(content), code, _NOT_KEPT | (headers or {}), _JSON)


def _error(code: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return _answer({"error": " ".join(text.split())}, code, headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for nothing else
    text = error.detail
    if text == "Not Found":
        text = f"{request.url.path}: there is nothing here; see /api/status, /api/points, /api/alerts, /metrics"
    elif text == "Method Not Allowed":
        text = f"{request.url.path}: {request.method} is not for this; Allow tells what is"
    return _error(error.status_code, text, dict(error.headers or {}))


async def _failed(_request: Request, _fault: Exception) -> Response:
    return _error(500, "the daemon failed to answer; its log tells why: journalctl -u phasewatch")


SHORTEST_TOKEN: Final = 16


class TokenError(Exception):
    """There is no usable token; the text names the file and the remedy."""


def read_token(path: Path) -> str:
    """Return the token that a file holds. Raises: TokenError."""
    try:
        token = text_of(path).strip()
        if path.stat().st_mode & 0o007:  # the group bits of a credential of systemd are its access list
            raise TokenError(f"web.token_file: {path}: everybody may use it; chmod o= {path}")
    except OSError as error:
        remedy = error.strerror if is_no_file(error) else f"{error.strerror}; the daemon must be able to read it"
        raise TokenError(f"web.token_file: {path}: {remedy}") from error
    except UnicodeDecodeError as error:
        raise TokenError(f"web.token_file: {path}: is no text; write a token into it") from error
    if len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
        raise TokenError(
            f"web.token_file: {path}: must hold {SHORTEST_TOKEN} or more characters without blanks;"
            f" make one: openssl rand -hex 32 > {path}"
        )
    return token
