"""A real HTTP server that takes webhooks: it can be away, answer as it is told, be slow, and verify signatures."""

import hmac
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.broker import free_port

SECRET = b"0123456789abcdef"


class Request(NamedTuple):
    """One POST as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event


class Answer(NamedTuple):
    status: int = 204
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def verified(request: Request, secret: bytes = SECRET) -> bool:
    """Verify a request as its receiver would, from the documented form alone."""
    fields = dict(part.split("=", 1) for part in request.headers["X-Phasewatch-Signature"].split(","))
    signed = fields["t"].encode() + b"." + request.body
    return hmac.compare_digest(fields["v1"], hmac.new(secret, signed, "sha256").hexdigest())


class HttpReceiver:
    """Takes POSTs at `url` while it is there."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self.url = f"{'https' if context else 'http'}://localhost:{self.port}/hooks/phasewatch?tenant=7"
        self.requests: list[Request] = []
        """Every POST, whatever it was answered."""
        self.accepted: list[Request] = []
        self.answer: Callable[[Request], Answer] = lambda request: Answer()
        self.go_on = threading.Event()
        """While it is cleared, answers wait."""
        self.go_on.set()
        self.trickles = False
        """Whether answers come byte by byte, without an end."""
        self._context = context
        self._lines: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # the line was cut within the request
                receiver.serve(self, Request(self.path, dict(self.headers.items()), body))

            def setup(self) -> None:
                super().setup()
                receiver._lines.add(self.connection)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # a line that the test has cut

        self._server = Server(("localhost", self.port), Handler)
        if self._context is not None:
            self._server.socket = self._context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Be away: nobody listens, and every connection is cut."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for line in list(self._lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        self._lines.clear()

    def serve(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        self.requests.append(request)
        self.go_on.wait(30)
        answer = self.answer(request)
        if self.trickles:
            self._trickle(handler)
            return
        if 200 <= answer.status < 300:
            self.accepted.append(request)
        handler.send_response(answer.status)
        for name, value in answer.headers:
            handler.send_header(name, value)
        if answer.status != 204:
            handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)

    def _trickle(self, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 ")
        with suppress(OSError):
            while self._server is not None:
                handler.wfile.write(b"x")
                threading.Event().wait(0.02)

    def revs(self) -> list[int]:
        """Return the `rev` of every event that was accepted, in the order of arrival."""
        return [request.event["rev"] for request in self.accepted]


@contextmanager
def http_receiver(context: ssl.SSLContext | None = None) -> Iterator[HttpReceiver]:
    receiver = HttpReceiver(context)
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.go_on.set()
        receiver.stop()
