"""The history of events and the evidence of alerts."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.types import Bounds
from phasewatch.alerts.evidence import Evidence
from tests.adapters.journal.changes import SITE, change

AT = datetime(2026, 1, 1, tzinfo=UTC)


def in_memory(**bounds: int) -> Journal:
    return Journal.in_memory(SITE, Bounds(**bounds))


def evidence(number: int, samples: int = 3) -> Evidence:
    columns: dict[str, list[float | None]] = {
        "offset_s": [float(n) for n in range(samples)],
        "voltage_l1_n": [230.0, None, 208.5][:samples],
    }
    return Evidence(f"wiring-{number}", "main", "wiring", AT, columns)


def revs(journal: Journal, limit: int = 1000, before: int | None = None) -> list[int]:
    return [json.loads(event.payload)["rev"] for event in journal.events(limit, before)]


def test_events_stay_in_the_history_after_their_delivery_as_they_were_sent(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, SITE)
    journal.commit([change("raised", rev=1), change("cleared", rev=2)])
    sent = [row.payload for row in journal.pending(10) if not row.retain]
    journal.delivered([row.number for row in journal.pending(10)])
    journal.close()
    journal = Journal.open(tmp_path, SITE)
    assert [event.payload for event in journal.events(10)] == sent[::-1]
    journal.close()


def test_the_history_can_be_read_page_by_page() -> None:
    journal = in_memory()
    journal.commit([change("raised", rev=rev) for rev in range(10)])
    page = journal.events(4)
    assert revs(journal, 4) == [9, 8, 7, 6]
    assert revs(journal, 4, page[-1].place) == [5, 4, 3, 2]
    assert revs(journal, 4, journal.events(10)[-1].place) == []


def test_the_history_keeps_the_newest_events_within_its_bounds() -> None:
    few = in_memory(max_events=200)
    few.commit([change("raised", rev=rev) for rev in range(1000)])
    assert revs(few) == list(range(999, 999 - len(revs(few)), -1))
    assert 198 <= len(revs(few)) <= 200
    small = in_memory(max_events=200, max_event_bytes=20_000)
    for rev in range(100):
        small.commit([change("raised", rev=rev, summary="x" * 1000)])
    kept = small.events(1000)
    assert 10_000 < sum(len(event.payload) for event in kept) <= 20_000
    assert revs(small)[0] == 99


def test_a_full_file_gives_up_history_and_evidence_before_what_waits(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, SITE, Bounds(max_bytes=512 * 1024, ballast_bytes=0))
    journal.keep_evidence([evidence(1)])
    for rev in range(90):
        journal.commit([change("raised", rev=rev, summary="x" * 2000)])
    assert journal.outbox.drops.total() == 0
    assert 0 < len(revs(journal)) < 90
    assert len([row for row in journal.pending(1000) if not row.retain]) == 90
    journal.close()


def test_evidence_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, SITE)
    journal.keep_evidence([evidence(1), evidence(2)])
    journal.close()
    journal = Journal.open(tmp_path, SITE)
    assert journal.evidence("wiring-1") == evidence(1)
    assert journal.evidence("wiring-9") is None
    assert [row[0] for row in journal.archive.newest_evidence(10)] == ["wiring-2", "wiring-1"]
    journal.close()


def test_only_the_newest_evidence_is_kept() -> None:
    few = in_memory(max_evidence=3)
    for number in range(6):
        few.keep_evidence([evidence(number)])
    assert [row[0] for row in few.archive.newest_evidence(10)] == ["wiring-5", "wiring-4", "wiring-3"]
    small = in_memory(max_evidence_bytes=200)
    small.keep_evidence([evidence(number) for number in range(20)])
    assert 1 <= len(small.archive.newest_evidence(100)) < 4


def test_an_event_and_its_place_in_the_history_are_one_transaction(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, SITE)
    knot: list[object] = []
    knot.append(knot)
    with suppress(ValueError, RecursionError):
        journal.commit([change("raised"), change("raised", rev=2, summary=knot)])
    assert revs(journal) == []
    assert journal.depth() == 0
    journal.close()
