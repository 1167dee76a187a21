"""Delivery: the one thread that waits for brokers and disks, so that nobody else has to.

A session at the broker ends with its connection. So a command that was sent while the daemon was away is lost, and that
is meant: an acknowledgement of yesterday must not quiet an alert of today. Whoever commands waits for the reply.

Live retained topics: the newest payload of each, and which of them a broker has to lose.

What delivery counts in one run, for the metrics.

The ledger: the journal's side of delivery, in the thread that owns both.
"""

import logging
import queue
import random
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.memory_fallback import FallbackJournal
from phasewatch.adapters.journal.outbox import Outbox
from phasewatch.adapters.journal.sqlite import JournalTakenError
from phasewatch.adapters.journal.types import (
    LATENCY_BOUNDS_S,
    DeliveryConfig,
    DeliveryStatus,
    Latency,
    Message,
    Restored,
    Row,
)
from phasewatch.adapters.mqtt.client import (
    OFFLINE,
    ONLINE,
    Acked,
    Arrived,
    Closed,
    Connection,
    Opened,
    Signal,
    base_topic,
)
from phasewatch.adapters.mqtt.failover import BrokerSelector
from phasewatch.adapters.mqtt.in_flight import InFlight
from phasewatch.adapters.mqtt.quarantine import blames_message
from phasewatch.alerts.event import Event
from phasewatch.alerts.evidence import Evidence


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


class DeliveryCounters:
    """Counts that only grow."""

    def __init__(self) -> None:
        self.connects = 0
        self.delivered = 0
        self._buckets = [0] * len(LATENCY_BOUNDS_S)
        self._sum_s = 0.0

    def acknowledged(self, latencies_s: Iterable[float]) -> None:
        """Count rows that a broker acknowledged, each by its time since the commit."""
        for latency_s in latencies_s:
            self.delivered += 1
            self._sum_s += latency_s
            self._buckets[bisect_left(LATENCY_BOUNDS_S, latency_s)] += 1

    def latency(self) -> Latency:
        """Return the histogram so far."""
        return Latency(tuple(self._buckets), round(self._sum_s, 6))


T = TypeVar("T")

_log = logging.getLogger(__name__)


class Questions:
    """Whoever asks the journal from another thread, until answered."""

    def __init__(self) -> None:
        self._lock, self._ended = threading.Lock(), False
        self._open: set[Future[Any]] = set()

    def add(self, future: Future[Any]) -> bool:
        """Take a question; return False when nobody will answer any more."""
        with self._lock:
            if not self._ended:
                self._open.add(future)
            return not self._ended

    def remove(self, future: Future[Any]) -> None:
        with self._lock:
            self._open.discard(future)

    def end(self) -> None:
        """Cancel what is left."""
        with self._lock:
            self._ended, left = True, list(self._open)
        for future in left:
            future.cancel()


