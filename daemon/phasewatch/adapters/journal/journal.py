"""The journal: the state of every alert, its events, and the messages that wait for delivery.

A change of an alert, its event and the retained states that follow from it are one transaction. Events keep their order
and leave only when delivered; of a retained state only the newest per topic waits.

The list of active alerts names the `journal` whose `seq` it counts, and in `ended` the last `seq` of earlier ones: a
subscriber that has every `seq` of each of them up to there misses nothing.
"""

import json
import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from phasewatch.adapters.journal.archive import Archive, PastEvent
from phasewatch.adapters.journal.outbox import Outbox, rank
from phasewatch.adapters.journal.sqlite import REPLACED, STEPS, Steps, Store, json_object, numbering
from phasewatch.adapters.journal.types import (
    DEFAULT_BOUNDS,
    MQTT,
    ONLY_MQTT,
    Alert,
    Bounds,
    Intake,
    Message,
    Row,
    encode,
)
from phasewatch.alerts.event import Event
from phasewatch.alerts.evidence import Evidence
from phasewatch.contract.payloads import alert_list, listed
from phasewatch.contract.topics import ALERTS, alert_topic, event_topic

T = TypeVar("T")
P = ParamSpec("P")

StoreOpener = Callable[[Path, Steps, int, int], Store]

_UNPUBLISHED: Final = Alert("", "", None, active=False)
_TEND_S: Final = 3600.0
"""Between two looks at the age of what waits."""

_log = logging.getLogger(__name__)


