"""The bounds of the outbox: rows, bytes and age; what they take, and how it is counted."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.types import Bounds
from tests.adapters.journal.changes import SITE, change

DAY_S = 86400.0
HOUR_S = 3600.0


@dataclass
class Clock:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(directory: Path, clock: Clock) -> Journal:
    return Journal.open(directory, SITE, Bounds(ballast_bytes=0), monotonic=clock)


def run(journal: Journal, clock: Clock, span_s: float) -> None:
    """Let time pass, tended as the thread of delivery does."""
    end_s = clock.now_s + span_s
    while clock.now_s < end_s:
        clock.now_s = min(end_s, clock.now_s + HOUR_S)
        journal.tend()


def waiting(journal: Journal) -> list[str]:
    return [json.loads(row.payload)["severity"] for row in journal.pending(1000) if not row.retain]


SEVERITIES = ("low", "medium", "high", "critical")


@pytest.mark.parametrize(
    ("days", "left"),
    [
        (7, SEVERITIES),
        (8, SEVERITIES[1:]),
        (14.9, SEVERITIES[1:]),
        (16, SEVERITIES[2:]),
        (29.9, SEVERITIES[2:]),
        (31, ()),
    ],
)
def test_what_waited_too_long_goes_the_least_severe_first(
    tmp_path: Path, clock: Clock, days: float, left: tuple[str, ...]
) -> None:
    journal = opened(tmp_path, clock)
    for rev, severity in enumerate(SEVERITIES):
        journal.commit([change("raised", rev=rev, severity=severity)])
    run(journal, clock, days * DAY_S)
    assert tuple(waiting(journal)) == left
    assert journal.outbox.dropped_by() == (
        {"age": dict.fromkeys(SEVERITIES[: 4 - len(left)], 1)} if len(left) < 4 else {}
    )
    assert len([row for row in journal.pending(10) if row.retain]) == 2, "the state and the list never age"
    assert journal.depth() == len(journal.pending(10))
    journal.close()


def test_no_clock_makes_an_event_old(tmp_path: Path, clock: Clock) -> None:
    journal = opened(tmp_path, clock)
    for at in ("1970-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z"):
        journal.commit([change("raised", at=at)])
    run(journal, clock, DAY_S)
    assert len(waiting(journal)) == 3
    journal.close()


def test_time_in_which_the_machine_was_off_does_not_count_and_time_of_earlier_runs_does(
    tmp_path: Path, clock: Clock
) -> None:
    journal = opened(tmp_path, clock)
    journal.commit([change("raised", severity="high")])
    run(journal, clock, 20 * DAY_S)
    journal.close()
    clock.now_s = 5.0  # booted again, whenever that was
    journal = opened(tmp_path, clock)
    run(journal, clock, 9 * DAY_S)
    assert len(waiting(journal)) == 1
    run(journal, clock, 2 * DAY_S)
    assert waiting(journal) == []
    journal.close()


def test_the_count_of_what_was_dropped_survives_a_restart(tmp_path: Path, clock: Clock) -> None:
    journal = opened(tmp_path, clock)
    journal.commit([change("raised")])
    run(journal, clock, 40 * DAY_S)
    journal.close()
    journal = opened(tmp_path, clock)
    assert journal.outbox.dropped_by() == {"age": {"medium": 1}}
    journal.close()


def test_nothing_is_written_while_nothing_waits(tmp_path: Path, clock: Clock) -> None:
    journal = opened(tmp_path, clock)
    journal.commit([change("raised")])
    journal.delivered([row.number for row in journal.pending(10)])
    before = (tmp_path / "journal.db-wal").stat().st_size
    run(journal, clock, 3 * DAY_S)
    assert (tmp_path / "journal.db-wal").stat().st_size == before
    journal.close()


def test_a_row_knows_how_long_ago_it_was_committed(tmp_path: Path, clock: Clock) -> None:
    journal = opened(tmp_path, clock)
    clock.now_s += 10
    journal.commit([change("raised")])
    clock.now_s += 2.5
    assert {journal.outbox.running_s - row.committed_s for row in journal.pending(10)} == {2.5}
    journal.close()


def test_an_attempt_that_fails_counts_nothing(tmp_path: Path, clock: Clock) -> None:
    journal = opened(tmp_path, clock)
    journal.commit([change("raised")])

    def fails() -> None:
        journal.outbox.drop_least("mqtt", 5, "rows")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        journal.write(fails)
    journal.commit([change("cleared", rev=2)])
    assert journal.outbox.dropped_by() == {}
    assert journal.depth() == len(journal.pending(10)) == 4
    journal.close()
