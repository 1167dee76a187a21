"""From the disk to memory and home again: nothing is lost, no id comes twice, and the list proves it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from phasewatch.adapters.journal.journal import Journal
from tests.adapters.journal.changes import SITE, alert_topic, change
from tests.adapters.journal.journal_plant import Plant, proven

WIRING = change("raised", rule="wiring")


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    made = Plant(tmp_path)
    yield made
    made.safe.close()


def test_what_was_written_in_memory_is_on_the_disk_once_that_is_back(plant: Plant) -> None:
    plant.commit(1)
    plant.break_disk()
    plant.commit(2)
    assert plant.safe.degraded
    assert "disk I/O error" in plant.safe.degraded
    plant.commit(3)
    plant.safe.on(lambda journal: journal.remember({"main/learned": "new"}))
    plant.mend_disk()
    plant.come_home()
    plant.safe.close()
    plant.start()
    assert plant.waiting() == [1, 2, 3]
    assert plant.journal.records() == {"main/wiring": '{"raised": 3}', "main/learned": "new"}
    assert [json.loads(event.payload)["rev"] for event in plant.journal.events(10)] == [3, 2, 1]
    assert plant.listing()["active"][0]["rev"] == 3


def test_no_id_is_used_twice_and_the_list_proves_completeness(plant: Plant) -> None:
    begun = plant.journal.uuid
    for rev in range(1, 4):
        plant.commit(rev)
    plant.deliver()
    plant.break_disk()
    plant.commit(4)
    plant.deliver()
    assert proven(plant), "in memory"
    plant.commit(5)
    plant.mend_disk()
    plant.come_home()
    plant.commit(6)
    plant.deliver()
    assert [event["rev"] for event in plant.delivered] == [1, 2, 3, 4, 5, 6]
    ids = [event["id"] for event in plant.delivered]
    assert len(set(ids)) == 6
    assert ids[-1] == f"{SITE}-{begun}-4", "the series of this run goes on"
    assert proven(plant), "at home"


def test_what_memory_delivered_is_not_delivered_again_from_the_disk(plant: Plant) -> None:
    plant.commit(1)
    plant.commit(2)
    plant.break_disk()
    plant.commit(3)
    plant.deliver(2)
    plant.mend_disk()
    plant.come_home()
    plant.deliver()
    assert [event["rev"] for event in plant.delivered] == [1, 2, 3]
    assert proven(plant)


def test_rows_that_memory_could_not_take_are_delivered_when_the_disk_is_back(plant: Plant) -> None:
    for rev in range(1, 6):
        plant.commit(rev)
    plant.break_disk(readable=False)
    plant.commit(6)
    assert plant.safe.stranded == 7
    assert plant.waiting() == [6]
    states = [row for row in plant.journal.pending(10) if row.topic == alert_topic(WIRING)]
    assert [json.loads(row.payload)["rev"] for row in states] == [6]
    plant.deliver()
    plant.mend_disk()
    plant.come_home()
    assert plant.safe.stranded == 0
    plant.deliver()
    assert sorted(event["rev"] for event in plant.delivered) == [1, 2, 3, 4, 5, 6]
    assert proven(plant)
    assert plant.journal.outbox.drops.total() == 0


def test_an_event_that_is_on_the_disk_although_its_commit_failed_keeps_its_id(plant: Plant) -> None:
    plant.commit(1)
    begun = plant.journal.uuid
    plant.break_disk()
    plant.commit(2)
    plant.mend_disk()
    hidden = Journal.open(plant.directory, SITE, plant.bounds)
    hidden.commit([change("raised", rule="wiring", rev=2)])
    hidden.close()
    plant.come_home()
    plant.commit(3)
    plant.deliver()
    assert [event["id"].removeprefix(f"{SITE}-{begun}-") for event in plant.delivered if begun in event["id"]] == [
        "1",
        "2",
        "3",
    ]
    assert proven(plant)


def test_a_file_that_was_set_back_gives_no_id_again(plant: Plant) -> None:
    plant.commit(1)
    plant.deliver()
    plant.break_disk()
    plant.commit(2)
    plant.deliver()
    old = Journal.open(plant.directory, SITE, plant.bounds)
    old.store.change("UPDATE meta SET value = 0 WHERE key = 'seq'")
    old.close()
    plant.mend_disk()
    plant.come_home()
    plant.commit(3)
    plant.deliver()
    assert len({event["id"] for event in plant.delivered}) == 3


def test_a_new_file_in_place_of_a_damaged_one_goes_on_with_the_series(plant: Plant) -> None:
    plant.commit(1)
    begun = plant.journal.uuid
    plant.disk.rows_readable = 1
    plant.break_disk()
    plant.commit(2)
    assert plant.safe.stranded == 2
    (plant.directory / "journal.db").write_bytes(b"damaged" * 1000)
    plant.mend_disk()
    plant.come_home()
    assert plant.safe.set_aside == str(plant.directory / "journal.db.damaged-1")
    assert plant.journal.uuid == begun
    assert plant.journal.outbox.dropped_by() == {"disk": {"unknown": 2}}
    plant.commit(3)
    assert json.loads(plant.journal.events(1)[0].payload)["id"] == f"{SITE}-{begun}-2"
    assert plant.waiting() in ([1, 2, 3], [2, 3])


def test_a_start_without_the_disk_comes_home_to_what_the_last_run_left(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.commit(1)
    plant.safe.on(lambda journal: journal.commit([change("raised", rule="phase_loss")]))
    plant.safe.on(lambda journal: journal.remember({"main/learned": "for weeks"}))
    plant.safe.on(lambda journal: journal.announce({"old": True}))
    plant.safe.close()
    plant.break_disk()
    plant.start()
    assert plant.journal.records() == {}
    plant.commit(2)
    named = plant.journal.uuid
    plant.mend_disk()
    plant.come_home()
    assert plant.journal.uuid == named, "it stands in the ids of the alerts of this run"
    assert plant.journal.records() == {"main/wiring": '{"raised": 2}', "main/learned": "for weeks"}
    assert plant.journal.topics == {"old": True}
    rows = {row.topic: row.payload for row in plant.journal.pending(10) if row.retain}
    assert rows[alert_topic(change("raised", rule="phase_loss"))] == b"", "nobody judges it any more"
    plant.deliver()
    assert [(event["rule"], event["rev"]) for event in plant.delivered] == [
        ("wiring", 1),
        ("phase_loss", 1),
        ("wiring", 2),
    ]
    assert proven(plant)
    plant.safe.close()


def test_a_row_that_could_not_be_read_is_not_taken_for_delivered(plant: Plant) -> None:
    for rev in range(1, 4):
        plant.commit(rev)
    plant.disk.damaged_rows = frozenset([plant.journal.pending(1)[0].number])
    plant.break_disk()
    plant.commit(4)
    plant.deliver()
    assert [event["rev"] for event in plant.delivered] == [2, 3, 4]
    assert plant.safe.stranded == 1
    plant.mend_disk()
    plant.come_home()
    plant.deliver()
    assert [event["rev"] for event in plant.delivered] == [2, 3, 4, 1]
    assert proven(plant)
