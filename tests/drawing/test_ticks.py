"""Axes: round numbers, round times of the clock that is stated."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.drawing.plot import number_ticks, round_up, time_ticks, zone

AT = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
CHINA = timezone(timedelta(hours=8))


@given(st.floats(-1e6, 1e6), st.floats(0.01, 1e6))
def test_ticks_lie_inside_and_are_few(low: float, span: float) -> None:
    ticks = number_ticks(low, low + span)
    assert 2 <= len(ticks) <= 6
    tolerance = 1e-6 * max(abs(low), span)
    assert all(low - tolerance <= value <= low + span + tolerance for value, _ in ticks)
    assert len({text for _, text in ticks}) == len(ticks)


@given(st.floats(0.001, 1e6))
def test_rounding_up_never_rounds_down(value: float) -> None:
    assert value * (1 - 1e-6) <= round_up(value) <= 1.7 * value


@pytest.mark.parametrize(
    ("first_s", "last_s", "texts"),
    [
        (-60.0, 60.0, ["11:59:30", "12:00:00", "12:00:30", "12:01:00"]),
        (-3600.0, 0.0, ["11:15", "11:30", "11:45", "12:00"]),
        (-86400.0, 0.0, ["18:00", "00:00", "06:00", "12:00"]),
        (-7 * 86400.0, 0.0, ["02-24", "02-26", "02-28"]),
    ],
)
def test_times_are_round(first_s: float, last_s: float, texts: list[str]) -> None:
    assert [text for _, text in time_ticks(AT, first_s, last_s, 4)] == texts


def test_times_are_round_on_the_clock_that_is_stated() -> None:
    ticks = time_ticks(AT.astimezone(CHINA), -86400.0, 0.0, 4)
    assert [text for _, text in ticks] == ["00:00", "06:00", "12:00", "18:00"]
    assert zone(AT.astimezone(CHINA)) == "UTC+08:00"
    assert zone(AT) == "UTC"
    assert zone(AT.astimezone(timezone(timedelta(hours=-3, minutes=-30)))) == "UTC-03:30"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        zone(AT.replace(tzinfo=None))
