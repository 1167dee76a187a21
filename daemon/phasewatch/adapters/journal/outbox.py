"""The outbox: rows that wait, each for one sink, and an account of those that could not wait any longer.

A sink has rows of its own, so that none waits for another. Bounds of rows and age hold for each.

Age is running time: the seconds that a daemon ran on this journal, summed over its runs. It needs no wall clock, which
could jump, and what waited while the machine was off did not grow older. A crash may lose up to an hour of it:
rows are dropped later then, never earlier.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from phasewatch.adapters.journal.sqlite import Store
from phasewatch.adapters.journal.sqlite import number as sound_number
from phasewatch.adapters.journal.types import MQTT, Bounds, Row
from phasewatch.electrical.severity import RANK, SEVERITIES

AGE_SHARES: Final = (0.25, 0.5, 1.0, 1.0)
"""Share of `max_age_s` that an event may wait, by the rank of its severity."""

_DEAD_LETTERS_KEPT: Final = 1000
_INSERT: Final = (
    "INSERT INTO outbox(kind, topic, payload, retain, severity, created, ran_s, sink) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_DELETE_ROW: Final = "DELETE FROM outbox WHERE number = ? RETURNING sink"
_DELETE_STATE: Final = "DELETE FROM outbox WHERE kind = 'state' AND topic = ? RETURNING sink"
_DELETE_SINK: Final = "DELETE FROM outbox WHERE sink = ? RETURNING sink"
_DROP_LEAST: Final = (
    "DELETE FROM outbox WHERE number IN"
    " (SELECT number FROM outbox WHERE kind = 'event' AND sink = ? ORDER BY severity, ran_s, number LIMIT ?)"
    " RETURNING sink, severity"
)
_DROP_OLD: Final = "DELETE FROM outbox WHERE kind = 'event' AND severity = ? AND ran_s < ? RETURNING sink, severity"
_ADD_DROPPED: Final = (
    "INSERT INTO dropped VALUES (?, ?, ?, ?)"
    " ON CONFLICT(sink, reason, severity) DO UPDATE SET count = count + excluded.count"
)
_TRIM_DEAD_LETTERS: Final = (
    "DELETE FROM dead_letter WHERE number NOT IN (SELECT number FROM dead_letter ORDER BY number DESC LIMIT ?)"
)

Drops = Mapping[tuple[str, str, str], int]
"""Events given up, by sink, reason and severity."""


class Outbox:
    """The waiting rows of one journal; every change is made inside one of its transactions."""

    def __init__(self, store: Store, bounds: Bounds, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store, self._bounds, self._monotonic = store, bounds, monotonic
        meta = dict(store.read("SELECT key, value FROM meta WHERE key IN ('ran_s', 'dead_letters')"))
        self.depths = Counter[str](dict(store.read("SELECT sink, count(*) FROM outbox GROUP BY sink")))
        self.dead_letters = int(sound_number(meta.get("dead_letters"), 0))
        self.drops = Counter[tuple[str, str, str]]()
        for sink, reason, severity, count in store.read("SELECT sink, reason, severity, count FROM dropped"):
            self.drops[sink, reason, severity] = count
        self._began_s: float = monotonic() - sound_number(meta.get("ran_s"), 0.0)
        self._more, self._buried = Counter[str](), 0
        self._dropped = Counter[tuple[str, str, str]]()

    @property
    def depth(self) -> int:
        """Rows that wait, for all sinks."""
        return self.depths.total()

    @property
    def running_s(self) -> float:
        """Running time of the journal."""
        return self._monotonic() - self._began_s

    def run_on_from(self, ran_s: float) -> None:
        """Let the running time go on from another journal's."""
        self._began_s = self._monotonic() - ran_s

    def dropped_by(self) -> dict[str, dict[str, int]]:
        """Return what was given up by reason, then severity."""
        found: dict[str, dict[str, int]] = {}
        for (_, reason, severity), count in self.drops.items():
            of_reason = found.setdefault(reason, {})
            of_reason[severity] = of_reason.get(severity, 0) + count
        return found

    def dropped(self, sink: str) -> int:
        """Return how many events of a sink were given up."""
        return sum(count for (of, _, _), count in self.drops.items() if of == sink)

    def begin(self) -> None:
        """Begin to count the changes of one attempt at a transaction."""
        self._more.clear()
        self._dropped.clear()
        self._buried = 0

    def done(self) -> None:
        """Take over the changes of the transaction that succeeded."""
        self.depths.update(self._more)
        self.depths = +self.depths
        self.dead_letters += self._buried
        self.drops.update(self._dropped)
        self.begin()

    def pending(self, limit: int, after: int = 0, sink: str = MQTT) -> list[Row]:
        """Return the rows that wait for a sink, in order, beginning behind row number `after`."""
        question = "SELECT number, topic, payload, retain, ran_s FROM outbox WHERE sink = ? AND number > ?"
        rows = self._store.read(f"{question} ORDER BY number LIMIT ?", sink, after, limit)
        now_s = self.running_s
        return [
            Row(number, topic, payload, bool(retain), sound_number(ran_s, now_s))
            for number, topic, payload, retain, ran_s in rows
        ]

    def insert_event(self, sink: str, topic: str, payload: bytes, rank: int, at: str) -> None:
        self.insert_aged(sink, topic, payload, rank, at, self.running_s)

    def insert_state(self, topic: str, payload: bytes, at: str) -> None:
        """Let the newest state of a retained topic wait, and no older one."""
        self._delete(_DELETE_STATE, topic)
        ran_s = round(self.running_s, 3)
        self._store.change(_INSERT, "state", topic, payload, True, RANK["critical"], at, ran_s, MQTT)
        self._more[MQTT] += 1

    def insert_aged(self, sink: str, topic: str, payload: bytes, rank: int, at: str, ran_s: float) -> None:
        """Insert an event that has waited elsewhere already."""
        self._store.change(_INSERT, "event", topic, payload, False, rank, at, round(ran_s, 3), sink)
        self._more[sink] += 1

    def insert_rows(self, rows: Sequence[Sequence[object]]) -> None:
        """Insert whole rows, number first and sink last."""
        self._store.change_many("INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._more.update(str(row[-1]) for row in rows)

    def delete(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._delete(_DELETE_ROW, number)

    def delete_state(self, topic: str) -> None:
        self._delete(_DELETE_STATE, topic)

    def delete_sinks(self, sinks: Iterable[str]) -> None:
        """Remove all rows of some sinks."""
        for sink in sinks:
            self._delete(_DELETE_SINK, sink)

    def bury(self, number: int, reason: str) -> None:
        """Move a row to the dead letters."""
        copy = "SELECT number, topic, payload, retain, ? FROM outbox WHERE number = ?"
        self._store.change(f"INSERT OR IGNORE INTO dead_letter {copy}", reason, number)
        self.count_buried(self._delete(_DELETE_ROW, number))
        self._store.change(_TRIM_DEAD_LETTERS, _DEAD_LETTERS_KEPT)

    def count_buried(self, count: int) -> None:
        """Count dead letters."""
        if count:
            self._buried += count
            self._store.change("UPDATE meta SET value = value + ? WHERE key = 'dead_letters'", count)

    def keep_to_rows(self, sinks: Iterable[str]) -> None:
        """Drop what is beyond the bound of rows of each sink."""
        for sink in sinks:
            self.drop_least(sink, self.depths[sink] + self._more[sink] - self._bounds.max_rows, "rows")

    def make_room(self) -> bool:
        """Drop some of the least events of the sink that has the most rows; return whether there were any."""
        sinks = self.depths.most_common()
        return any(self.drop_least(sink, max(16, depth // 50), "bytes") for sink, depth in sinks)

    def drop_least(self, sink: str, count: int, reason: str) -> int:
        """Drop so many of the oldest events of the least severity; return how many there were."""
        return self._account(reason, self._store.take(_DROP_LEAST, sink, count) if count > 0 else [])

    def drop_old(self) -> int:
        """Drop the events that waited too long; return how many there were."""
        gone, now_s = 0, self.running_s
        for rank, share in enumerate(AGE_SHARES):
            gone += self._account("age", self._store.take(_DROP_OLD, rank, now_s - share * self._bounds.max_age_s))
        return gone

    def keep_time(self) -> None:
        """Write down the running time: it costs nothing in a transaction that is made anyway."""
        self._store.change("UPDATE meta SET value = ? WHERE key = 'ran_s'", round(self.running_s, 3))

    def add_drops(self, drops: Drops) -> None:
        """Count events that were given up elsewhere."""
        self._dropped.update(drops)
        self._store.change_many(_ADD_DROPPED, [(*key, count) for key, count in drops.items()])

    def _account(self, reason: str, gone: Sequence[tuple[str, int]]) -> int:
        self._more.subtract(sink for sink, _ in gone)
        self.add_drops(Counter((sink, reason, _severity(rank)) for sink, rank in gone))
        return len(gone)

    def _delete(self, statement: str, value: object) -> int:
        gone = self._store.take(statement, value)
        self._more.subtract(sink for (sink,) in gone)
        return len(gone)


def rank(severity: object) -> int:
    """Return the place of a severity in their order; an unknown one counts as critical."""
    return RANK.get(str(severity), RANK["critical"])  # overflow takes the lowest rank first


def _severity(rank: object) -> str:
    return SEVERITIES[-1 - rank] if isinstance(rank, int) and 0 <= rank < len(SEVERITIES) else "critical"
