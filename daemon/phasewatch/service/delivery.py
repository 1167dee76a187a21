"""Delivery: the one thread that waits for the disk, and feeds every sink from the journal.

An event goes from `commit` to the inbox of the thread, there into the journal in one transaction (`Journal.commit`),
and from its outbox to each sink (`Sink.send`). When a sink says that its receiver has it (`Sink.settled`), the row is
deleted (`Journal.delivered`). A sink with a fault is left alone for a moment; the others go on.
"""

import logging
import queue
import random
import threading
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from phasewatch.adapters.http.webhook import WebhookSink
from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.memory_fallback import FallbackJournal
from phasewatch.adapters.journal.sqlite import JournalTakenError
from phasewatch.adapters.journal.types import (
    LATENCY_BOUNDS_S,
    DeliveryConfig,
    DeliveryStatus,
    Latency,
    Restored,
    Sent,
    SinkStatus,
)
from phasewatch.adapters.mqtt.sink import MqttSink
from phasewatch.alerts.event import Event
from phasewatch.alerts.evidence import Evidence
from phasewatch.service.sinks import Sink

T = TypeVar("T")

_TURN_S: Final = 5.0
"""A turn of the thread lasts at most this long when there is nothing to do."""
_FAREWELL_S: Final = 1.0
_WORKS_A_TURN: Final = 1000

_log = logging.getLogger(__name__)


class Counters:
    """Counts of one run that only grow: rows delivered by sink, and the latency of those of MQTT."""

    def __init__(self) -> None:
        self.delivered = Counter[str]()
        self._buckets = [0] * len(LATENCY_BOUNDS_S)
        self._sum_s = 0.0

    def accepted(self, sink: str, rows: Sequence[Sent], running_s: float) -> None:
        """Count rows that a receiver accepted; `running_s`: running time of the journal, as in `committed_s`."""
        self.delivered[sink] += len(rows)
        if sink == MqttSink.name:
            for row in rows:
                latency_s = running_s - row.committed_s
                self._sum_s += latency_s
                self._buckets[bisect_left(LATENCY_BOUNDS_S, latency_s)] += 1

    def latency(self) -> Latency:
        """Return the histogram so far."""
        return Latency(tuple(self._buckets), round(self._sum_s, 6))


class Questions:
    """What other threads ask the journal, until answered."""

    def __init__(self) -> None:
        self._lock, self._ended = threading.Lock(), False
        self._open: set[Future[Any]] = set()

    def add(self, future: Future[Any]) -> bool:
        """Take a question; return False when there are no more answers."""
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


