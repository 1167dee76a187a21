"""Damage inside a cell of the journal's file, which SQLite cannot see: one bad row costs only itself."""

import json
import sqlite3
from pathlib import Path

import pytest

from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.memory_fallback import FallbackJournal
from phasewatch.adapters.journal.types import Bounds
from tests.adapters.journal.changes import SITE, change
from tests.adapters.journal.test_archive import evidence
from tests.adapters.mqtt.test_delivery import config, drained, running, unique
from tests.broker import mosquitto, subscriber, wait_until

ROT = b"\x00\xff{"


def damage(directory: Path, statement: str, *values: object) -> None:
    """Do to the closed journal of a directory what a bad memory cell does."""
    db = sqlite3.connect(directory / "journal.db")
    assert db.execute(statement, values).rowcount > 0
    db.commit()
    db.close()


def opened(directory: Path, **bounds: int) -> Journal:
    return Journal.open(directory, SITE, Bounds(ballast_bytes=0, **bounds))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Return the directory of a journal with two alerts, three events and evidence."""
    journal = opened(tmp_path)
    journal.commit([change("raised", rule="wiring"), change("raised", rule="phase_loss")])
    journal.commit([change("raised", rule="phase_loss", rev=2)])
    journal.keep_evidence([evidence(1), evidence(2)])
    journal.close()
    return tmp_path


@pytest.mark.parametrize("rot", [ROT, b"[]", b"null", b"", 7, "text"])
def test_an_alert_whose_payload_is_damaged_keeps_its_record_and_stops_nothing(written: Path, rot: object) -> None:
    damage(written, "UPDATE alert SET payload = ? WHERE key = 'main/wiring'", rot)
    journal = opened(written)
    assert journal.records() == {"main/wiring": '{"raised": 1}', "main/phase_loss": '{"raised": 2}'}
    assert [json.loads(payload)["rule"] for payload in journal.states()] == ["phase_loss"]
    assert [json.loads(message.payload).get("rule") for message in journal.retained()] == ["phase_loss", None]
    journal.commit([change("raised", rule="phase_loss", rev=3)])
    assert journal.seq == 4
    journal.commit([change("raised", rule="wiring", rev=2)])
    listed = json.loads(journal.retained()[-1].payload)["active"]
    assert sorted(alert["rule"] for alert in listed) == ["phase_loss", "wiring"]
    journal.close()


@pytest.mark.parametrize("rot", [ROT, b"[]", "text"])
def test_a_damaged_event_of_the_history_is_passed_over_and_the_page_is_full(written: Path, rot: object) -> None:
    damage(written, "UPDATE event SET payload = ? WHERE number = 2", rot)
    journal = opened(written)
    assert [json.loads(event.payload)["seq"] for event in journal.events(2)] == [3, 1]
    assert journal.events(10, before=3) == journal.events(10)[1:]
    journal.close()


@pytest.mark.parametrize(
    ("column", "rot"),
    [("samples", ROT), ("samples", "text"), ("at", "never"), ("at", 5), ("samples", b"x\x9c\x03\x00")],
)
def test_damaged_evidence_is_none(written: Path, column: str, rot: object) -> None:
    damage(written, f"UPDATE evidence SET {column} = ? WHERE alert_id = 'wiring-1'", rot)
    journal = opened(written)
    assert journal.evidence("wiring-1") is None
    assert journal.evidence("wiring-2") == evidence(2)
    journal.close()


@pytest.mark.parametrize("table", ["alert", "outbox", "event", "evidence", "announced"])
def test_text_that_is_no_text_any_more_keeps_nobody_from_the_disk(written: Path, table: str) -> None:
    journal = opened(written)
    journal.announce({"points/a": True})
    journal.close()
    names = {"alert": "record", "outbox": "topic", "event": "payload", "evidence": "subject", "announced": "topic"}
    damage(written, f"UPDATE {table} SET {names[table]} = CAST(X'ff00' AS TEXT) WHERE rowid = 1" if table != "announced"
           else "UPDATE announced SET topic = CAST(X'ff00' AS TEXT)")  # fmt: skip
    safe = FallbackJournal(written, SITE, Bounds(ballast_bytes=0))
    safe.on(lambda journal: journal.commit([change("raised", rule="phase_loss", rev=3)]))
    assert len(safe.on(lambda journal: journal.pending(100))) == 7
    safe.on(lambda journal: [journal.events(10), journal.evidence("wiring-1"), journal.records()])
    assert safe.degraded is None
    safe.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE meta SET value = 'x' WHERE key = 'seq'",
        "UPDATE meta SET value = 5 WHERE key = 'uuid'",
        "UPDATE meta SET key = 'sfq' WHERE key = 'seq'",
    ],
)
def test_a_numbering_that_cannot_be_read_is_over_and_another_begins(written: Path, statement: str) -> None:
    before = opened(written)
    before.close()
    damage(written, statement)
    uuids = set()
    for seq in (1, 2):
        journal = opened(written)
        journal.commit([change("raised", rev=seq)])
        assert journal.seq == seq
        uuids.add(journal.uuid)
        journal.close()
    assert len(uuids - {before.uuid}) == 1


@pytest.mark.parametrize("rot", ["{", "[]", '{"a": "b"}', 5])
def test_ends_of_earlier_journals_that_cannot_be_read_are_forgotten(written: Path, rot: object) -> None:
    damage(written, "UPDATE meta SET value = ? WHERE key = 'ended'", rot)
    journal = opened(written)
    assert (journal.seq, journal.ended) == (3, {})
    journal.close()


def test_counts_that_cannot_be_read_begin_anew(written: Path) -> None:
    damage(written, "UPDATE meta SET value = 'x' WHERE key IN ('ran_s', 'dead_letters')")
    journal = opened(written)
    journal.dead_letter(1, "too large")
    journal.tend()
    assert journal.outbox.dead_letters == 1
    journal.close()


def test_a_row_whose_severity_is_none_is_dropped_and_counted_as_critical(written: Path) -> None:
    damage(written, "UPDATE outbox SET severity = -5 WHERE kind = 'event'")
    journal = opened(written, max_rows=4)
    journal.commit([change("raised", rule="phase_loss", rev=3)])
    assert journal.outbox.drops["mqtt", "rows", "critical"] == 3
    journal.close()


@pytest.mark.broker
def test_rows_of_which_anything_is_damaged_stop_no_other(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker, subscriber(broker.url) as watching:
        state = tmp_path / "state"
        journal = opened(state)
        journal.commit([change("raised", rule="wiring", rev=rev) for rev in range(1, 7)])
        numbers = [row.number for row in journal.pending(100) if not row.retain]
        journal.close()
        for number, column, rot in zip(
            numbers,
            ("topic", "topic", "ran_s", "payload", "retain"),
            ("a/#", "a\x00b", "x", 5, "x"),
            strict=False,
        ):
            damage(state, f"UPDATE outbox SET {column} = ? WHERE number = ?", rot, number)
        damage(state, "UPDATE alert SET payload = ?", ROT)
        with running(config(tmp_path, broker.url)) as delivery:
            delivery.commit([change("raised", rule="phase_loss")])
            wait_until(drained(delivery), "the outbox empty")
            assert delivery.status.dead_letters == 3
            assert delivery.status.connects == 1
        wait_until(lambda: [event["seq"] for event in unique(watching)] == [3, 5, 6, 7])
