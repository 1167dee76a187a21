"""The journal's SQLite file: one connection in one thread, transactions, room on the disk, damaged files set aside.

Its schema is a list of steps, each a list of statements. A new file takes all of them, an older one those it has not
taken yet, in one transaction: a step that is interrupted leaves the file as it was. A step that was released is never
changed again. SQLite checks the pages of a file but not the content of a cell, so cells are checked here when read.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

T = TypeVar("T")

Steps = Sequence[Iterable[str]]
"""Statements that bring a file from one version to the next; the first step begins with an empty file."""

LOCK_TIMEOUT_S = 2.0
"""A journal that another process holds for longer counts as taken."""

REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
"""Replaces damaged bytes of a text that was read, so that the other rows of its table can be read."""

_BALLAST: Final = "ballast"
_PAGE_BYTES: Final = 4096
_WAL_BYTES: Final = 4 * 1024 * 1024


class JournalError(Exception):
    """The journal cannot be read or written; the text says why, and how to fix it."""


class JournalTakenError(JournalError):
    """Another process has the journal: two would use the same numbers, and disconnect each other at the broker."""


class Store:
    """A connection to one database; only the thread that made it may use it."""

    def __init__(self, db: sqlite3.Connection, ballast: Path | None = None, ballast_bytes: int = 0) -> None:
        self._db, self._ballast, self._ballast_bytes = db, ballast, ballast_bytes
        self.set_aside: Path | None = None
        """Where a damaged file was kept when this one took its place."""
        self.restore_ballast()

    @classmethod
    def in_memory(cls, steps: Steps, max_bytes: int) -> "Store":
        return cls(_connect(":memory:", steps, max_bytes))

    @classmethod
    def open(cls, path: Path, steps: Steps, max_bytes: int, ballast_bytes: int) -> "Store":
        """Open, create or bring up to date the file; a damaged one is renamed and a new one begun.

        Raises: JournalError when there cannot be such a file, or a newer phasewatch wrote it.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            db, kept = _connect_or_replace(path, steps, max_bytes)
        except sqlite3.OperationalError as error:
            if _has_code(error, sqlite3.SQLITE_BUSY):
                remedy = "stop that one, or give each its own state_dir"
                raise JournalTakenError(f"{path}: another phasewatch uses this state directory; {remedy}") from error
            raise JournalError(f"{path}: {error}; give the daemon a state directory that it can write to") from error
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"{path}: {error}; give the daemon a state directory that it can write to") from error
        store = cls(db, path.with_name(_BALLAST), ballast_bytes)
        store.set_aside = kept
        return store

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._db.close()

    def read(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a question.

        Raises: JournalError when the file cannot be read.
        """
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise JournalError(
                f"the journal cannot be read: {error}; look at the disk of the state directory"
            ) from error

    def salvage(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows that can still be read, up to the first damage."""
        rows: list[tuple[Any, ...]] = []
        with suppress(sqlite3.Error):
            rows.extend(self._db.execute(sql, values))
        return rows

    def change(self, sql: str, *values: object) -> int:
        """Execute one statement of a `write`; return how many rows it touched."""
        return self._db.execute(sql, values).rowcount

    def take(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Execute one statement of a `write`; return the rows that it names."""
        return self._db.execute(sql, values).fetchall()

    def change_many(self, sql: str, values: Sequence[Sequence[object]]) -> None:
        """Execute one statement of a `write` for each row of values."""
        self._db.executemany(sql, values)

    def write(self, work: Callable[[], T], shed: Callable[[], bool]) -> T:
        """Do `work` in one transaction; at a full disk give up the ballast, then let `shed` make room, and try again.

        Raises: JournalError when nothing was written.
        """
        reliefs = iter((self._release_ballast, *[shed] * 8))
        while True:
            try:
                with self.transaction():
                    return work()
            except sqlite3.Error as error:
                if not _has_code(error, sqlite3.SQLITE_FULL) or not any(relief() for relief in reliefs):
                    remedy = "make room on the disk of the state directory, or replace it"
                    raise JournalError(f"the journal cannot be written: {error}; {remedy}") from error

    def write_once(self, work: Callable[[], bool]) -> bool:
        """Do `work` in one transaction; return False when that failed."""
        try:
            with self.transaction():
                return work()
        except sqlite3.Error:
            return False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def restore_ballast(self) -> None:
        """Write the file that a full disk gives up, where there is room for it again."""
        if self._ballast is None or self._ballast.exists():
            return
        try:
            self._ballast.write_bytes(bytes(self._ballast_bytes))
        except OSError:
            with suppress(OSError):
                self._ballast.unlink(missing_ok=True)

    def _release_ballast(self) -> bool:
        if self._ballast is None or not self._ballast.exists():
            return False
        with suppress(OSError):
            self._ballast.unlink()
            return True
        return False


def _connect_or_replace(path: Path, steps: Steps, max_bytes: int) -> tuple[sqlite3.Connection, Path | None]:
    try:
        return _connect(str(path), steps, max_bytes), None
    except sqlite3.DatabaseError as error:
        if _has_code(error, sqlite3.SQLITE_FULL) and path.with_name(_BALLAST).exists():
            path.with_name(_BALLAST).unlink()
            return _connect(str(path), steps, max_bytes), None
        if not _has_code(error, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
    kept = _set_aside(path)
    return _connect(str(path), steps, max_bytes), kept


def _connect(path: str, steps: Steps, max_bytes: int) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=LOCK_TIMEOUT_S, isolation_level=None)
    db.text_factory = lambda text: text.decode("utf-8", "replace")
    # Exclusive: two daemons on one state directory would give the same `seq` twice.
    pragmas = ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL", f"journal_size_limit={_WAL_BYTES}")
    try:
        for pragma in pragmas:
            db.execute(f"PRAGMA {pragma}")
        _check(db)
        _climb(db, path, steps)
        # Last, so that a file at its bound can still take a step.
        db.execute(f"PRAGMA max_page_count={max(32, max_bytes // _PAGE_BYTES)}")
    except BaseException:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection) -> None:
    if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _climb(db: sqlite3.Connection, path: str, steps: Steps) -> None:
    """Take the steps that the file lacks, in one transaction."""
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(steps):
        remedy = "run that one again, or move the file away to begin a new journal"
        raise JournalError(f"{path} has schema {version} of a newer phasewatch, this one knows {len(steps)}; {remedy}")
    for step in steps[version:]:
        for statement in step:
            db.execute(statement)
    if version < len(steps):
        db.execute(f"PRAGMA user_version={len(steps)}")
    db.execute("COMMIT")


def _has_code(error: sqlite3.Error, *codes: int) -> bool:
    # Extended codes carry the plain one in their low byte.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in codes


def _set_aside(path: Path) -> Path:
    kept = next(p for n in range(1, 10_000) if not (p := path.with_name(f"{path.name}.damaged-{n}")).exists())
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(kept.with_name(kept.name + suffix))
    return kept


# AUTOINCREMENT: a row number is never used twice, so a late acknowledgement of a replaced row removes nothing.
_OUTBOX: Final = (
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE alert(key TEXT PRIMARY KEY, record TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB,"
    " active INTEGER NOT NULL)",
    "CREATE TABLE outbox(number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, topic TEXT NOT NULL,"
    " payload BLOB NOT NULL, retain INTEGER NOT NULL, severity INTEGER NOT NULL, created TEXT NOT NULL)",
    "CREATE UNIQUE INDEX newest_state ON outbox(topic) WHERE kind = 'state'",
    "CREATE INDEX least_event ON outbox(severity) WHERE kind = 'event'",
    "CREATE TABLE dead_letter(number INTEGER PRIMARY KEY, topic TEXT, payload BLOB, retain INTEGER, reason TEXT)",
    "INSERT INTO meta VALUES ('uuid', lower(hex(randomblob(4)))), ('seq', 0), ('dropped', 0), ('dead_letters', 0)",
)

# `ran_s`: running time of the journal when the row was written; rows of version 1 begin to age now.
_AGE_HISTORY_EVIDENCE: Final = (
    "ALTER TABLE outbox ADD COLUMN ran_s REAL NOT NULL DEFAULT 0",
    "DROP INDEX least_event",
    "CREATE INDEX least_event ON outbox(severity, ran_s) WHERE kind = 'event'",
    "CREATE TABLE dropped(reason TEXT, severity TEXT, count INTEGER NOT NULL, PRIMARY KEY (reason, severity))"
    " WITHOUT ROWID",
    "INSERT INTO dropped SELECT 'earlier', 'unknown', value FROM meta WHERE key = 'dropped' AND value > 0",
    "DELETE FROM meta WHERE key = 'dropped'",
    "INSERT INTO meta VALUES ('ran_s', 0.0), ('ended', '{}')",
    "CREATE TABLE event(number INTEGER PRIMARY KEY, payload BLOB NOT NULL)",
    "CREATE TABLE evidence(alert_id TEXT PRIMARY KEY, subject TEXT NOT NULL, rule TEXT NOT NULL, at TEXT NOT NULL,"
    " complete INTEGER NOT NULL, samples BLOB NOT NULL)",
    "CREATE TABLE announced(topic TEXT PRIMARY KEY, wanted INTEGER NOT NULL) WITHOUT ROWID",
)

# A row waits for one sink; rows of version 2 waited for MQTT.
_SINKS: Final = (
    "ALTER TABLE outbox ADD COLUMN sink TEXT NOT NULL DEFAULT 'mqtt'",
    "DROP INDEX least_event",
    "CREATE INDEX least_event ON outbox(sink, severity, ran_s) WHERE kind = 'event'",
    "CREATE INDEX waiting ON outbox(sink, number)",
    "ALTER TABLE dropped RENAME TO dropped_2",
    "CREATE TABLE dropped(sink TEXT, reason TEXT, severity TEXT, count INTEGER NOT NULL,"
    " PRIMARY KEY (sink, reason, severity)) WITHOUT ROWID",
    "INSERT INTO dropped SELECT 'mqtt', reason, severity, count FROM dropped_2",
    "DROP TABLE dropped_2",
)

STEPS: Final[Steps] = (_OUTBOX, _AGE_HISTORY_EVIDENCE, _SINKS)
SCHEMA_VERSION: Final = len(STEPS)


class Numbering(NamedTuple):
    """Which journal counts, how far it came, and the last `seq` of those before it."""

    uuid: str
    seq: int
    ended: dict[str, int]


def json_object(payload: object) -> dict[str, Any] | None:
    """Return what a payload says; None if it is no JSON object."""
    if not isinstance(payload, bytes):
        return None
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def number(value: object, otherwise: float) -> float:
    """Return a number as it is, and `otherwise` for anything else."""
    return value if isinstance(value, int | float) else otherwise


def numbering(meta: Mapping[str, object]) -> Numbering | None:
    """Return the numbering that `meta` holds; None if no event can be numbered by it."""
    uuid, seq = meta.get("uuid"), meta.get("seq")
    if not isinstance(uuid, str) or REPLACED in uuid or not isinstance(seq, int) or seq < 0:
        return None
    ended = json_object(str(meta.get("ended")).encode()) or {}
    return Numbering(uuid, seq, {key: last for key, last in ended.items() if isinstance(last, int)})
