"""The long runs, short: `make soak` has them at length."""

from pathlib import Path

import pytest

from tests.faults import frames, kills, soak, storm


@pytest.mark.broker
def test_a_service_killed_at_random_moments_loses_nothing_and_comes_back_as_it_was(tmp_path: Path) -> None:
    count = kills.run(8, 5, tmp_path, meters=5)
    assert count.sound, count
    assert count.verdict.expected > 0
    assert count.restarts_compared > 0


def test_no_wrong_answer_is_ever_a_value_and_no_bytes_are_an_error() -> None:
    result = frames.run(20_000, 5)
    assert result.sound, result
    assert result.accepted > 0


@pytest.mark.broker
def test_a_storm_drains_in_order(tmp_path: Path) -> None:
    passed = storm.run(3000, tmp_path)
    assert passed.sound, passed
    assert passed.dropped == 0


@pytest.mark.broker
def test_a_storm_beyond_the_bounds_is_bounded_and_what_it_cost_is_counted(tmp_path: Path) -> None:
    passed = storm.run(1000, tmp_path, bound=300)
    assert passed.sound, passed
    assert passed.deepest == 300
    assert passed.dropped == 1000 - 300 + 5  # four states and the list stay


@pytest.mark.broker
def test_a_long_run_leaks_neither_memory_nor_files(tmp_path: Path) -> None:
    passed = soak.run(10.0, tmp_path)
    assert passed.sound, passed
    assert passed.troubles >= 6
