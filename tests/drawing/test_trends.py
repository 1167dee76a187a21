"""The last hour and day of each point."""

import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.drawing.trends import QUANTITIES, SLOT_S, SLOTS, History, Span
from phasewatch.meters.quantities import LN

U1 = LN[0]


def filled(values: Mapping[float, float]) -> History:
    """Return a history of one quantity, by time."""
    history = History()
    for t_s, value in values.items():
        history.reading("main", t_s, {U1: value})
    return history


def known(trend: dict[str, Any], part: str = "mean") -> dict[float, float]:
    """Return what a trend holds of one quantity, by seconds from now."""
    column = trend["quantities"].get(U1, {}).get(part, [])
    return {t_s: value for t_s, value in zip(trend["t_s"], column, strict=False) if value is not None}


def test_a_slot_keeps_its_lowest_mean_and_highest_value() -> None:
    history = filled({1000.0: 230.0, 1003.0: 226.0, 1009.0: 237.0})
    trend = history.trend("main", "hour", 1030.0)
    assert [known(trend, part) for part in ("low", "mean", "high")] == [{-25.0: 226.0}, {-25.0: 231.0}, {-25.0: 237.0}]


def test_the_slot_that_is_not_over_is_shown_already() -> None:
    history = filled({1000.0: 230.0})
    assert known(history.trend("main", "hour", 1001.0)) == {4.0: 230.0}
    assert known(history.trend("main", "day", 1001.0)) == {49.0: 230.0}


def test_a_slot_of_the_day_weighs_its_readings_alike() -> None:
    history = filled({900.0: 100.0, 901.0: 100.0, 902.0: 100.0, 1100.0: 200.0})
    assert known(history.trend("main", "day", 1300.0)) == {-250.0: 125.0}
    assert known(history.trend("main", "day", 1300.0), "high") == {-250.0: 200.0}


def test_a_gap_stays_a_gap() -> None:
    history = filled({1000.0: 230.0, 1050.0: 231.0})
    assert known(history.trend("main", "hour", 1060.0)) == {-55.0: 230.0, -5.0: 231.0}


@pytest.mark.parametrize("gap_s", [3700.0, 7300.0, 100_000.0])
def test_what_is_older_than_the_span_is_gone(gap_s: float) -> None:
    history = filled({1000.0: 230.0, 1000.0 + gap_s: 231.0})
    assert known(history.trend("main", "hour", 1001.0 + gap_s)) == {4.0: 231.0}


def test_nothing_new_leaves_the_trend_to_run_out() -> None:
    history = filled({1000.0: 230.0})
    assert known(history.trend("main", "hour", 4500.0)) == {-3495.0: 230.0}
    assert known(history.trend("main", "hour", 5000.0)) == {}


def test_what_is_missing_or_no_number_has_no_column() -> None:
    history = History()
    history.reading("main", 0.0, {U1: float("nan"), LN[1]: 230.0})
    assert set(history.trend("main", "hour", 1.0)["quantities"]) == {LN[1]}
    assert history.trend("other", "day", 1.0)["quantities"] == {}


def test_a_point_that_is_gone_is_forgotten() -> None:
    history = filled({1000.0: 230.0})
    history.keep(("other",))
    assert history.trend("main", "hour", 1001.0)["quantities"] == {}


times = st.lists(st.floats(0.0, 200_000.0), min_size=1, max_size=60).map(sorted)


@given(times, st.sampled_from(("hour", "day")))
def test_every_value_of_the_span_lies_between_low_and_high_of_its_slot(stamps: list[float], span: Span) -> None:
    values = {t_s: 200.0 + t_s % 50.0 for t_s in stamps}
    now_s, width_s = stamps[-1], SLOT_S[span]
    trend = filled(values).trend("main", span, now_s)
    assert len(trend["t_s"]) == SLOTS[span]
    lows, highs = (trend["quantities"][U1][part] for part in ("low", "high"))
    first = int(now_s // width_s) - SLOTS[span] + 1
    shown = {int(t_s // width_s) - first for t_s in stamps if t_s // width_s >= first}
    assert {place for place, low in enumerate(lows) if low is not None} == shown
    for t_s, value in values.items():
        place = int(t_s // width_s) - first
        if place >= 0:
            assert lows[place] - 0.01 <= value <= highs[place] + 0.01


def size(thing: object, seen: set[int]) -> int:
    """Return the bytes that a thing keeps to itself."""
    if id(thing) in seen or isinstance(thing, str | type):
        return 0
    seen.add(id(thing))
    parts: list[object] = list(thing.values()) if isinstance(thing, dict) else []
    slots = (name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ()))
    parts += [getattr(thing, name) for name in slots if hasattr(thing, name)]
    return sys.getsizeof(thing) + sum(size(part, seen) for part in parts)


def test_a_point_with_every_quantity_takes_less_than_42_kib() -> None:
    history = History()
    for t_s in range(0, 90_000, 5):
        history.reading("main", float(t_s), dict.fromkeys(QUANTITIES, 230.0 + t_s % 7))
    assert size(history._points["main"], set()) < 42 * 1024
