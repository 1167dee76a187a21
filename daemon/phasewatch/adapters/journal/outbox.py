"""The outbox: rows that wait for the broker, and an account of those that could not wait any longer.

Age is running time: the seconds that a daemon ran on this journal, summed over its runs. It needs no clock, so none can
make it jump, and what waited while the machine was off did not grow older. A crash may take back up to an hour of it:
rows go later then, and never earlier.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from phasewatch.adapters.journal.sqlite import Store
from phasewatch.adapters.journal.sqlite import number as sound_number
from phasewatch.adapters.journal.types import Bounds, Row

SEVERITY_RANK: Final = {"low": 0, "medium": 1, "high": 2, "critical": 3}
"""Overflow takes the lowest rank first; an unknown severity counts as critical."""
SEVERITIES: Final = tuple(SEVERITY_RANK)
AGE_SHARES: Final = (0.25, 0.5, 1.0, 1.0)
"""Share of `max_age_s` that an event may wait, by the rank of its severity."""

_DEAD_LETTERS_KEPT: Final = 1000
_INSERT: Final = (
    "INSERT INTO outbox(kind, topic, payload, retain, severity, created, ran_s) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_DELETE_ROW: Final = "DELETE FROM outbox WHERE number = ?"
_DELETE_STATE: Final = "DELETE FROM outbox WHERE kind = 'state' AND topic = ?"
_DROP_LEAST: Final = (
    "DELETE FROM outbox WHERE number IN"
    " (SELECT number FROM outbox WHERE kind = 'event' ORDER BY severity, ran_s, number LIMIT ?) RETURNING severity"
)
_DROP_OLD: Final = "DELETE FROM outbox WHERE kind = 'event' AND severity = ? AND ran_s < ? RETURNING severity"
_ADD_DROPPED: Final = (
    "INSERT INTO dropped VALUES (?, ?, ?) ON CONFLICT(reason, severity) DO UPDATE SET count = count + excluded.count"
)
_TRIM_DEAD_LETTERS: Final = (
    "DELETE FROM dead_letter WHERE number NOT IN (SELECT number FROM dead_letter ORDER BY number DESC LIMIT ?)"
)

Drops = Mapping[tuple[str, str], int]
"""Events given up, by reason and severity."""


class Outbox:
    """The waiting rows of one journal; what changes them is done inside one of its transactions."""

    def __init__(self, store: Store, bounds: Bounds, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store, self._bounds, self._monotonic = store, bounds, monotonic
        meta = dict(store.read("SELECT key, value FROM meta WHERE key IN ('ran_s', 'dead_letters')"))
        self.depth: int = store.read("SELECT count(*) FROM outbox")[0][0]
        self.dead_letters = int(sound_number(meta.get("dead_letters"), 0))
        self.drops = Counter[tuple[str, str]]()
        for reason, severity, count in store.read("SELECT reason, severity, count FROM dropped"):
            self.drops[reason, severity] = count
        self._began_s: float = monotonic() - sound_number(meta.get("ran_s"), 0.0)
        self._more, self._buried = 0, 0
        self._dropped = Counter[tuple[str, str]]()

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
        for (reason, severity), count in self.drops.items():
            found.setdefault(reason, {})[severity] = count
        return found

    def begin(self) -> None:
        """Begin to count the changes of one attempt at a transaction."""
        self._more, self._buried = 0, 0
        self._dropped.clear()

    def done(self) -> None:
        """Take over the changes of the transaction that succeeded."""
        self.depth += self._more
        self.dead_letters += self._buried
        self.drops.update(self._dropped)
        self.begin()

    def pending(self, limit: int, after: int = 0) -> list[Row]:
        """Return waiting rows in order, beginning behind row number `after`."""
        question = "SELECT number, topic, payload, retain, ran_s FROM outbox WHERE number > ? ORDER BY number LIMIT ?"
        rows = self._store.read(question, after, limit)
        now_s = self.running_s
        return [
            Row(number, topic, payload, bool(retain), sound_number(ran_s, now_s))
            for number, topic, payload, retain, ran_s in rows
        ]

    def insert_event(self, topic: str, payload: bytes, severity: str, at: str) -> None:
        self._insert("event", topic, payload, SEVERITY_RANK.get(severity, 3), at)

    def insert_state(self, topic: str, payload: bytes, at: str) -> None:
        """Let the newest state of a retained topic wait, and no older one."""
        self._delete(_DELETE_STATE, topic)
        self._insert("state", topic, payload, SEVERITY_RANK["critical"], at)

    def insert_aged(self, topic: str, payload: bytes, rank: int, at: str, ran_s: float) -> None:
        """Insert an event that has waited elsewhere already."""
        self._store.change(_INSERT, "event", topic, payload, False, rank, at, round(ran_s, 3))
        self._more += 1

    def insert_rows(self, rows: Sequence[Sequence[object]]) -> None:
        """Insert whole rows, number first."""
        self._store.change_many("INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._more += len(rows)

    def delete(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._delete(_DELETE_ROW, number)

    def delete_state(self, topic: str) -> None:
        self._delete(_DELETE_STATE, topic)

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

    def keep_to_rows(self) -> None:
        """Drop what is beyond the bound of rows."""
        self.drop_least(self.depth + self._more - self._bounds.max_rows, "rows")

    def drop_least(self, count: int, reason: str) -> int:
        """Drop so many of the oldest events of the least severity; return how many there were."""
        ranks = self._store.take(_DROP_LEAST, count) if count > 0 else []
        return self._account(reason, [rank for (rank,) in ranks])

    def drop_old(self) -> int:
        """Drop the events that waited too long; return how many there were."""
        gone, now_s = 0, self.running_s
        for rank, share in enumerate(AGE_SHARES):
            ranks = self._store.take(_DROP_OLD, rank, now_s - share * self._bounds.max_age_s)
            gone += self._account("age", [rank for (rank,) in ranks])
        return gone

    def keep_time(self) -> None:
        """Write down the running time: it costs nothing in a transaction that is made anyway."""
        self._store.change("UPDATE meta SET value = ? WHERE key = 'ran_s'", round(self.running_s, 3))

    def add_drops(self, drops: Drops) -> None:
        """Count events that were given up elsewhere."""
        self._dropped.update(drops)
        self._store.change_many(_ADD_DROPPED, [(*key, count) for key, count in drops.items()])

    def _account(self, reason: str, ranks: Sequence[int]) -> int:
        self._more -= len(ranks)
        self.add_drops({(reason, _severity(rank)): count for rank, count in Counter(ranks).items()})
        return len(ranks)

    def _insert(self, kind: str, topic: str, payload: bytes, severity: int, at: str) -> None:
        ran_s = round(self.running_s, 3)
        self._store.change(_INSERT, kind, topic, payload, kind == "state", severity, at, ran_s)
        self._more += 1

    def _delete(self, statement: str, value: object) -> int:
        gone = self._store.change(statement, value)
        self._more -= gone
        return gone


def _severity(rank: object) -> str:
    return SEVERITIES[rank] if isinstance(rank, int) and 0 <= rank < len(SEVERITIES) else "critical"