class Delivery:
    """Takes events and records from any thread, journals them and feeds the sinks."""

    def __init__(
        self,
        config: DeliveryConfig,
        sinks: Sequence[Sink] = (),
        *,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`sinks`: outputs beside MQTT and the webhooks of the configuration."""
        self.status = DeliveryStatus()
        self.mqtt = MqttSink(config, monotonic, jitter)
        webhooks = [WebhookSink(webhook, monotonic, jitter) for webhook in config.webhooks]
        self._sinks: tuple[Sink, ...] = (self.mqtt, *webhooks, *sinks)
        self._config, self._monotonic = config, monotonic
        self._journal: FallbackJournal
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._todo: deque[Callable[[], None]] = deque()
        self._events: list[Event] = []
        self._counters, self._questions = Counters(), Questions()
        self._paused: dict[str, float] = {}
        """Sinks with a fault of their own -> when they are served again, by the monotonic clock."""
        self._trouble: tuple[int, str] | None = None
        """What failed here, and how often MQTT had connected before."""
        self._deadline_s: float | None = None
        self._restored: queue.SimpleQueue[Restored | JournalTakenError] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    # From any thread

    def start(self) -> Restored:
        """Open the journal and start the sinks; return what the journal remembers.

        Raises: JournalTakenError when another process has it.
        """
        self._thread.start()
        restored = self._restored.get()
        if isinstance(restored, JournalTakenError):
            raise restored
        return restored

    def commit(self, events: Sequence[Event]) -> None:
        """Journal events in one transaction, then deliver them and the states that follow."""
        self._inbox.put(partial(self._events.extend, tuple(events)))

    def remember(self, records: Mapping[str, str]) -> None:
        """Journal records of alerts without an event, such as a running timer."""
        self._inbox.put(partial(self._write, Journal.remember, dict(records)))

    def forget(self, keys: Sequence[str]) -> None:
        """Remove alerts that are no longer configured, here and at the broker."""
        self._inbox.put(partial(self._forget, tuple(keys)))

    def keep_evidence(self, found: Sequence[Evidence]) -> None:
        """Journal the evidence of alerts."""
        if found:
            self._inbox.put(partial(self._write, Journal.keep_evidence, tuple(found)))

    def ask(self, work: Callable[[Journal], T]) -> Future[T]:
        """Read the journal in the thread that owns it: keep it short, nothing is delivered meanwhile.

        The future is cancelled when delivery ends before.
        """
        future: Future[T] = Future()
        if self._questions.add(future):
            future.add_done_callback(self._questions.remove)
            self._inbox.put(partial(self._answer, work, future))
        else:
            future.cancel()
        return future

    def stop(self, timeout_s: float) -> bool:
        """Deliver what can be delivered in time and close every sink; return whether the thread has ended."""
        self._inbox.put(partial(self._begin_to_stop, timeout_s))
        self._thread.join(timeout_s + 2 * _FAREWELL_S + 2)
        return not self._thread.is_alive()

    # The thread

    def _run(self) -> None:
        try:
            self._journal = self._opened_journal()
        except JournalTakenError as error:
            self._restored.put(error)
            return
        for sink in self._sinks:
            sink.start(self._journal, self._inbox.put)
        self._restored.put(self._remembered())
        while not self._finished():
            try:
                self._turn(self._wait_s())
            except Exception as error:
                # A fault of one turn must not end delivery; the pause keeps it from using the whole processor.
                _log.exception("delivery: a turn failed")
                self._complain(repr(error))
                threading.Event().wait(self._config.shortest_pause_s)
        self._farewell()

    def _opened_journal(self) -> FallbackJournal:
        config, intake = self._config, {sink.name: sink.min_severity for sink in self._sinks}
        return FallbackJournal(config.directory, config.site, config.bounds, monotonic=self._monotonic, sinks=intake)

    def _remembered(self) -> Restored:
        journal = self._journal.current
        announced = frozenset(topic for topic, wanted in journal.topics.items() if wanted)
        fresh = journal.seq == 0 and not journal.alerts and self._journal.degraded is None
        return Restored(journal.uuid, journal.records(), fresh, announced)

    def _turn(self, wait_s: float) -> None:
        self._take(wait_s)
        self._write_events()
        for sink in self._sinks:
            self._serve(sink, self._settle)
        self._tend()
        for sink in self._sinks:
            self._serve(sink, _send)
        self._report()

    def _take(self, wait_s: float) -> None:
        with suppress(queue.Empty):
            self._todo.append(self._inbox.get(timeout=max(wait_s, 1e-3)))
            while len(self._todo) < _WORKS_A_TURN:
                self._todo.append(self._inbox.get_nowait())
        while self._todo:
            self._todo.popleft()()

    def _wait_s(self) -> float:
        now_s = self._monotonic()
        dues = [self._paused[s.name] - now_s if s.name in self._paused else s.due_in_s for s in self._sinks]
        return min([_TURN_S, *(due_s for due_s in dues if due_s is not None)])

    # The journal

    def _write_events(self) -> None:
        """Write the events that were taken in, all in one transaction."""
        try:
            self._commit(self._events)
        except Exception:
            # One event that cannot be written must not keep the others from it.
            for event in self._events:
                self._commit_alone(event)
        self._events.clear()

    def _commit(self, events: Sequence[Event]) -> None:
        self.mqtt.supersede(self._journal.on(Journal.commit, events))

    def _commit_alone(self, event: Event) -> None:
        try:
            self._commit([event])
        except Exception as error:
            _log.exception("journal: an event of %s cannot be written", event.key)
            self._complain(f"an event of {event.key} is lost: {error!r}")

    def _write(self, work: Callable[[Journal, T], None], value: T) -> None:
        """Write something else, behind the events that came before it."""
        self._write_events()
        self._journal.on(work, value)

    def _forget(self, keys: Sequence[str]) -> None:
        self._write_events()
        self.mqtt.supersede(self._journal.on(Journal.forget, keys))

    def _answer(self, work: Callable[[Journal], T], future: Future[T]) -> None:
        """Answer a question, behind the events that came before it."""
        if not future.set_running_or_notify_cancel():
            return
        self._write_events()
        try:
            future.set_result(self._journal.on(work))
        except Exception as error:
            future.set_exception(error)

    def _tend(self) -> None:
        """Drop what waited too long, and return to a disk that is back."""
        self._journal.on(Journal.tend)
        if self._journal.return_if_due():
            for sink in self._sinks:
                sink.renumbered()

    # The sinks

    def _serve(self, sink: Sink, work: Callable[[Sink], None]) -> None:
        """Do a part of a turn for one sink; a fault of its own gives it a pause."""
        if self._paused.get(sink.name, 0.0) > self._monotonic():
            return
        self._paused.pop(sink.name, None)
        try:
            work(sink)
        except Exception as error:
            _log.exception("delivery: %s failed", sink.name)
            self._complain(f"{sink.name}: {error!r}")
            self._paused[sink.name] = self._monotonic() + self._config.shortest_pause_s

    def _settle(self, sink: Sink) -> None:
        """Write down what has become of the rows of a sink."""
        settled = sink.settled()
        numbers = [sent.number for sent in settled.accepted if sent.number is not None]
        self._journal.on(Journal.delivered, numbers)
        self._counters.accepted(sink.name, settled.accepted, self._journal.current.outbox.running_s)
        for number, reason in settled.poison:
            _log.error("delivery: a message can never be delivered: %s", reason)
            self._journal.on(Journal.dead_letter, number, reason)

    # The status

    def _complain(self, error: str) -> None:
        self._trouble = (self.mqtt.connects, error)

    def _report(self) -> None:
        journal, outbox = self._journal, self._journal.current.outbox
        status, trouble = self.status, self._trouble
        if outbox.drops.total() != status.dropped:
            status = replace(status, dropped=outbox.drops.total(), dropped_by=outbox.dropped_by())
        own = trouble[1] if trouble and trouble[0] == self.mqtt.connects else None
        self.status = replace(
            self.mqtt.describe(status),
            outbox_depth=outbox.depth,
            stranded=journal.stranded,
            dead_letters=outbox.dead_letters,
            delivered=self._counters.delivered[self.mqtt.name],
            latency=self._counters.latency(),
            last_error=self.mqtt.last_error or own,
            degraded=journal.degraded,
            set_aside=journal.set_aside,
            turns=status.turns + 1,
            sinks=tuple(self._of_sink(sink) for sink in self._sinks),
        )

    def _of_sink(self, sink: Sink) -> SinkStatus:
        outbox = self._journal.current.outbox
        return replace(
            sink.report(),
            outbox_depth=outbox.depths[sink.name],
            delivered=self._counters.delivered[sink.name],
            dropped=outbox.dropped(sink.name),
        )

    # The end

    def _begin_to_stop(self, timeout_s: float) -> None:
        self._deadline_s = self._monotonic() + timeout_s

    def _finished(self) -> bool:
        if self._deadline_s is None:
            return False
        if self._monotonic() >= self._deadline_s:
            return True
        # What is on the disk can wait for the next start; what is only in memory cannot.
        on_disk = self._journal.degraded is None
        return all(sink.idle if sink.open else on_disk for sink in self._sinks)

    def _farewell(self) -> None:
        for sink in self._sinks:
            sink.leave()
        end_s = self._monotonic() + _FAREWELL_S
        with suppress(Exception):
            while self._monotonic() < end_s and any(sink.open and not sink.idle for sink in self._sinks):
                self._turn(0.05)
        for sink in self._sinks:
            sink.close(_FAREWELL_S)
        self._journal.close()
        self._questions.end()


def _send(sink: Sink) -> None:
    sink.send()
