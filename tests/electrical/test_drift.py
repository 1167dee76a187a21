import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.electrical.neutral_impedance import (
    ALARM,
    LEAST_BLOCKS,
    LEAST_LEARNED,
    MOST_BLOCKS,
    Drift,
    Slope,
    weighted_median,
)

BUSY_A2 = 20.0
"""Six such blocks are enough for one value."""
SLOPES = st.builds(Slope, st.floats(-1.0, 1.0), st.floats(1.0, 1000.0))


def feed(drift: Drift, ohm: float, values: int, spread: float = 0.0, seed: int = 1) -> Drift:
    """Feed busy blocks until so many values were taken."""
    draw = random.Random(seed)
    for _ in range(values * LEAST_BLOCKS):
        drift.learn(Slope(ohm + draw.gauss(0.0, spread), BUSY_A2))
    return drift


def learned(ohm: float = 0.03, spread: float = 0.0) -> Drift:
    return feed(Drift(LEAST_LEARNED * LEAST_BLOCKS), ohm, LEAST_LEARNED, spread)


def test_it_learns_for_its_time_and_until_it_has_enough() -> None:
    drift = feed(Drift(1000), 0.03, LEAST_LEARNED)
    assert drift.baseline_ohm is None
    for _ in range(1000):
        drift.learn(None)
    assert drift.baseline_ohm == pytest.approx(0.03)
    empty = Drift(10)
    for _ in range(1000):
        empty.learn(None)
    assert empty.baseline_ohm is None


def test_sigma_is_never_less_than_a_quarter_of_the_baseline_nor_than_what_is_resolved() -> None:
    assert learned(0.4).sigma_ohm == pytest.approx(0.1)
    assert learned(0.004).sigma_ohm == 0.005
    assert learned(0.03, spread=0.1).sigma_ohm > 0.02


def test_an_eighth_more_adds_up_to_nothing_and_half_as_much_again_to_an_alarm() -> None:
    assert feed(learned(), 0.03 * 1.12, 500).sum == 0.0
    drift = learned()
    values = 0
    while drift.sum <= ALARM:
        feed(drift, 0.045, 1)
        values += 1
    assert values == 6
    assert feed(drift, 0.03, 40).sum == 0.0


def test_no_single_value_is_an_alarm() -> None:
    assert feed(learned(), 50.0, 2).sum <= ALARM


def test_quiet_blocks_are_gathered_until_they_say_as_much_as_busy_ones() -> None:
    drift = learned()
    for _ in range(40):
        drift.learn(Slope(9.0, 1.0))
    assert drift.present_ohm == pytest.approx(0.03)
    for _ in range(20):
        drift.learn(Slope(9.0, 1.0))
    assert drift.present_ohm == 9.0


def test_a_value_takes_a_day_of_blocks_at_most() -> None:
    drift = Drift(10)
    for _ in range(MOST_BLOCKS):
        drift.learn(Slope(0.5, 0.1))
    assert drift.present_ohm == 0.5


@given(st.lists(SLOPES, min_size=1, max_size=20))
def test_half_of_the_weight_lies_on_either_side_of_a_weighted_median(slopes: list[Slope]) -> None:
    found, whole = weighted_median(slopes), sum(one.weight for one in slopes)
    assert sum(one.weight for one in slopes if one.ohm < found) <= whole / 2 * (1 + 1e-9)
    assert sum(one.weight for one in slopes if one.ohm > found) <= whole / 2 * (1 + 1e-9)


@given(st.lists(st.none() | SLOPES, max_size=600), st.integers(1, 300))
def test_a_restart_goes_on_where_it_was_and_its_record_stays_small(slopes: list[Slope | None], blocks: int) -> None:
    straight, resumed = Drift(blocks), Drift(blocks)
    for place, slope in enumerate(slopes):
        straight.learn(slope)
        resumed.learn(slope)
        if place % 97 == 0:
            kept = json.dumps(resumed.state())
            assert len(kept) < 4500
            resumed = Drift(blocks)
            resumed.restore(json.loads(kept))
    assert (resumed.baseline_ohm is None) == (straight.baseline_ohm is None)
    assert resumed.sum == pytest.approx(straight.sum, abs=0.3)


def test_what_is_kept_while_learning_is_bounded() -> None:
    drift = feed(Drift(10**6), 0.03, 5000, spread=0.01)
    assert len(json.dumps(drift.state())) < 2500
