"""Journal that falls back to memory when the disk fails, and returns to the disk.

- Memory inherits the alerts, the announced topics and the waiting rows, most severe first and the same room for each
  sink. What cannot be read or held is stranded: it stays on the disk.
- A journal in memory counts under a uuid of its own. The file may come back with more in it than was known (a
  transaction that reported a failure and is there all the same), so its next `seq` could already be taken.
- Back on the disk, the file counts under the uuid with which this run began, which is in the `alert_id` of its active
  alerts, behind the last `seq` ever given or found under it. Every other series is over, and the `ended` of the list of
  alerts names its last `seq`. So no id is used twice, and the list says how far each series must reach.
- A row of the file that memory had inherited is deleted if it was delivered or dropped there. Rows that were stranded
  stay where they were, in front. What memory wrote follows, in its order, with new numbers: what is in flight is sent
  again, and its id shows the duplicate.
- The alerts of the running daemon win. An alert that is active in the file and unknown to the daemon is removed.
- What memory had not delivered when the process ended is lost; the file then goes on as if memory had never been.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from phasewatch.adapters.backoff import Backoff
from phasewatch.adapters.journal.journal import Journal, StoreOpener
from phasewatch.adapters.journal.sqlite import JournalError, JournalTakenError, Store
from phasewatch.adapters.journal.types import ONLY_MQTT, Alert, Bounds, Intake

MEMORY_BYTES: Final = 32 * 1024 * 1024
"""Bound of a journal in memory; the file may be greater than the machine's memory."""
_ROOM: Final = 0.5
"""Share of it that inherited rows may take, the same part of it for each sink."""
_ROW_BYTES: Final = 300
"""What a row takes beside its payload, with its indexes."""
_ENDED_KEPT: Final = 8
_STEP: Final = 40
"""Each heir numbers its rows from the next power of so many bits: an acknowledgement of the rows of the broken
journal may still be on the way, and must not meet a row of the heir."""


class Memory:
    """A journal in memory, and what it inherited."""

    def __init__(self, journal: Journal, begun: str) -> None:
        self.journal = journal
        self.begun = begun
        """Uuid under which this run began."""
        self.inherited: frozenset[int] = frozenset()
        """Numbers of the rows that came from the disk."""
        self.stranded = Counter[str]()
        """Rows that the disk still holds and memory could not take, by sink."""
        self.disk: str | None = None
        """Uuid of the journal on the disk that failed; None if none was opened in this run."""
        self.generation = 0


def in_memory(site: str, bounds: Bounds, monotonic: Callable[[], float], sinks: Intake) -> Memory:
    """Return a journal in memory that begins with nothing."""
    small = replace(bounds, max_bytes=min(bounds.max_bytes, MEMORY_BYTES))
    journal = Journal.in_memory(site, small, monotonic, sinks)
    return Memory(journal, journal.uuid)


def heir(broken: Journal, begun: str, bounds: Bounds, monotonic: Callable[[], float], of: Memory | None) -> Memory:
    """Return a journal in memory that goes on where a broken one ended; `of`: what is known of that, if in memory."""
    memory = in_memory(broken.site, bounds, monotonic, broken.sinks)
    memory.begun, memory.disk = begun, of.disk if of else broken.uuid
    memory.generation = (of.generation if of else 0) + 1
    rows = _affordable(broken, min(bounds.max_bytes, MEMORY_BYTES))
    stranded = broken.outbox.depths - Counter(row[-1] for row in rows)
    memory.inherited = of.inherited if of else frozenset(row[0] for row in rows)
    memory.stranded = of.stranded if of else stranded
    journal = memory.journal
    journal.ended = _newest({**broken.ended, broken.uuid: broken.seq})
    journal.write(_inherit, memory, broken, rows, stranded)
    journal.alerts, journal.topics = dict(broken.alerts), dict(broken.topics)
    return memory


def _affordable(broken: Journal, max_bytes: int) -> list[tuple[Any, ...]]:
    """Return the rows to inherit, in order: states, then the most severe and newest events, as far as they fit."""
    question = "SELECT number, kind, severity, length(payload) + length(topic), sink FROM outbox"
    sizes = sorted(broken.store.salvage(question), key=lambda row: (row[1] == "event", -row[2], -row[0]))
    room = dict.fromkeys(broken.sinks, _ROOM * max_bytes / len(broken.sinks))
    numbers = []
    for number, _, _, size, sink in sizes:
        room[sink] = room.get(sink, 0.0) - size - _ROW_BYTES
        if room[sink] >= 0:
            numbers.append(number)
    one = "SELECT * FROM outbox WHERE number = ?"
    return [row for number in sorted(numbers) for row in broken.store.salvage(one, number)]


