"""Webhook: a sink that POSTs every event, one a request, to one URL.

The body is the event's JSON, the same bytes as over MQTT. A request carries the event's id, by which a receiver drops
what it has already (at least once, as over MQTT), and a signature over time and body:
`X-Phasewatch-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">`.

Events go in their order: the next one only after a 2xx for the one before. Anything else is tried again after a growing
pause; after an answer that will hardly change by itself (a redirect, 400, 403, 410 ...) the pause is long. No answer
makes an event lost: it waits until it is too old for the outbox, and is counted there.

HTTP blocks, so it has a thread of its own. It gets a batch, and reports every event back to the delivery thread.
"""

import hmac
import json
import logging
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Final, NamedTuple
from urllib.parse import SplitResult, quote, urlsplit

from phasewatch import version
from phasewatch.adapters.backoff import Backoff
from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.memory_fallback import FallbackJournal
from phasewatch.adapters.journal.sqlite import json_object
from phasewatch.adapters.journal.types import Row, Sent, Settled, SinkStatus, WebhookConfig
from phasewatch.electrical.severity import Severity

BATCH: Final = 16
"""Events that the thread gets at once."""
WHOLE_REQUEST: Final = 3.0
"""A request may take so many times `timeout_s`, whatever trickles in meanwhile."""
_PASSING: Final = frozenset({408, 425, 429})
"""Answers below 500 that pass by themselves."""
_LONGEST_RETRY_AFTER_S: Final = 600.0
_BODY_BYTES: Final = 65536
"""Of an answer, read so that its connection can be used again."""
_CLOSE_S: Final = 0.2
"""For the thread to end; one that hangs in a name server ends with the process."""
_SHOWN: Final = 200
"""Characters of an answer that an error shows."""

_log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """Why an event was not accepted."""

    reason: str
    refused: bool = False
    """Whether the answer will hardly change by itself."""
    retry_after_s: float = 0.0
    """The pause that the receiver asks for."""


def signature(secret: bytes, at_s: int, body: bytes) -> str:
    """Return the value of `X-Phasewatch-Signature`; `at_s`: unix time of the request."""
    return f"t={at_s},v1={hmac.new(secret, b'%d.%b' % (at_s, body), 'sha256').hexdigest()}"


