from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.meters.quantities import LN
from phasewatch.rules.aggregates import TenMinutes
from tests.timeline import readings


def mean_after(timeline: str, step_s: float = 1.0, start_s: float = 0.0) -> float | None:
    """Return the mean in force after the last sample."""
    block = TenMinutes(LN[0])
    for reading in readings({LN[0]: timeline}, step_s=step_s, start_s=start_s):
        block.add(reading)
    return block.mean


@pytest.mark.parametrize(
    ("timeline", "mean"),
    [
        ("230x600", None),
        ("230x601", 230.0),
        ("230x600 _", 230.0),
        ("230x542 _x58 230", 230.0),
        ("230x541 _x59 230", 230.0),
        ("230x540 _x60 230", None),
        ("230x270 _x58 230x272 240", 230.0),
        ("230x270 _x60 230x270 240", None),
        ("_x601", None),
        ("230x601 _x600", None),
    ],
)
def test_a_mean_takes_nine_tenths_of_its_block(timeline: str, mean: float | None) -> None:
    # The first sample has none before it: 600 samples cover 599 s.
    assert mean_after(timeline) == (None if mean is None else pytest.approx(mean))


def test_a_mean_is_rms() -> None:
    assert mean_after("200x300 260x300 230") == pytest.approx(((200**2 + 260**2) / 2) ** 0.5, abs=0.1)


@pytest.mark.parametrize(("start_s", "mean"), [(0.0, 230.0), (59.0, 230.0), (60.0, None), (300.0, None)])
def test_the_first_block_counts_if_enough_of_it_was_seen(start_s: float, mean: float | None) -> None:
    assert mean_after(f"230x{int(601 - start_s)}", start_s=start_s) == mean


def test_a_sample_speaks_for_ten_seconds_at_most() -> None:
    assert mean_after("230x61", step_s=10.0) == pytest.approx(230.0)
    assert mean_after("230x41", step_s=15.0) is None


def test_a_block_that_was_skipped_leaves_no_mean() -> None:
    block = TenMinutes(LN[0])
    for reading in readings({LN[0]: "230x600"}):
        block.add(reading)
    (late,) = readings({LN[0]: "230"}, start_s=1300.0)
    assert block.add(late) is None


@pytest.mark.parametrize("jump", [timedelta(hours=3), timedelta(hours=-3), timedelta(minutes=10, seconds=1)])
def test_a_clock_that_jumps_leaves_no_mean(jump: timedelta) -> None:
    block = TenMinutes(LN[0])
    for reading in readings({LN[0]: "230x300"}):
        block.add(reading)
    for reading in readings({LN[0]: "230x2"}, start_s=300.0):
        assert block.add(replace(reading, at=reading.at + jump)) is None


def test_the_mean_of_a_block_stands_through_the_next() -> None:
    assert mean_after("230x600 240x600") == pytest.approx(230.0)
    assert mean_after("230x600 240x601") == pytest.approx(240.0, abs=0.1)


@given(st.lists(st.floats(0.0, 500.0), min_size=30, max_size=30))
def test_a_mean_lies_between_its_samples(values: list[float]) -> None:
    line = " ".join(f"{value!r}x4" for value in values)
    mean = mean_after(f"{line} 230", step_s=5.0)
    assert mean is not None
    assert min(*values, 230.0) - 1e-6 <= mean <= max(*values, 230.0) + 1e-6


def test_samples_of_a_fault_do_not_count() -> None:
    block = TenMinutes(LN[0])
    for number, reading in enumerate(readings({LN[0]: "230x570 0x30 230"})):
        block.add(reading, valid=not 570 <= number < 600)
    assert block.mean == pytest.approx(230.0)
