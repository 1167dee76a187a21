import math

import pytest

from phasewatch.adapters.modbus.bus import LAST_RETRY_S, SETTLED_S, LineBackoff, Pace, Timing, coarse_s


def test_a_bus_without_a_past_is_ready() -> None:
    assert Timing(Pace(0.5, gap_s=9.0), silence_s=0.004).ready_at(1, None) == 0.0


def test_the_longest_of_all_gaps_counts() -> None:
    timing = Timing(Pace(0.5, gap_s=0.02, unit_gap_s=0.2, gaps_s={3: 0.3, 4: 0.1}), silence_s=0.004)
    timing.ended(1, 10.0, fits=True)
    assert [timing.ready_at(unit, None) for unit in (1, 2, 3, 4)] == [10.02, 10.2, 10.3, 10.2]


def test_bytes_after_the_answer_push_the_next_request_back() -> None:
    timing = Timing(Pace(0.5), silence_s=0.004)
    timing.ended(1, 10.0, fits=True)
    assert timing.ready_at(1, 9.9) == 10.004
    assert timing.ready_at(1, 10.5) == 10.504


def test_a_line_is_quiet_for_the_time_out_and_at_least_300_ms() -> None:
    for timeout_s, quiet_until in ((0.05, 10.3), (1.0, 11.0)):
        timing = Timing(Pace(timeout_s), silence_s=0.004)
        timing.ended(1, 10.0, fits=False)
        assert timing.ready_at(2, None) == quiet_until
        assert timing.ready_at(2, quiet_until) == quiet_until + SETTLED_S


def test_an_answer_that_fits_ends_the_distrust() -> None:
    timing = Timing(Pace(0.5), silence_s=0.004)
    timing.ended(1, 10.0, fits=False)
    timing.ended(1, 20.0, fits=True)
    assert timing.ready_at(1, 20.0) == 20.004


def test_without_a_serial_line_nothing_is_quiet() -> None:
    timing = Timing(Pace(0.5), silence_s=0.0)
    timing.ended(1, 10.0, fits=False)
    assert timing.ready_at(1, None) == 10.0


def test_the_pause_doubles_up_to_its_end_and_starts_again() -> None:
    backoff = LineBackoff()
    pauses = []
    for _ in range(7):
        backoff.failed(10.0)
        pauses.append(round(backoff.until - 10.0, 3))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, LAST_RETRY_S, LAST_RETRY_S]
    backoff.clear()
    assert backoff.until == 0.0
    backoff.failed(0.0)
    assert backoff.until == 0.1


@pytest.mark.parametrize(
    ("wait_s", "sleeps_s"), [(0.0, 0.0), (0.0009, 0.0), (0.001, 0.0005), (0.00175, 0.0005), (0.00365, 0.0025)]
)
def test_a_sleep_that_is_rounded_up_to_milliseconds_does_not_oversleep(wait_s: float, sleeps_s: float) -> None:
    assert coarse_s(wait_s) == pytest.approx(sleeps_s)
    assert math.ceil(1000 * coarse_s(wait_s)) / 1000 <= wait_s
