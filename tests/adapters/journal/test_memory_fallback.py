"""The journal when its disk fails and comes back: when it returns, and what may happen on the way."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.memory_fallback import LONGEST_AWAY_S, SHORTEST_AWAY_S
from phasewatch.adapters.journal.types import Bounds
from phasewatch.alerts.evidence import Evidence
from tests.adapters.journal.changes import SITE
from tests.adapters.journal.journal_plant import Plant, proven


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    made = Plant(tmp_path)
    yield made
    made.safe.close()


def test_evidence_dead_letters_and_topics_come_home(plant: Plant) -> None:
    found = Evidence("wiring-1", "main", "wiring", datetime(2026, 1, 1, tzinfo=UTC), {"offset_s": [0.0]})
    plant.commit(1)
    plant.break_disk()
    plant.safe.on(lambda journal: journal.keep_evidence([found]))
    plant.safe.on(lambda journal: journal.announce({"points/a": True, "points/b": False}))
    number = plant.journal.pending(1)[0].number
    plant.safe.on(lambda journal: journal.dead_letter(number, "too large"))
    plant.mend_disk()
    plant.come_home()
    assert plant.journal.evidence("wiring-1") == found
    assert plant.journal.topics == {"points/a": True, "points/b": False}
    assert plant.journal.outbox.dead_letters == 1
    assert plant.waiting() == []


def test_the_disk_is_tried_again_after_growing_pauses(plant: Plant) -> None:
    plant.break_disk()
    plant.commit(1)
    tried, pauses_s, last_s = plant.disk.opened, [], plant.now_s
    while plant.now_s < 4000:
        plant.now_s += 10
        assert not plant.safe.return_if_due()
        if plant.disk.opened > tried:
            pauses_s.append(plant.now_s - last_s)
            tried, last_s = plant.disk.opened, plant.now_s
    assert pauses_s[:4] == [SHORTEST_AWAY_S, 120.0, 240.0, 480.0]
    assert set(pauses_s[4:]) == {LONGEST_AWAY_S}


def test_a_disk_that_fails_again_on_the_way_home_changes_nothing(plant: Plant) -> None:
    plant.commit(1)
    plant.break_disk()
    plant.commit(2)
    plant.disk.writable = True
    original = plant.disk.open

    def opens_and_fails(*arguments: Any) -> Any:
        store = original(*arguments)
        plant.disk.writable = False
        return store

    plant.safe._open.keywords["open_store"] = opens_and_fails
    plant.now_s += 1000
    assert not plant.safe.return_if_due()
    assert plant.safe.degraded
    assert plant.waiting() == [1, 2]
    plant.safe._open.keywords["open_store"] = original
    plant.mend_disk()
    plant.come_home()
    assert plant.waiting() == [1, 2]


def test_memory_takes_the_most_severe_of_more_than_it_holds(tmp_path: Path) -> None:
    plant = Plant(tmp_path, Bounds(max_bytes=1024 * 1024, ballast_bytes=0, max_events=10))
    for rev in range(300):
        plant.commit(rev, severity="critical" if rev % 10 == 0 else "low", summary="x" * 2000)
    plant.break_disk()
    plant.commit(300)
    waiting = plant.waiting()
    assert set(range(0, 300, 10)) <= set(waiting)
    assert waiting == sorted(waiting)
    assert plant.safe.stranded > 0
    plant.mend_disk()
    plant.come_home()
    plant.deliver(10_000)
    dropped = plant.journal.outbox.drops.total()
    assert len({event["rev"] for event in plant.delivered}) == 301 - dropped
    plant.safe.close()


STEPS = st.lists(
    st.sampled_from(["commit", "commit", "deliver", "break", "break unreadable", "mend", "home"]), max_size=25
)


@settings(max_examples=80)
@given(steps=STEPS)
def test_whatever_the_disk_does_every_event_arrives_and_no_id_comes_twice(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    plant, rev = Plant(tmp_path_factory.mktemp("plant")), 0
    for step in [*steps, "mend", "home", "commit", "deliver"]:
        if step == "commit":
            rev += 1
            plant.commit(rev)
        elif step == "deliver":
            plant.deliver(2 if rev % 2 else 1000)
        elif step.startswith("break"):
            plant.break_disk(readable=step == "break")
        elif step == "mend":
            plant.mend_disk()
        else:
            plant.now_s += 2 * LONGEST_AWAY_S
            plant.safe.return_if_due()
    plant.deliver()
    by_id: dict[str, set[int]] = {}
    for event in plant.delivered:
        by_id.setdefault(event["id"], set()).add(event["rev"])
    assert all(len(revs) == 1 for revs in by_id.values()), "an id is one event"
    assert {event["rev"] for event in plant.delivered} == set(range(1, rev + 1))
    assert proven(plant)
    assert plant.listing()["active"][0]["rev"] == rev
    plant.safe.close()


FULL = """
import resource, sys
from pathlib import Path
from phasewatch.adapters.journal.memory_fallback import FallbackJournal
from phasewatch.adapters.journal.types import Bounds
from tests.adapters.journal.changes import SITE, change
now = [0.0]
safe = FallbackJournal(Path(sys.argv[1]), SITE, Bounds(ballast_bytes=0), monotonic=lambda: now[0])
commit = lambda rev: safe.on(lambda journal: journal.commit([change("raised", rule="wiring", rev=rev)]))
commit(1)
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, most))
commit(2)
assert safe.degraded, "full"
now[0] = 100.0
assert not safe.return_if_due() and safe.degraded, "still full"
commit(3)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
now[0] = 1000.0
assert safe.return_if_due() and safe.degraded is None, safe.degraded
commit(4)
safe.close()
"""


def test_a_file_system_that_takes_no_more_is_left_and_found_again(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    journal = Journal.open(tmp_path, SITE)
    assert [json.loads(row.payload)["rev"] for row in journal.pending(10) if not row.retain] == [1, 2, 3, 4]
    journal.close()


def test_a_stop_is_a_last_chance_to_reach_the_disk(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.break_disk()
    plant.commit(1)
    plant.mend_disk()
    plant.safe.close()
    plant.start()
    assert plant.waiting() == [1]
    plant.safe.close()
