"""Rows of several sinks in one outbox: none waits, overflows or is counted for another."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.memory_fallback import LONGEST_AWAY_S, FallbackJournal
from phasewatch.adapters.journal.types import Bounds, Intake
from tests.adapters.journal.changes import SITE, alert_topic, change
from tests.adapters.journal.failing_disk import Disk

BOTH: Intake = {"mqtt": None, "erp": None}


def opened(directory: Path, sinks: Intake = BOTH, **bounds: int) -> Journal:
    return Journal.open(directory, SITE, Bounds(ballast_bytes=0, **bounds), sinks=sinks)


def revs(journal: Journal, sink: str) -> list[int]:
    return [json.loads(row.payload)["rev"] for row in journal.pending(1000, 0, sink) if not row.retain]


def accept(journal: Journal, sink: str) -> None:
    journal.delivered([row.number for row in journal.pending(1000, 0, sink)])


def test_every_sink_gets_every_event_and_only_mqtt_the_states(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.commit([change("raised"), change("cleared", rev=2)])
    assert revs(journal, "mqtt") == revs(journal, "erp") == [1, 2]
    assert [row.retain for row in journal.pending(10, 0, "erp")] == [False, False]
    payloads = {row.payload for sink in BOTH for row in journal.pending(10, 0, sink) if not row.retain}
    assert len(payloads) == 2, "the same bytes for both"
    journal.close()


def test_what_one_sink_accepted_still_waits_for_the_other_over_a_restart(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.commit([change("raised", rev=rev) for rev in range(3)])
    accept(journal, "mqtt")
    journal.close()
    journal = opened(tmp_path)
    assert (revs(journal, "mqtt"), revs(journal, "erp")) == ([], [0, 1, 2])
    assert journal.outbox.depths == {"erp": 3}
    journal.close()


def test_the_rows_of_a_sink_that_takes_nothing_push_out_only_their_own(tmp_path: Path) -> None:
    journal = opened(tmp_path, max_rows=5)
    for rev in range(8):
        journal.commit([change("raised", rev=rev, severity="high" if rev < 4 else "low")])
        accept(journal, "mqtt") if rev < 6 else None
    assert revs(journal, "mqtt") == [6, 7]
    assert revs(journal, "erp") == [0, 1, 2, 3, 7]
    assert (journal.outbox.dropped("mqtt"), journal.outbox.dropped("erp")) == (0, 3)
    assert journal.outbox.dropped_by() == {"rows": {"low": 3}}
    journal.close()


def test_a_full_file_takes_from_the_sink_with_the_most_rows(tmp_path: Path) -> None:
    journal = opened(tmp_path, max_bytes=256 * 1024)
    for rev in range(300):
        journal.commit([change("raised", rev=rev, severity="low" if rev % 2 else "critical", summary="x" * 1000)])
        accept(journal, "mqtt") if rev < 290 else None
    assert revs(journal, "mqtt") == list(range(290, 300))
    assert journal.outbox.dropped("mqtt") == 0
    assert journal.outbox.dropped("erp") == 300 - len(revs(journal, "erp"))
    journal.close()


def test_a_sink_that_is_no_longer_configured_leaves_no_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = opened(tmp_path)
    journal.commit([change("raised")])
    journal.close()
    journal = opened(tmp_path, {"mqtt": None})
    assert revs(journal, "mqtt") == [1]
    assert journal.depth() == 3
    assert "erp (1 rows)" in caplog.text
    journal.close()
    journal = opened(tmp_path)
    assert revs(journal, "erp") == [], "one that comes back begins with the next event"
    journal.close()


def test_a_sink_of_a_least_severity_gets_the_whole_of_what_it_gets(tmp_path: Path) -> None:
    journal = opened(tmp_path, {"mqtt": None, "erp": "high"})

    def commit(rev: int, severity: str, rule: str = "wiring", **more: Any) -> None:
        journal.commit([change("raised", rule=rule, rev=rev, severity=severity, **more)])

    commit(1, "medium")
    commit(2, "high")
    commit(3, "critical")
    commit(4, "low")
    commit(5, "low")
    commit(6, "low", rule="phase_loss")
    commit(7, "high")
    commit(8, "low", alert_id="wiring-2")
    assert revs(journal, "mqtt") == [1, 2, 3, 4, 5, 6, 7, 8]
    assert revs(journal, "erp") == [2, 3, 4, 7], "4 lowers the alert: its last event; 8 is another occurrence"
    journal.close()


@dataclass
class Fallback:
    directory: Path
    bounds: Bounds = field(default_factory=lambda: Bounds(ballast_bytes=0))
    now_s: float = 0.0
    disk: Disk = field(default_factory=Disk)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.safe = FallbackJournal(
            self.directory, SITE, self.bounds, monotonic=lambda: self.now_s, open_store=self.disk.open, sinks=BOTH
        )

    def commit(self, rev: int, **more: Any) -> None:
        self.safe.on(Journal.commit, [change("raised", rev=rev, **more)])


def test_each_sink_keeps_its_own_rows_through_memory_and_back(tmp_path: Path) -> None:
    plant = Fallback(tmp_path)
    plant.commit(1)
    plant.commit(2)
    accept(plant.safe.current, "mqtt")
    plant.disk.writable = False
    plant.commit(3)
    assert plant.safe.degraded
    assert (revs(plant.safe.current, "mqtt"), revs(plant.safe.current, "erp")) == ([3], [1, 2, 3])
    accept(plant.safe.current, "mqtt")
    plant.commit(4)
    first = plant.safe.current.pending(1, 0, "erp")[0]
    plant.safe.on(Journal.delivered, [first.number])
    plant.disk.writable = True
    plant.now_s += 2 * LONGEST_AWAY_S
    assert plant.safe.return_if_due()
    assert (revs(plant.safe.current, "mqtt"), revs(plant.safe.current, "erp")) == ([4], [2, 3, 4])
    assert alert_topic(change("raised")) in {row.topic for row in plant.safe.current.pending(10)}
    plant.safe.close()


def test_the_rows_of_a_dead_sink_leave_room_in_memory_for_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phasewatch.adapters.journal.memory_fallback.MEMORY_BYTES", 200_000)
    plant = Fallback(tmp_path)
    for rev in range(100):
        plant.commit(rev, severity="critical", summary="x" * 1000)
    accept(plant.safe.current, "mqtt")
    plant.commit(100, severity="low", summary="x" * 1000)
    plant.disk.writable = False
    plant.commit(101, severity="low")
    assert revs(plant.safe.current, "mqtt") == [100, 101]
    assert plant.safe.stranded == 102 - len(revs(plant.safe.current, "erp"))
    assert plant.safe.stranded > 0
    plant.safe.close()


STEPS = st.lists(
    st.one_of(
        st.just(("commit", 1)),
        st.tuples(st.sampled_from(["mqtt", "erp"]), st.integers(1, 4)),
        st.just(("break", 0)),
        st.just(("home", 0)),
        st.just(("restart", 0)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_whatever_happens_each_sink_gets_every_event_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    plant = Fallback(tmp_path_factory.mktemp("journal"))
    accepted: dict[str, list[int]] = {sink: [] for sink in BOTH}
    committed = 0
    for step, count in steps:
        if step == "commit":
            committed += 1
            plant.commit(committed)
        elif step == "break":
            plant.disk.writable = False
        elif step == "home" or (step == "restart" and plant.safe.degraded):
            plant.disk.writable = True
            plant.now_s += 2 * LONGEST_AWAY_S
            plant.safe.return_if_due()
        elif step == "restart":
            plant.disk.writable = True
            plant.safe.close()
            plant.start()
        else:
            rows = plant.safe.on(Journal.pending, count, 0, step)
            accepted[step] += [json.loads(row.payload)["rev"] for row in rows if not row.retain]
            plant.safe.on(Journal.delivered, [row.number for row in rows])
        for sink in BOTH:
            assert accepted[sink] + revs(plant.safe.current, sink) == list(range(1, committed + 1))
            assert plant.safe.current.outbox.depths[sink] == len(plant.safe.current.pending(1000, 0, sink))
    plant.disk.writable = True
    plant.safe.close()
