"""The journal: what the daemon remembers of its alerts, and what it still has to tell.

A change of an alert, the event that tells of it and the retained states that follow from it are one transaction.
Events keep their order and leave only when delivered; of a retained state only the newest per topic waits.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from phasewatch.adapters.messages import DEFAULT_BOUNDS, Alert, Bounds, Change, Message, Row, encode
from phasewatch.adapters.store import JournalError, Store

T = TypeVar("T")

SCHEMA_VERSION: Final = 1
SEVERITY_RANK: Final = {"low": 0, "medium": 1, "high": 2, "critical": 3}
"""Overflow takes the lowest rank first; an unknown severity counts as critical."""

_LISTED: Final = ("alert_id", "rev", "severity", "subject", "rule", "phase", "state", "since")
_DEAD_LETTERS_KEPT: Final = 1000

# AUTOINCREMENT: a row number is never used twice, so a late acknowledgement of a replaced row removes nothing.
_SCHEMA: Final = (
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE alert(key TEXT PRIMARY KEY, record TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB,"
    " active INTEGER NOT NULL)",
    "CREATE TABLE outbox(number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, topic TEXT NOT NULL,"
    " payload BLOB NOT NULL, retain INTEGER NOT NULL, severity INTEGER NOT NULL, created TEXT NOT NULL)",
    "CREATE UNIQUE INDEX newest_state ON outbox(topic) WHERE kind = 'state'",
    "CREATE INDEX least_event ON outbox(severity) WHERE kind = 'event'",
    "CREATE TABLE dead_letter(number INTEGER PRIMARY KEY, topic TEXT, payload BLOB, retain INTEGER, reason TEXT)",
    "INSERT INTO meta VALUES ('uuid', lower(hex(randomblob(4)))), ('seq', 0), ('dropped', 0), ('dead_letters', 0)",
    f"PRAGMA user_version={SCHEMA_VERSION}",
)


_INSERT: Final = "INSERT INTO outbox(kind, topic, payload, retain, severity, created) VALUES (?, ?, ?, ?, ?, ?)"
_DELETE_ROW: Final = "DELETE FROM outbox WHERE number = ?"
_DELETE_STATE: Final = "DELETE FROM outbox WHERE kind = 'state' AND topic = ?"
_DELETE_LEAST: Final = (
    "DELETE FROM outbox WHERE number IN"
    " (SELECT number FROM outbox WHERE kind = 'event' ORDER BY severity, number LIMIT ?)"
)
_TRIM_DEAD_LETTERS: Final = (
    "DELETE FROM dead_letter WHERE number NOT IN (SELECT number FROM dead_letter ORDER BY number DESC LIMIT ?)"
)
_UNPUBLISHED: Final = Alert("", "", None, active=False)


class Journal:
    """The alerts and the outbox of one site, in a file or in memory; only the thread that made it may use it."""

    def __init__(self, store: Store, site: str, list_topic: str, bounds: Bounds) -> None:
        self._store, self._site, self._list_topic, self._bounds = store, site, list_topic, bounds
        self._delta, self._generation = 0, 0
        meta = dict(store.read("SELECT key, value FROM meta"))
        self.uuid: str = meta["uuid"]
        self._seq: int = meta["seq"]
        rows = store.read("SELECT key, record, topic, payload, active FROM alert ORDER BY key")
        self._alerts = {
            key: Alert(record, topic, payload, bool(active)) for key, record, topic, payload, active in rows
        }
        self._depth: int = store.read("SELECT count(*) FROM outbox")[0][0]

    @classmethod
    def open(cls, directory: Path, site: str, list_topic: str, bounds: Bounds = DEFAULT_BOUNDS) -> "Journal":
        """Open or create the journal of a state directory; a damaged one is set aside and a new one begun.

        Raises: JournalError when the directory cannot hold a journal, or another daemon uses it.
        """
        store = Store.open(directory / "journal.db", _SCHEMA, bounds.max_bytes, bounds.ballast_bytes)
        version = store.read("PRAGMA user_version")[0][0]
        if version != SCHEMA_VERSION:
            store.close()
            raise JournalError(f"{directory}/journal.db has schema {version} of a newer phasewatch; run that one")
        return cls(store, site, list_topic, bounds)

    @classmethod
    def in_memory(
        cls, site: str, list_topic: str, bounds: Bounds = DEFAULT_BOUNDS, heir_of: "Journal | None" = None
    ) -> "Journal":
        """Return a journal that lives as long as the process, with the alerts and the rows of a broken one.

        It has its own uuid and `seq`: a file that comes back later must never give the same `id` to another event.
        """
        journal = cls(Store.in_memory(_SCHEMA, bounds.max_bytes), site, list_topic, bounds)
        if heir_of is not None:
            journal._inherit(heir_of)
        return journal

    def close(self) -> None:
        self._store.close()

    @property
    def set_aside(self) -> Path | None:
        """Where a damaged journal was kept when this one took its place."""
        return self._store.set_aside

    def records(self) -> dict[str, str]:
        """Return each alert's record by its key."""
        return {key: alert.record for key, alert in self._alerts.items()}

    def retained(self) -> list[Message]:
        """Return the newest state of every published alert, then the list of active alerts."""
        states = [Message(a.topic, a.payload) for a in self._alerts.values() if a.payload is not None]
        return [*states, Message(self._list_topic, self._listing(self._alerts, self._seq))]

    def pending(self, limit: int, after: int = 0) -> list[Row]:
        """Return waiting rows in order, beginning behind row number `after`.

        Raises: JournalError when the file cannot be read.
        """
        question = "SELECT number, topic, payload, retain FROM outbox WHERE number > ? ORDER BY number LIMIT ?"
        rows = self._store.read(question, after, limit)
        return [Row(number, topic, payload, bool(retain)) for number, topic, payload, retain in rows]

    def depth(self) -> int:
        """Return how many rows wait."""
        return self._depth

    @property
    def seq(self) -> int:
        """`seq` of the newest event."""
        return self._seq

    def counts(self) -> tuple[int, int]:
        """Return how many events overflow took, and how many rows no broker would ever take.

        Raises: JournalError when the file cannot be read.
        """
        meta = dict(self._store.read("SELECT key, value FROM meta WHERE key IN ('dropped', 'dead_letters')"))
        return meta["dropped"], meta["dead_letters"]

    def commit(self, changes: Sequence[Change]) -> frozenset[str]:
        """Write changes, their events and states in one transaction; return the topics whose newest state now waits.

        Raises: JournalError when nothing was written.
        """
        if not changes:
            return frozenset()
        self._alerts, self._seq = self._write(lambda: self._changed(changes))
        return frozenset([*(change.alert_topic for change in changes), self._list_topic])

    def remember(self, records: Mapping[str, str]) -> None:
        """Keep records of alerts that changed without anything to tell.

        Raises: JournalError when nothing was written.
        """
        fresh = {key: self._alerts.get(key, _UNPUBLISHED)._replace(record=text) for key, text in records.items()}
        if fresh:
            self._write(lambda: self._put_alerts(fresh))
            self._alerts |= fresh

    def forget(self, keys: Sequence[str]) -> frozenset[str]:
        """Remove alerts that are no longer configured and empty their retained topics; return the topics that wait.

        Raises: JournalError when nothing was written.
        """
        known = {key: self._alerts[key] for key in keys if key in self._alerts}
        if not known:
            return frozenset()
        left = {key: alert for key, alert in self._alerts.items() if key not in known}
        topics = [alert.topic for alert in known.values() if alert.payload is not None]
        self._write(lambda: self._forgotten(list(known), topics, left))
        self._alerts = left
        return frozenset([*topics, self._list_topic])

    def delivered(self, numbers: Sequence[int]) -> None:
        """Take acknowledged rows out of the outbox; rows already replaced or dropped are passed over.

        Raises: JournalError when nothing was written.
        """
        if numbers:
            self._write(lambda: [self._delete(_DELETE_ROW, number) for number in numbers])
        if not self._depth:
            self._store.restore_ballast()

    def dead_letter(self, number: int, reason: str) -> None:
        """Move a row that no broker will ever take out of the way of the others.

        Raises: JournalError when nothing was written.
        """
        self._write(lambda: self._buried(number, reason))

    def _write(self, work: Callable[[], T]) -> T:
        def counted() -> T:
            self._delta = 0
            return work()

        done = self._store.write(counted, self._shed)
        self._depth += self._delta
        return done

    def _shed(self) -> bool:
        def dropped() -> bool:
            self._delta = 0
            return self._drop(max(16, self._depth // 50)) > 0

        done = self._store.write_once(dropped)
        self._depth += self._delta if done else 0
        return done

    def _changed(self, changes: Sequence[Change]) -> tuple[dict[str, Alert], int]:
        alerts, seq, at = dict(self._alerts), self._seq, ""
        for change in changes:
            seq += 1
            body = {**change.payload, "id": f"{self._site}-{self.uuid}-{seq}", "seq": seq}
            payload, at = encode(body), str(change.payload.get("at", ""))
            self._insert("event", change.event_topic, payload, SEVERITY_RANK.get(str(body.get("severity")), 3), at)
            self._insert_state(change.alert_topic, payload, at)
            alerts[change.key] = Alert(change.record, change.alert_topic, payload, change.active)
            self._put_alerts({change.key: alerts[change.key]})
        self._insert_state(self._list_topic, self._listing(alerts, seq), at)
        self._store.change("UPDATE meta SET value = ? WHERE key = 'seq'", seq)
        self._drop(self._depth + self._delta - self._bounds.max_rows)
        return alerts, seq

    def _forgotten(self, keys: Sequence[str], topics: Sequence[str], left: Mapping[str, Alert]) -> None:
        self._store.change_many("DELETE FROM alert WHERE key = ?", [(key,) for key in keys])
        for topic in topics:
            self._insert_state(topic, b"", "")
        self._insert_state(self._list_topic, self._listing(left, self._seq), "")

    def _buried(self, number: int, reason: str) -> None:
        copy = "SELECT number, topic, payload, retain, ? FROM outbox WHERE number = ?"
        self._store.change(f"INSERT OR IGNORE INTO dead_letter {copy}", reason, number)
        self._count("dead_letters", self._delete(_DELETE_ROW, number))
        self._store.change(_TRIM_DEAD_LETTERS, _DEAD_LETTERS_KEPT)

    def _drop(self, count: int) -> int:
        gone = self._delete(_DELETE_LEAST, count) if count > 0 else 0
        self._count("dropped", gone)
        return gone

    def _put_alerts(self, alerts: Mapping[str, Alert]) -> None:
        rows = [(key, *alert) for key, alert in alerts.items()]
        self._store.change_many("INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?, ?)", rows)

    def _insert_state(self, topic: str, payload: bytes, at: str) -> None:
        self._delete(_DELETE_STATE, topic)
        self._insert("state", topic, payload, SEVERITY_RANK["critical"], at)

    def _insert(self, kind: str, topic: str, payload: bytes, severity: int, at: str) -> None:
        self._store.change(_INSERT, kind, topic, payload, kind == "state", severity, at)
        self._delta += 1

    def _delete(self, statement: str, value: object) -> int:
        gone = self._store.change(statement, value)
        self._delta -= gone
        return gone

    def _count(self, name: str, more: int) -> None:
        if more:
            self._store.change("UPDATE meta SET value = value + ? WHERE key = ?", more, name)

    def _listing(self, alerts: Mapping[str, Alert], seq: int) -> bytes:
        bodies = [json.loads(alert.payload) for alert in alerts.values() if alert.active and alert.payload]
        active = [{name: body.get(name) for name in _LISTED} for body in bodies]
        return encode({"schema": "phasewatch.alerts/1", "site": self._site, "seq": seq, "active": active})

    def _inherit(self, broken: "Journal") -> None:
        rows = broken._store.salvage("SELECT * FROM outbox ORDER BY number")
        self._alerts, self._generation = dict(broken._alerts), broken._generation + 1
        self._write(lambda: self._inherited(rows, max(0, broken._depth - len(rows))))

    def _inherited(self, rows: Sequence[tuple[Any, ...]], lost: int) -> None:
        self._put_alerts(self._alerts)
        self._store.change_many("INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        # No number of the broken journal comes again: an acknowledgement of its rows may still be on the way.
        self._store.change("DELETE FROM sqlite_sequence WHERE name = 'outbox'")
        self._store.change("INSERT INTO sqlite_sequence VALUES ('outbox', ?)", self._generation << 40)
        self._delta += len(rows)
        self._count("dropped", lost)
