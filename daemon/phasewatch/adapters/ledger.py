"""The ledger: the journal's side of delivery, in the thread that owns both."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.memory_fallback import FallbackJournal
from phasewatch.adapters.journal.outbox import Outbox
from phasewatch.adapters.journal.types import Change, DeliveryConfig, DeliveryStatus, Message, Restored, Row
from phasewatch.adapters.live_topics import LiveTopics
from phasewatch.adapters.tally import Tally
from phasewatch.adapters.window import Window
from phasewatch.alerts.evidence import Evidence

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
        list_topic: str,
        monotonic: Callable[[], float],
        live: LiveTopics,
        complain: Callable[[str], None],
    ) -> None:
        self.journal = FallbackJournal(config.directory, config.site, list_topic, config.bounds, monotonic=monotonic)
        self.live, self.tally, self._complain = live, Tally(), complain
        self._changes: list[Change] = []

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

    def add_changes(self, changes: Sequence[Change]) -> None:
        """Take changes that the next `write_changes` writes together."""
        self._changes.extend(changes)

    def write_changes(self, window: Window) -> None:
        try:
            self._commit(self._changes, window)
        except Exception:
            # One change that cannot be written must not keep the others from it.
            for change in self._changes:
                self._commit_alone(change, window)
        self._changes.clear()

    def remember(self, records: Mapping[str, str], window: Window) -> None:
        self.write_changes(window)
        self.journal.on(lambda journal: journal.remember(records))

    def forget(self, keys: Sequence[str], window: Window) -> None:
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

    def answer(self, work: Callable[[Journal], T], future: Future[T], window: Window) -> None:
        """Do a question's work behind the changes that came before it."""
        if not future.set_running_or_notify_cancel():
            return
        self.write_changes(window)
        try:
            future.set_result(self.journal.on(work))
        except Exception as error:
            future.set_exception(error)

    def take_fresh(self, window: Window) -> None:
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

    def settle(self, window: Window) -> None:
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

    def tend(self, window: Window) -> None:
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

    def _commit(self, changes: Sequence[Change], window: Window) -> None:
        window.overtaken(self.journal.on(lambda journal: journal.commit(changes)))

    def _commit_alone(self, change: Change, window: Window) -> None:
        try:
            self._commit([change], window)
        except Exception as error:
            _log.exception("journal: a change of %s cannot be written", change.key)
            self._complain(f"a change of {change.key} is lost: {error!r}")

    def _bury(self, number: int, reason: str) -> None:
        _log.error("delivery: a message can never be delivered: %s", reason)
        self.journal.on(lambda journal: journal.dead_letter(number, reason))