def _inherit(memory: Memory, broken: Journal, rows: Sequence[tuple[Any, ...]], stranded: Mapping[str, int]) -> None:
    journal, outbox = memory.journal, memory.journal.outbox
    journal.put_alerts(broken.alerts)
    journal.put_topics(broken.topics)
    journal.put_numbering(journal.uuid, 0, journal.ended)
    outbox.run_on_from(broken.outbox.running_s)
    outbox.insert_rows(rows)
    journal.store.change("DELETE FROM sqlite_sequence WHERE name = 'outbox'")
    journal.store.change("INSERT INTO sqlite_sequence VALUES ('outbox', ?)", memory.generation << _STEP)
    outbox.add_drops(broken.outbox.drops)
    outbox.count_buried(broken.outbox.dead_letters)
    if stranded and memory.generation > 1:
        # They were in memory only.
        outbox.add_drops({(sink, "disk", "unknown"): count for sink, count in stranded.items()})
    if stranded:
        for alert in broken.alerts.values():
            if alert.payload is not None:
                outbox.insert_state(alert.topic, alert.payload, "")


def bring_home(home: Journal, memory: Memory) -> None:
    """Write what a journal in memory holds to the journal of the disk, in one transaction.

    Raises: JournalError when nothing was written.
    """
    uuid, seq, ended = _numbering(home, memory)
    known = memory.journal.alerts
    strays = {key: alert for key, alert in home.alerts.items() if alert.active and key not in known}
    alerts = {key: alert for key, alert in home.alerts.items() if key not in strays} | known
    topics = home.topics | memory.journal.topics
    same = memory.disk in (None, home.uuid)
    before = home.uuid, home.seq, home.ended
    home.uuid, home.seq, home.ended = uuid, seq, ended
    try:
        home.write(_bring, home, memory, strays, alerts, same=same)
    except BaseException:
        home.uuid, home.seq, home.ended = before
        raise
    home.alerts, home.topics = alerts, topics


def _numbering(home: Journal, memory: Memory) -> tuple[str, int, dict[str, int]]:
    last = {**home.ended, home.uuid: home.seq}
    for uuid, seq in {**memory.journal.ended, memory.journal.uuid: memory.journal.seq}.items():
        last[uuid] = max(seq, last.pop(uuid, 0))
    seq = last.pop(memory.begun, 0)
    return memory.begun, seq, _newest(last)


def _newest(ended: Mapping[str, int]) -> dict[str, int]:
    """Return the journals that ended last; one that gave no `seq` needs no proof."""
    return dict([(uuid, seq) for uuid, seq in ended.items() if seq][-_ENDED_KEPT:])


def _bring(
    home: Journal, memory: Memory, strays: Mapping[str, Alert], alerts: Mapping[str, Alert], *, same: bool
) -> None:
    """Merge the journal in memory into the file; `same`: it is the file that failed, and not another in its place."""
    source = memory.journal
    _settle_events(home, memory, memory.inherited if same else frozenset())
    _settle_states(home, source, strays)
    for event in source.store.read("SELECT payload FROM event ORDER BY number"):
        home.archive.insert_event(event[0])
    for table in ("dead_letter", "evidence"):
        _copy(home, source, table)
    home.store.change_many("DELETE FROM alert WHERE key = ?", [(key,) for key in strays])
    home.put_alerts(source.alerts)
    home.put_topics(source.topics)
    home.put_numbering(home.uuid, home.seq, home.ended)
    home.outbox.insert_state(home.list_topic, home.listing(alerts, home.seq), "")
    _settle_counts(home, memory, {} if same else memory.stranded)
    home.outbox.keep_time()
    home.outbox.keep_to_rows(home.sinks)


def _settle_events(home: Journal, memory: Memory, inherited: frozenset[int]) -> None:
    """Remove the file's copies of what memory has delivered or dropped, and append the events that are new."""
    rows = memory.journal.store.read("SELECT * FROM outbox WHERE kind = 'event' ORDER BY number")
    there = {number for (number,) in home.store.read("SELECT number FROM outbox")} & inherited
    home.outbox.delete(sorted(there - {row[0] for row in rows}))
    later_s = home.outbox.running_s - memory.journal.outbox.running_s
    for number, _, topic, payload, _, severity, at, ran_s, sink in rows:
        if number not in there:
            home.outbox.insert_aged(sink, topic, payload, severity, at, ran_s + later_s)


def _settle_states(home: Journal, source: Journal, strays: Mapping[str, Alert]) -> None:
    """Let the states wait that wait in memory, and no others; a topic that must be emptied is emptied."""
    waiting = home.store.read("SELECT topic FROM outbox WHERE kind = 'state' AND length(payload) > 0")
    known = [alert.topic for alert in source.alerts.values()]
    for topic in (*known, *(topic for (topic,) in waiting)):
        home.outbox.delete_state(topic)
    rows = source.store.read("SELECT topic, payload, created FROM outbox WHERE kind = 'state' ORDER BY number")
    for topic, payload, at in rows:
        home.outbox.insert_state(topic, payload, at)
    for alert in strays.values():
        home.outbox.insert_state(alert.topic, b"", "")


