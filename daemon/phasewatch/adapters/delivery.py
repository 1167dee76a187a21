"""Delivery: the one thread that waits for brokers and disks, so that nobody else has to.

A session at the broker ends with its connection. So a command that was sent while the daemon was away is lost, and that
is meant: an acknowledgement of yesterday must not quiet an alert of today. Whoever commands waits for the reply.
"""

import logging
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.sqlite import JournalTakenError
from phasewatch.adapters.journal.types import Change, DeliveryConfig, DeliveryStatus, Restored
from phasewatch.adapters.ledger import Ledger, Questions
from phasewatch.adapters.link import Link
from phasewatch.adapters.live_topics import LiveTopics
from phasewatch.adapters.mqtt import OFFLINE, ONLINE, Acked, Arrived, Closed, Connection, Opened, Signal, base_topic
from phasewatch.adapters.suspicion import blames_message
from phasewatch.adapters.window import Window
from phasewatch.alerts.evidence import Evidence

T = TypeVar("T")

_log = logging.getLogger(__name__)

_TURN_S: Final = 5.0
"""A turn of the thread lasts at most this long when there is nothing to do."""
_FAREWELL_S: Final = 1.0
_WORKS_A_TURN: Final = 1000


class Delivery:
    """Takes changes and messages from any thread and sees them through to the broker."""

    def __init__(
        self,
        config: DeliveryConfig,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.status = DeliveryStatus()
        self.messages: queue.Queue[Arrived] = queue.Queue(maxsize=1000)
        """What subscriptions bring; more than it holds is thrown away. What is sent while nobody is connected is lost:
        an acknowledgement that comes hours late must not act."""
        self.arrived: Callable[[], None] | None = None
        """Called in the thread of delivery when something is in `messages`."""
        self._config, self._monotonic = config, monotonic
        self._list_topic = f"{base_topic(config.site)}/alerts"
        self._availability = f"{base_topic(config.site)}/availability"
        self._heard_at = monotonic()
        self._ledger: Ledger
        self._last_error: str | None = None
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._live, self._questions = LiveTopics(), Questions()
        self._cut = False
        """Whether we gave the connection up ourselves."""
        self._subscriptions: list[str] = []
        self._todo: deque[Callable[[], None]] = deque()
        self._deadline: float | None = None
        self._link = Link(config, self._receive, monotonic, jitter)
        self._window = Window(
            lambda limit, after: self._ledger.pending(limit, after), self._link.new_backoff, monotonic
        )
        self._restored: queue.SimpleQueue[Restored | JournalTakenError] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    # From any thread

    def start(self) -> Restored:
        """Open the journal and begin to connect; return what the journal remembers.

        Raises: JournalTakenError when another process has it.
        """
        self._thread.start()
        restored = self._restored.get()
        if isinstance(restored, JournalTakenError):
            raise restored
        return restored

    def commit(self, changes: Sequence[Change]) -> None:
        """Journal changes in one transaction, then deliver their events and states."""
        self._put(lambda ledger: ledger.add_changes(tuple(changes)))

    def remember(self, records: Mapping[str, str]) -> None:
        """Journal records of alerts that have nothing to tell yet, such as a running timer."""
        kept = dict(records)
        self._put(lambda ledger: ledger.remember(kept, self._window))

    def forget(self, keys: Sequence[str]) -> None:
        """Remove alerts that are no longer configured, here and at the broker."""
        gone = tuple(keys)
        self._put(lambda ledger: ledger.forget(gone, self._window))

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a live retained topic: the newest payload wins, and only that there is such a topic is journaled."""
        if self._live.publish(topic, payload):
            self._put(lambda ledger: ledger.take_fresh(self._window))

    def unpublish(self, topic: str) -> None:
        """Empty a live retained topic for good: it is owed to the brokers, over restarts, until one has emptied it."""
        self.publish(topic, b"")

    def say(self, topic: str, payload: bytes) -> None:
        """Publish a message once, not retained, to whoever listens now: the answer to a command."""
        self._inbox.put(lambda: self._window.say(topic, payload))

    def resync(self) -> None:
        """Publish everything retained again."""
        self._put(lambda ledger: self._window.owe(ledger.owed()))

    def keep_evidence(self, found: Sequence[Evidence]) -> None:
        """Journal the evidence of alerts."""
        if found:
            kept = tuple(found)
            self._put(lambda ledger: ledger.keep_evidence(kept))

    def ask(self, work: Callable[[Journal], T]) -> Future[T]:
        """Read the journal in the thread that owns it: keep it short, nothing is delivered meanwhile.

        The future is cancelled when delivery ends before.
        """
        future: Future[T] = Future()
        if self._questions.add(future):
            future.add_done_callback(self._questions.remove)
            self._put(lambda ledger: ledger.answer(work, future, self._window))
        else:
            future.cancel()
        return future

    def subscribe(self, topic: str) -> None:
        """Bring what arrives on a topic to `messages`, now and after every connect."""
        self._inbox.put(partial(self._subscribe, topic))

    def stop(self, timeout_s: float) -> bool:
        """Deliver what can be delivered in time, say `offline` and disconnect; return whether the thread has ended."""
        self._inbox.put(partial(self._begin_to_stop, timeout_s))
        self._thread.join(timeout_s + 2 * _FAREWELL_S + 2)
        return not self._thread.is_alive()

    def _put(self, work: Callable[[Ledger], None]) -> None:
        self._inbox.put(lambda: work(self._ledger))

    # The thread

    def _run(self) -> None:
        try:
            self._ledger = Ledger(self._config, self._list_topic, self._monotonic, self._live, self._complain)
        except JournalTakenError as error:
            self._restored.put(error)
            return
        self._restored.put(self._ledger.restore())
        while not self._finished():
            try:
                self._turn(self._wait_s())
            except Exception as error:
                # A fault of one turn must not end delivery; the pause keeps it from eating the processor.
                _log.exception("delivery: a turn failed")
                self._complain(repr(error))
                threading.Event().wait(self._config.shortest_pause_s)
        self._farewell()

    def _turn(self, wait_s: float) -> None:
        self._take(wait_s)
        self._ledger.write_changes(self._window)
        self._ledger.settle(self._window)
        self._ledger.tend(self._window)
        self._mind_connection()
        if self._sends:
            self._window.fill(self._connection.publish)
        self._report()

    def _take(self, wait_s: float) -> None:
        with suppress(queue.Empty):
            self._todo.append(self._inbox.get(timeout=max(wait_s, 1e-3)))
            while len(self._todo) < _WORKS_A_TURN:
                self._todo.append(self._inbox.get_nowait())
        while self._todo:
            self._todo.popleft()()

    def _wait_s(self) -> float:
        held = self._window.due_in_s() if self._sends else None
        waits = self._link.due_in_s(), held, self._patience_s(), _TURN_S
        return min(wait for wait in waits if wait is not None)

    @property
    def _sends(self) -> bool:
        return self._link.connection is not None and self._link.connection.open and self._window.size > 0

    @property
    def _connection(self) -> Connection:
        assert self._link.connection is not None  # noqa: S101  asked only while `_sends`
        return self._link.connection

    def _complain(self, error: str) -> None:
        self._last_error = error

    def _report(self) -> None:
        connection = self._link.connection if self._sends else None
        self.status = replace(
            self._ledger.report(self.status),
            connected=connection is not None,
            url=str(connection.broker) if connection else None,
            protocol=connection.protocol if connection else None,
            rejects_visible=connection is None or connection.protocol == "5",
            refused=self._window.refused,
            held=self._window.held(),
            last_error=self._window.last_refusal or self._last_error,
            turns=self.status.turns + 1,
        )

    # The connection

    def _receive(self, connection: Connection, signal: Signal) -> None:
        # Called in the connection's own thread.
        self._inbox.put(partial(self._on_signal, connection, signal))

    def _on_signal(self, connection: Connection, signal: Signal) -> None:
        if connection is not self._link.connection:
            return
        match signal:
            case Acked():
                self._heard_at = self._monotonic()
                # Only a row proves the broker: one that crashes over and over takes what is owed, too.
                if self._window.acked(signal):
                    self._link.proven()
            case Opened():
                self._on_opened(connection, signal)
            case Closed():
                self._on_closed(connection, signal)
            case Arrived():
                with suppress(queue.Full):
                    self.messages.put_nowait(signal)
                if self.arrived is not None:
                    self.arrived()

    def _on_opened(self, connection: Connection, opened: Opened) -> None:
        _log.info("delivery: connected to %s, MQTT %s", connection.broker, connection.protocol)
        self._heard_at, self._last_error, self._cut = self._monotonic(), None, False
        self._ledger.tally.connects += 1
        self._link.opened()
        for topic in self._subscriptions:
            connection.subscribe(topic)
        self._window.open(opened, {self._availability: ONLINE} | self._ledger.owed())

    def _on_closed(self, connection: Connection, closed: Closed) -> None:
        error = f"{connection.broker}: {closed.reason}"
        if error != self._last_error:
            _log.warning("delivery: %s", error)
        self._last_error = error
        if blames_message(closed):
            self._window.lost(silent=self._cut)
        self._window.close()
        self._link.lost(closed)

    def _mind_connection(self) -> None:
        if self._link.connect_if_due() or (self._sends and not self._window.in_flight):
            self._heard_at = self._monotonic()
        patience_s = self._patience_s()
        if self._link.connection and patience_s is not None and patience_s <= 0:
            self._heard_at, self._cut = self._monotonic(), True
            self._link.connection.cut()

    def _patience_s(self) -> float | None:
        """Return how long the broker may still be silent; None while nothing is expected of it."""
        if self._link.connection is None or (self._sends and not self._window.in_flight):
            return None
        limit_s = self._config.ack_timeout_s if self._sends else self._config.answer_timeout_s
        return self._heard_at + limit_s - self._monotonic()

    def _subscribe(self, topic: str) -> None:
        self._subscriptions.append(topic)
        if self._sends:
            self._connection.subscribe(topic)

    # The end

    def _begin_to_stop(self, timeout_s: float) -> None:
        self._deadline = self._monotonic() + timeout_s

    def _finished(self) -> bool:
        if self._deadline is None:
            return False
        if self._monotonic() >= self._deadline:
            return True
        # What is on the disk can wait for the next start; what is only in memory cannot.
        return self._window.idle if self._sends else self._ledger.journal.degraded is None

    def _farewell(self) -> None:
        if self._sends and self._window.free:
            self._window.owe({self._availability: OFFLINE})
            end = self._monotonic() + _FAREWELL_S
            while self._sends and not self._window.idle and self._monotonic() < end:
                self._turn(0.05)
        if self._link.connection:
            self._link.connection.close(_FAREWELL_S)
        self._ledger.journal.close()
        self._questions.end()
