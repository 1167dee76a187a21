"""The archive of a journal: the newest events as they were published, and the evidence of the newest alerts.

Both are bounded in number and bytes, the oldest are deleted first. When the file is full they are deleted before
anything that waits for delivery.
"""

import json
import logging
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from phasewatch.adapters.journal.sqlite import Store, json_object
from phasewatch.adapters.journal.types import Bounds, encode
from phasewatch.alerts.evidence import Evidence

_TRIMMED_AT_ONCE: Final = 0.01
"""Share of the history that goes when it is full, so that not every event pays for it."""
_DROP_OLDEST: Final = (
    "DELETE FROM event WHERE number IN (SELECT number FROM event ORDER BY number LIMIT ?) RETURNING length(payload)"
)
_DROP_EVIDENCE: Final = (
    "DELETE FROM evidence WHERE rowid IN (SELECT rowid FROM evidence ORDER BY rowid LIMIT ?) RETURNING length(samples)"
)
_PUT_EVIDENCE: Final = "INSERT OR REPLACE INTO evidence VALUES (?, ?, ?, ?, ?, ?)"
_EVIDENCE: Final = "SELECT alert_id, subject, rule, at, complete, samples FROM evidence"

_log = logging.getLogger(__name__)


class PastEvent(NamedTuple):
    """One event of the history."""

    place: int
    """Grows with time; not the event's `seq`, for a history may hold events of several journals."""
    payload: bytes
    """As it was published."""


class Archive:
    """History and evidence of one journal; every change is made inside one of its transactions."""

    def __init__(self, store: Store, bounds: Bounds) -> None:
        self._store, self._bounds = store, bounds
        self._events, self._bytes = store.read("SELECT count(*), coalesce(sum(length(payload)), 0) FROM event")[0]
        self._more, self._more_bytes = 0, 0

    def begin(self) -> None:
        """Begin to count the changes of one attempt at a transaction."""
        self._more, self._more_bytes = 0, 0

    def done(self) -> None:
        """Take over the changes of the transaction that succeeded."""
        self._events += self._more
        self._bytes += self._more_bytes
        self.begin()

    def events(self, limit: int, before: int | None = None) -> list[PastEvent]:
        """Return the newest events, newest first; those before a place if one is named. Each is a JSON object."""
        question = "SELECT number, payload FROM event WHERE number < ? ORDER BY number DESC LIMIT ?"
        found: list[PastEvent] = []
        place = before if before is not None else 1 << 62
        while rows := self._store.read(question, place, limit - len(found)):
            found += [PastEvent(number, payload) for number, payload in rows if json_object(payload) is not None]
            place = rows[-1][0]
        return found

    def evidence(self, alert_id: str) -> Evidence | None:
        """Return the evidence of one occurrence of an alert; None if there is none, or it is damaged."""
        try:
            rows = self._store.read(f"{_EVIDENCE} WHERE alert_id = ?", alert_id)
            return _unpacked(rows[0]) if rows else None
        except (ValueError, TypeError, zlib.error) as error:
            _log.error("journal: the evidence of %s is damaged: %s", alert_id, error)
            return None

    def newest_evidence(self, limit: int) -> list[tuple[str, str, str, str]]:
        """Return `alert_id`, subject, rule and time of the newest evidence, newest first."""
        question = "SELECT alert_id, subject, rule, at FROM evidence ORDER BY rowid DESC LIMIT ?"
        return [(alert_id, subject, rule, at) for alert_id, subject, rule, at in self._store.read(question, limit)]

    def insert_event(self, payload: bytes) -> None:
        self._store.change("INSERT INTO event(payload) VALUES (?)", payload)
        self._more += 1
        self._more_bytes += len(payload)
        if self._events + self._more > self._bounds.max_events or self._over_bytes:
            self._trim(max(1, int(_TRIMMED_AT_ONCE * self._bounds.max_events)))

    def insert_evidence(self, found: Sequence[Evidence]) -> None:
        self._store.change_many(_PUT_EVIDENCE, [_packed(one) for one in found])
        count, size = self._store.take("SELECT count(*), coalesce(sum(length(samples)), 0) FROM evidence")[0]
        while count > self._bounds.max_evidence or (size > self._bounds.max_evidence_bytes and count):
            over = max(1, count - self._bounds.max_evidence)
            size -= sum(length for (length,) in self._store.take(_DROP_EVIDENCE, over))
            count -= over

    def shed(self) -> bool:
        """Give up the older half of what is remembered; return whether there was anything."""
        if self._events:
            self._trim((self._events + 1) // 2)
            return True
        count: int = self._store.take("SELECT count(*) FROM evidence")[0][0]
        self._store.take(_DROP_EVIDENCE, (count + 1) // 2)
        return bool(count)

    @property
    def _over_bytes(self) -> bool:
        return bool(self._bytes + self._more_bytes > self._bounds.max_event_bytes)

    def _trim(self, count: int) -> None:
        lengths = [length for (length,) in self._store.take(_DROP_OLDEST, count)]
        self._more -= len(lengths)
        self._more_bytes -= sum(lengths)


def _packed(found: Evidence) -> tuple[object, ...]:
    samples = zlib.compress(encode(found.samples))
    return found.alert_id, found.subject, found.rule, found.at.isoformat(), found.complete, samples


def _unpacked(row: tuple[object, ...]) -> Evidence:
    alert_id, subject, rule, at, complete, samples = row
    columns = json.loads(zlib.decompress(samples))  # type: ignore[arg-type]  # a blob
    if not isinstance(columns, dict):
        raise TypeError("its samples are no columns")
    return Evidence(str(alert_id), str(subject), str(rule), datetime.fromisoformat(str(at)), columns, bool(complete))