class Journal:
    """The alerts and the outbox of one site, in a file or in memory; only the thread that made it may use it.

    Every method that writes raises JournalError when nothing was written; one that reads, when the file is unreadable.
    """

    def __init__(
        self,
        store: Store,
        site: str,
        bounds: Bounds,
        monotonic: Callable[[], float] = time.monotonic,
        sinks: Intake = ONLY_MQTT,
    ) -> None:
        self.store, self.site, self.sinks, self.list_topic = store, site, sinks, ALERTS.address(site=site)
        self.outbox, self.archive = Outbox(store, bounds, monotonic), Archive(store, bounds)
        found = numbering(dict(store.read("SELECT key, value FROM meta")))
        self.uuid, self.seq, self.ended = found or (uuid.uuid4().hex[:8], 0, {})
        if found is None:
            _log.error("journal: its numbering is damaged; another one begins")
            self.write(self.put_numbering, self.uuid, self.seq, self.ended)
        rows = store.read("SELECT key, record, topic, payload, active FROM alert ORDER BY key")
        self.alerts = {key: _alert(key, *columns) for key, *columns in rows}
        rows = store.read("SELECT topic, wanted FROM announced ORDER BY topic")
        self.topics: dict[str, bool] = {topic: bool(wanted) for topic, wanted in rows}
        """Live retained topics that a broker may hold; False for those that have to be emptied."""
        self._tended_s = self.outbox.running_s - _TEND_S
        self._remove_sinks(self.outbox.depths.keys() - sinks.keys())

    @classmethod
    def open(
        cls,
        directory: Path,
        site: str,
        bounds: Bounds = DEFAULT_BOUNDS,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        open_store: StoreOpener = Store.open,
        sinks: Intake = ONLY_MQTT,
    ) -> "Journal":
        """Open or create the journal of a state directory; a damaged one is set aside and a new one begun.

        Raises: JournalError when the directory cannot hold a journal, or another daemon or a newer one uses it.
        """
        store = open_store(directory / "journal.db", STEPS, bounds.max_bytes, bounds.ballast_bytes)
        return cls(store, site, bounds, monotonic, sinks)

    @classmethod
    def in_memory(
        cls,
        site: str,
        bounds: Bounds = DEFAULT_BOUNDS,
        monotonic: Callable[[], float] = time.monotonic,
        sinks: Intake = ONLY_MQTT,
    ) -> "Journal":
        """Return a journal that lives as long as the process."""
        return cls(Store.in_memory(STEPS, bounds.max_bytes), site, bounds, monotonic, sinks)

    def close(self) -> None:
        self.store.close()

    @property
    def set_aside(self) -> Path | None:
        """Where a damaged journal was kept when this one took its place."""
        return self.store.set_aside

    # Reading

    def records(self) -> dict[str, str]:
        """Return each alert's record by its key."""
        return {key: alert.record for key, alert in self.alerts.items()}

    def states(self) -> list[bytes]:
        """Return the newest state of every published alert."""
        return [alert.payload for alert in self.alerts.values() if alert.payload is not None]

    def retained(self) -> list[Message]:
        """Return the newest state of every published alert, then the list of active alerts."""
        states = [Message(a.topic, a.payload) for a in self.alerts.values() if a.payload is not None]
        return [*states, Message(self.list_topic, self.listing(self.alerts, self.seq))]

    def pending(self, limit: int, after: int = 0, sink: str = MQTT) -> list[Row]:
        """Return the rows that wait for a sink, in order, beginning behind row number `after`."""
        return self.outbox.pending(limit, after, sink)

    def depth(self) -> int:
        """Return how many rows wait."""
        return self.outbox.depth

    def events(self, limit: int, before: int | None = None) -> list[PastEvent]:
        """Return the newest events, delivered or not, newest first; those before a place if one is named."""
        return self.archive.events(limit, before)

    def evidence(self, alert_id: str) -> Evidence | None:
        """Return the readings around the onset of one occurrence of an alert; None if there are none."""
        return self.archive.evidence(alert_id)

    # Writing

    def commit(self, events: Sequence[Event]) -> frozenset[str]:
        """Write events and the states that follow in one transaction; return the topics whose newest state now waits.

        Each event gets its `seq` and `id` here.
        """
        if not events:
            return frozenset()
        self.alerts, self.seq = self.write(self._insert_events, events)
        return frozenset([*(alert_topic(self.site, event.key) for event in events), self.list_topic])

    def remember(self, records: Mapping[str, str]) -> None:
        """Keep records of alerts that changed without an event."""
        fresh = {key: self.alerts.get(key, _UNPUBLISHED)._replace(record=text) for key, text in records.items()}
        if fresh:
            self.write(self.put_alerts, fresh)
            self.alerts |= fresh

    def forget(self, keys: Sequence[str]) -> frozenset[str]:
        """Remove alerts that are no longer configured and empty their retained topics; return the topics that wait."""
        known = {key: self.alerts[key] for key in keys if key in self.alerts}
        if not known:
            return frozenset()
        left = {key: alert for key, alert in self.alerts.items() if key not in known}
        topics = [alert.topic for alert in known.values() if alert.payload is not None]
        self.write(self._delete_alerts, list(known), topics, left)
        self.alerts = left
        return frozenset([*topics, self.list_topic])

    def empty(self, topic: str) -> None:
        """Empty a retained topic that a lost journal has left behind; that of a known alert is passed over."""
        if all(alert.topic != topic for alert in self.alerts.values()):
            self.write(self.outbox.insert_state, topic, b"", "")

    def delivered(self, numbers: Sequence[int]) -> None:
        """Take acknowledged rows out of the outbox; rows already replaced or dropped are passed over."""
        if numbers:
            self.write(self.outbox.delete, numbers)
        if not self.outbox.depth:
            self.store.restore_ballast()

    def dead_letter(self, number: int, reason: str) -> None:
        """Move a row that will never be accepted out of the way of the others."""
        self.write(self.outbox.bury, number, reason)

    def keep_evidence(self, found: Sequence[Evidence]) -> None:
        """Keep the evidence of alerts, of the newest ones."""
        if found:
            self.write(self.archive.insert_evidence, found)

    def announce(self, topics: Mapping[str, bool]) -> None:
        """Keep which live retained topics a broker may hold, and which have to be emptied; written if new."""
        fresh = {topic: wanted for topic, wanted in topics.items() if self.topics.get(topic) is not wanted}
        if fresh:
            self.write(self.put_topics, fresh)
            self.topics |= fresh

    def emptied(self, topics: Collection[str]) -> None:
        """Forget topics that a broker has emptied, unless they are wanted again."""
        gone = [topic for topic in topics if self.topics.get(topic) is False]
        if gone:
            self.write(self.store.change_many, "DELETE FROM announced WHERE topic = ?", [(topic,) for topic in gone])
            for topic in gone:
                del self.topics[topic]

    def tend(self) -> None:
        """Drop what waited too long, and keep the running time; once an hour and only while something waits."""
        if self.outbox.depth and self.outbox.running_s - self._tended_s >= _TEND_S:
            self._tended_s = self.outbox.running_s
            self.write(self._drop_old)

    def write(self, work: Callable[P, T], *values: P.args, **more: P.kwargs) -> T:
        """Do `work` in one transaction; it may be done again after room was made on a full disk."""

        def counted() -> T:
            self._begin()
            return work(*values, **more)

        done = self.store.write(counted, self._shed)
        self._done()
        return done

    # Inside a transaction

    def put_alerts(self, alerts: Mapping[str, Alert]) -> None:
        rows = [(key, alert.record, alert.topic, alert.payload, alert.active) for key, alert in alerts.items()]
        self.store.change_many("INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?, ?)", rows)

    def put_topics(self, topics: Mapping[str, bool]) -> None:
        self.store.change_many("INSERT OR REPLACE INTO announced VALUES (?, ?)", list(topics.items()))

    def put_numbering(self, uuid: str, seq: int, ended: Mapping[str, int]) -> None:
        rows = (("uuid", uuid), ("seq", seq), ("ended", json.dumps(ended)))
        self.store.change_many("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    def listing(self, alerts: Mapping[str, Alert], seq: int) -> bytes:
        """Return the payload of the list of active alerts."""
        active = [alert.listed for alert in alerts.values() if alert.active and alert.listed]
        return encode(alert_list(self.site, self.uuid, seq=seq, ended=self.ended, active=active))

    def _insert_events(self, events: Sequence[Event]) -> tuple[dict[str, Alert], int]:
        alerts, seq, at = dict(self.alerts), self.seq, ""
        for event in events:
            seq += 1
            at = str(event.payload.get("at", ""))
            key = str(event.key)
            alerts[key] = self._insert_event(event, seq, at, alerts.get(key, _UNPUBLISHED))
        self.outbox.insert_state(self.list_topic, self.listing(alerts, seq), at)
        self.store.change("UPDATE meta SET value = ? WHERE key = 'seq'", seq)
        self.outbox.keep_time()
        self.outbox.keep_to_rows(self.sinks)
        return alerts, seq

    def _insert_event(self, event: Event, seq: int, at: str, before: Alert) -> Alert:
        body = {**event.payload, "id": f"{self.site}-{self.uuid}-{seq}", "seq": seq}
        payload, topic = encode(body), alert_topic(self.site, event.key)
        for sink in self._takers(body, before.listed or {}):
            self.outbox.insert_event(sink, event_topic(self.site, event.key), payload, rank(body.get("severity")), at)
        self.outbox.insert_state(topic, payload, at)
        self.archive.insert_event(payload)
        alert = Alert(json.dumps(event.record), topic, payload, event.active, listed(body))
        self.put_alerts({str(event.key): alert})
        return alert

    def _takers(self, body: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
        """Yield the sinks of an event; the one that lowers an alert below a sink's severity is the last it gets."""
        severities = {body.get("severity")}
        if before.get("alert_id") == body.get("alert_id"):
            severities.add(before.get("severity"))
        highest = max(map(rank, severities))
        for sink, least in self.sinks.items():
            if least is None or highest >= rank(least):
                yield sink

    def _remove_sinks(self, gone: Collection[str]) -> None:
        """Remove the rows of sinks that are no longer configured."""
        if gone:
            counts = ", ".join(f"{sink} ({self.outbox.depths[sink]} rows)" for sink in sorted(gone))
            _log.warning("journal: no longer configured, and what waited for it is removed: %s", counts)
            self.write(self.outbox.delete_sinks, sorted(gone))

    def _delete_alerts(self, keys: Sequence[str], topics: Sequence[str], left: Mapping[str, Alert]) -> None:
        self.store.change_many("DELETE FROM alert WHERE key = ?", [(key,) for key in keys])
        for topic in topics:
            self.outbox.insert_state(topic, b"", "")
        self.outbox.insert_state(self.list_topic, self.listing(left, self.seq), "")

    def _drop_old(self) -> None:
        self.outbox.drop_old()
        self.outbox.keep_time()

    def _shed(self) -> bool:
        def relieved() -> bool:
            self._begin()
            return self.archive.shed() or self.outbox.make_room()

        done = self.store.write_once(relieved)
        if done:
            self._done()
        return done

    def _begin(self) -> None:
        self.outbox.begin()
        self.archive.begin()

    def _done(self) -> None:
        self.outbox.done()
        self.archive.done()


def _alert(key: str, record: str, topic: str, payload: object, active: object) -> Alert:
    """Return a row of the table as an alert; of one whose payload is damaged only the record is left."""
    body = json_object(payload)
    if isinstance(payload, bytes) and body is not None and REPLACED not in topic:
        return Alert(record, topic, payload, bool(active), listed(body))
    if payload is not None:
        _log.error("journal: the state of alert %s is damaged; it is published again with its next change", key)
    return Alert(record, topic, None, bool(active))