class WebhookSink:
    """One webhook; all but the requests happens in the delivery thread."""

    def __init__(
        self,
        config: WebhookConfig,
        monotonic: Callable[[], float],
        jitter: Callable[[], float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._config, self._monotonic, self._jitter = config, monotonic, jitter
        self._journal: FallbackJournal
        self._do: Callable[[Callable[[], None]], None]
        self._backoff = Backoff(config.shortest_pause_s, config.longest_pause_s, jitter)
        self._requests = Requests(config, monotonic, wall)
        self._batch: list[Row] = []
        """Rows with the thread, which may be on their way."""
        self._accepted: list[Sent] = []
        self._damaged: list[tuple[int, str]] = []
        self._orphaned = False
        """Whether the rows of the batch have other numbers now."""
        self._failure: Failure | None = None
        self._due_s = monotonic()
        self._batches: queue.SimpleQueue[list[Row] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"webhook {config.name}", daemon=True)

    @property
    def name(self) -> str:
        return self._config.name

    @property
    def min_severity(self) -> Severity | None:
        return self._config.min_severity

    def start(self, journal: FallbackJournal, do: Callable[[Callable[[], None]], None]) -> None:
        self._journal, self._do = journal, do
        self._thread.start()

    def settled(self) -> Settled:
        settled = Settled(self._accepted, self._damaged, [])
        self._accepted, self._damaged = [], []
        return settled

    def send(self) -> None:
        if self._batch:
            if self._requests.cut_if_overdue():
                whole_s = WHOLE_REQUEST * self._config.timeout_s
                self._note(Failure(f"{self._requests.host}: a request took more than {whole_s:g} s"))
        elif self._monotonic() >= self._due_s:
            self._batch, self._orphaned = list(self._sound(self._pending(BATCH))), False
            if self._batch:
                self._batches.put(self._batch)

    def renumbered(self) -> None:
        self._orphaned = True

    @property
    def due_in_s(self) -> float | None:
        if self._batch:
            return self._requests.overdue_in_s()
        return max(0.0, self._due_s - self._monotonic()) if self._failure else None

    @property
    def open(self) -> bool:
        return self._failure is None

    @property
    def idle(self) -> bool:
        return not self._batch and not self._accepted and not self._damaged and not self._pending(1)

    def report(self) -> SinkStatus:
        failure = self._failure
        return SinkStatus(
            self.name,
            "webhook",
            connected=failure is None,
            last_error=failure and failure.reason,
            refused=failure is not None and failure.refused,
        )

    def leave(self) -> None:
        """Do nothing: HTTP has no goodbye."""

    def close(self, timeout_s: float) -> None:
        self._batches.put(None)
        self._requests.end()
        self._thread.join(min(timeout_s, _CLOSE_S))

    def _pending(self, limit: int) -> list[Row]:
        return self._journal.on(Journal.pending, limit, 0, self.name)

    def _sound(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Yield the rows that hold an event; others are damaged, and in the way for ever."""
        for row in rows:
            if json_object(row.payload) is None:
                self._damaged.append((row.number, "its payload is damaged"))
            else:
                yield row

    def _on_accepted(self, row: Row) -> None:
        number = None if self._orphaned else row.number
        self._accepted.append(Sent(row.topic, row.payload, number, row.committed_s))
        if self._failure is not None:
            _log.info("webhook %s: accepts events again", self.name)
        self._failure = None
        self._backoff.reset()

    def _on_ended(self, failure: Failure | None) -> None:
        """Take the end of a batch; `failure` is that of the first event that was not accepted."""
        self._batch = []
        if failure is not None:
            self._note(failure)
            self._due_s = self._monotonic() + max(self._pause_s(failure), failure.retry_after_s)

    def _note(self, failure: Failure) -> None:
        if self._failure is None or failure.reason != self._failure.reason:
            _log.warning("webhook %s: %s", self.name, failure.reason)
        self._failure = failure

    def _pause_s(self, failure: Failure) -> float:
        return self._config.refused_pause_s * (0.5 + self._jitter()) if failure.refused else self._backoff.next_s()

    # The thread

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None:
            failure = self._requests.post(batch, self._report_accepted)
            self._do(partial(self._on_ended, failure))

    def _report_accepted(self, row: Row) -> None:
        self._do(partial(self._on_accepted, row))


class Requests:
    """The requests of one webhook, made in its thread; another thread may cut them off."""

    def __init__(self, config: WebhookConfig, monotonic: Callable[[], float], wall: Callable[[], float]) -> None:
        self._config, self._monotonic, self._wall = config, monotonic, wall
        self._url: SplitResult = urlsplit(config.url)
        self.host = self._url.hostname or ""
        self._connection: HTTPConnection | None = None
        self._began_s = monotonic()
        self._ended = False

    def post(self, batch: Sequence[Row], accepted: Callable[[Row], None]) -> Failure | None:
        """Post rows in their order until one fails; call `accepted` for each that does not."""
        self._began_s = self._monotonic()
        try:
            with closing(self._connect()) as self._connection:
                for row in batch:
                    failure = self._post(self._connection, row)
                    if failure is not None:
                        return failure
                    accepted(row)
        except ssl.SSLCertVerificationError as error:
            return Failure(f"{self.host}: certificate verify failed: {error.verify_message}")
        except TimeoutError:
            return Failure(f"{self.host}: no answer within {self._config.timeout_s:g} s")
        except Exception as error:
            return Failure(f"{self.host}: {str(error) or type(error).__name__}")
        return None

    def overdue_in_s(self) -> float:
        """Return the time until the request under way is taking too long."""
        return self._began_s + WHOLE_REQUEST * self._config.timeout_s - self._monotonic()

    def cut_if_overdue(self) -> bool:
        """Cut off a request that takes too long; return whether there was one."""
        overdue = self.overdue_in_s() <= 0
        if overdue:
            self._cut()
            self._began_s = self._monotonic()  # one that hangs without a socket is looked at again after the same time
        return overdue

    def end(self) -> None:
        """Begin no request any more, and cut off the one under way."""
        self._ended = True
        self._cut()

    def _cut(self) -> None:
        line: socket.socket | None = getattr(self._connection, "sock", None)
        if line is not None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _connect(self) -> HTTPConnection:
        host, port, timeout_s = self.host, self._url.port, self._config.timeout_s
        if self._url.scheme == "http":
            return HTTPConnection(host, port, timeout=timeout_s)
        context = ssl.create_default_context(cafile=self._config.ca_file)
        return HTTPSConnection(host, port, timeout=timeout_s, context=context)

    def _post(self, connection: HTTPConnection, row: Row) -> Failure | None:
        if self._ended:
            return Failure("the daemon stops")
        self._began_s = self._monotonic()
        path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        try:
            connection.request("POST", path, row.payload, self._headers(row.payload))
            answer = connection.getresponse()
            text = answer.read(_BODY_BYTES)
        except HTTPException as error:
            return Failure(f"{self.host}: no HTTP: {error!r}")
        if not answer.isclosed():
            connection.close()  # the rest of a long answer; the next request connects again
        return _failure(answer, text)

    def _headers(self, body: bytes) -> dict[str, str]:
        name = quote(str(json.loads(body).get("id")))
        return {
            "Content-Type": "application/json",
            "User-Agent": f"phasewatch/{version()}",
            "Idempotency-Key": name,
            "X-Phasewatch-Id": name,
            "X-Phasewatch-Signature": signature(self._config.secret, int(self._wall()), body),
        }


def _failure(answer: HTTPResponse, text: bytes) -> Failure | None:
    """Return what an answer says against an event; None for 2xx."""
    if 200 <= answer.status < 300:
        return None
    words = " ".join(text.decode("utf-8", "replace").split())[:_SHOWN]
    reason = ": ".join(filter(None, (f"HTTP {answer.status} {answer.reason}".rstrip(), words)))
    if 300 <= answer.status < 400:
        reason = f"HTTP {answer.status}: redirects are not followed; write the final address into url"
    refused = answer.status < 500 and answer.status not in _PASSING
    asked = answer.getheader("Retry-After") or ""
    retry_after_s = min(float(asked), _LONGEST_RETRY_AFTER_S) if asked.isascii() and asked.isdigit() else 0.0
    return Failure("".join(c if c.isprintable() else "?" for c in reason), refused, retry_after_s)