class Ledger:
    """What is written and read; tells the window what has changed."""

    def __init__(
        self,
        config: DeliveryConfig,
        monotonic: Callable[[], float],
        live: LiveTopics,
        complain: Callable[[str], None],
    ) -> None:
        self.journal = FallbackJournal(config.directory, config.site, config.bounds, monotonic=monotonic)
        self.live, self.tally, self._complain = live, DeliveryCounters(), complain
        self._changes: list[Event] = []

    def restore(self) -> Restored:
        """Return what the journal knew at the start."""
        return self.journal.on(self._restored)

    def outbox(self) -> Outbox:
        return self.journal.on(lambda journal: journal.outbox)

    def pending(self, limit: int, after: int) -> list[Row]:
        return self.journal.on(lambda journal: journal.pending(limit, after))

    def owed(self) -> dict[str, bytes]:
        """Return the whole retained set: alert states, their list, and the live topics."""
        states: list[Message] = self.journal.on(lambda journal: journal.retained())
        return {message.topic: message.payload for message in states} | self.live.all()

    def add_changes(self, changes: Sequence[Event]) -> None:
        """Take changes that the next `write_changes` writes together."""
        self._changes.extend(changes)

    def write_changes(self, window: InFlight) -> None:
        try:
            self._commit(self._changes, window)
        except Exception:
            # One change that cannot be written must not keep the others from it.
            for change in self._changes:
                self._commit_alone(change, window)
        self._changes.clear()

    def remember(self, records: Mapping[str, str], window: InFlight) -> None:
        self.write_changes(window)
        self.journal.on(lambda journal: journal.remember(records))

    def forget(self, keys: Sequence[str], window: InFlight) -> None:
        self.write_changes(window)
        window.overtaken(self.journal.on(lambda journal: journal.forget(keys)))

    def report(self, status: DeliveryStatus) -> DeliveryStatus:
        """Return a status with what journal and counts say now."""
        outbox, journal, tally = self.outbox(), self.journal, self.tally
        if outbox.drops.total() != status.dropped:
            status = replace(status, dropped=outbox.drops.total(), dropped_by=outbox.dropped_by())
        return replace(
            status,
            outbox_depth=outbox.depth,
            stranded=journal.stranded,
            dead_letters=outbox.dead_letters,
            delivered=tally.delivered,
            latency=tally.latency(),
            connects=tally.connects,
            degraded=journal.degraded,
            set_aside=journal.set_aside,
        )

    def keep_evidence(self, found: Sequence[Evidence]) -> None:
        self.journal.on(lambda journal: journal.keep_evidence(found))

    def answer(self, work: Callable[[Journal], T], future: Future[T], window: InFlight) -> None:
        """Do a question's work behind the changes that came before it."""
        if not future.set_running_or_notify_cancel():
            return
        self.write_changes(window)
        try:
            future.set_result(self.journal.on(work))
        except Exception as error:
            future.set_exception(error)

    def take_fresh(self, window: InFlight) -> None:
        """Take the live topics that are new, and owe them to the broker."""
        fresh = self.live.take()
        # Journaled first: what a broker may hold must be known to whoever has to remove it.
        try:
            self._announce(fresh)
        except ValueError:  # a topic that is no text must not keep the others from it
            for topic, payload in fresh.items():
                with suppress(ValueError):
                    self._announce({topic: payload})
        window.owe(fresh)

    def settle(self, window: InFlight) -> None:
        """Write down what has become of the messages that the window sent."""
        settled = window.settled()
        numbers = [sent.number for sent in settled.accepted if sent.number is not None]
        self.journal.on(lambda journal: journal.delivered(numbers))
        now_s = self.outbox().running_s
        self.tally.acknowledged(now_s - sent.committed_s for sent in settled.accepted)
        gone = self.live.emptied(settled.emptied)
        self.journal.on(lambda journal: journal.emptied(gone))
        for number, reason in settled.poison:
            self._bury(number, reason)

    def tend(self, window: InFlight) -> None:
        """Drop what waited too long, and return to a disk that is back."""
        self.journal.on(lambda journal: journal.tend())
        if self.journal.return_if_due():
            self.live.restore(self.journal.on(lambda journal: journal.topics))
            window.renumbered()
            window.owe(self.owed())

    def _announce(self, topics: Mapping[str, bytes]) -> None:
        self.journal.on(lambda journal: journal.announce({topic: bool(payload) for topic, payload in topics.items()}))

    def _restored(self, journal: Journal) -> Restored:
        self.live.restore(journal.topics)
        announced = frozenset(topic for topic, wanted in journal.topics.items() if wanted)
        fresh = journal.seq == 0 and not journal.alerts and self.journal.degraded is None
        return Restored(journal.uuid, journal.records(), fresh, announced)

    def _commit(self, changes: Sequence[Event], window: InFlight) -> None:
        window.overtaken(self.journal.on(lambda journal: journal.commit(changes)))

    def _commit_alone(self, change: Event, window: InFlight) -> None:
        try:
            self._commit([change], window)
        except Exception as error:
            _log.exception("journal: a change of %s cannot be written", change.key)
            self._complain(f"a change of {change.key} is lost: {error!r}")

    def _bury(self, number: int, reason: str) -> None:
        _log.error("delivery: a message can never be delivered: %s", reason)
        self.journal.on(lambda journal: journal.dead_letter(number, reason))


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
        self._link = BrokerSelector(config, self._receive, monotonic, jitter)
        self._window = InFlight(
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

    def commit(self, changes: Sequence[Event]) -> None:
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
            self._ledger = Ledger(self._config, self._monotonic, self._live, self._complain)
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