def _settle_counts(home: Journal, memory: Memory, lost: Mapping[str, int]) -> None:
    """Take over the counts of memory, which went on from those of the file if memory had ever seen it."""
    drops, buried = memory.journal.outbox.drops.copy(), memory.journal.outbox.dead_letters
    if memory.disk is not None:
        drops.subtract(home.outbox.drops)
        buried -= home.outbox.dead_letters
    drops.update({(sink, "disk", "unknown"): count for sink, count in lost.items()})
    home.outbox.add_drops({key: count for key, count in drops.items() if count > 0})
    home.outbox.count_buried(max(0, buried))


def _copy(home: Journal, source: Journal, table: str) -> None:
    rows = source.store.read(f"SELECT * FROM {table}")  # noqa: S608  one of two names
    if rows:
        home.store.change_many(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)  # noqa: S608


T = TypeVar("T")
P = ParamSpec("P")

SHORTEST_AWAY_S: Final = 60.0
LONGEST_AWAY_S: Final = 600.0
"""Between two tries to return to the disk."""

_log = logging.getLogger(__name__)


class FallbackJournal:
    """A journal and what to do when it breaks; only the thread that made it may use it."""

    def __init__(
        self,
        directory: Path,
        site: str,
        bounds: Bounds,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        open_store: StoreOpener = Store.open,
        sinks: Intake = ONLY_MQTT,
    ) -> None:
        self._open = partial(
            Journal.open, directory, site, bounds, monotonic=monotonic, open_store=open_store, sinks=sinks
        )
        self._bounds, self._monotonic = bounds, monotonic
        self._backoff = Backoff(SHORTEST_AWAY_S, LONGEST_AWAY_S, lambda: 0.5)
        self._due_s = 0.0
        self._memory: Memory | None = None
        self.degraded: str | None = None
        """Why the journal is only in memory; None while it is on the disk."""
        self.set_aside: str | None = None
        """Where a damaged journal was kept when a new one was begun."""
        try:
            self._journal = self._open()
        except JournalTakenError:
            raise
        except Exception as error:
            self._memory = in_memory(site, bounds, monotonic, sinks)
            self._journal = self._memory.journal
            self._degrade(error)
        self._begun = self._journal.uuid
        self._note_set_aside()

    def on(self, work: Callable[Concatenate[Journal, P], T], *values: P.args, **more: P.kwargs) -> T:
        """Do `work`, as `on(Journal.commit, events)`; when it fails, again on a journal in memory that inherits all."""
        try:
            return work(self._journal, *values, **more)
        except JournalError as error:
            self._degrade(error)
        broken = self._journal
        self._memory = heir(broken, self._begun, self._bounds, self._monotonic, self._memory)
        self._journal = self._memory.journal
        broken.close()
        return work(self._journal, *values, **more)

    def return_if_due(self) -> bool:
        """Try to return to the disk when its time has come; return whether the rows have other numbers now."""
        if self._memory is None or self._monotonic() < self._due_s:
            return False
        try:
            home = self._open()
        except Exception as error:
            self._stay(error)
            return False
        return self._settle_in(home, self._memory)

    @property
    def stranded(self) -> int:
        """Rows that the failed disk still holds and memory could not take."""
        return self._memory.stranded.total() if self._memory else 0

    @property
    def current(self) -> Journal:
        """The journal of now, for what it knows without reading."""
        return self._journal

    def close(self) -> None:
        """Close the journal; one in memory is given a last chance to reach the disk."""
        self._due_s = 0.0
        self.return_if_due()
        self._journal.close()

    def _settle_in(self, home: Journal, memory: Memory) -> bool:
        try:
            bring_home(home, memory)
        except Exception as error:
            home.close()
            self._stay(error)
            return False
        memory.journal.close()
        self._journal, self._memory, self.degraded = home, None, None
        self._backoff.reset()
        self._note_set_aside()
        _log.warning("journal: on the disk again, with everything that was kept in memory")
        return True

    def _note_set_aside(self) -> None:
        kept = self._journal.set_aside
        if kept:
            self.set_aside = str(kept)
            _log.error("journal: damaged, and kept as %s; what it knew of alerts is lost, a new one begins", kept)

    def _degrade(self, error: Exception) -> None:
        self._stay(error)
        _log.error("journal: %s; alerts are kept in memory until the disk is back", error)

    def _stay(self, error: Exception) -> None:
        self.degraded = str(error)
        self._due_s = self._monotonic() + self._backoff.next_s()
