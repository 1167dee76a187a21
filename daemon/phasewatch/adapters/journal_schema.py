"""The tables of the journal, as steps from version to version; a step that was released is never changed again."""

from typing import Final

from phasewatch.adapters.store import Steps

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

STEPS: Final[Steps] = (_OUTBOX, _AGE_HISTORY_EVIDENCE)
SCHEMA_VERSION: Final = len(STEPS)
