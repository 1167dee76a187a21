from collections.abc import Iterable

import pytest

from phasewatch.rules.bus_overloaded import BusOverloaded, Settings
from phasewatch.rules.rule import BusLoad
from tests.rules.views import MARKS, one_of

BEAT_S = 5.0


def letters(beats: Iterable[tuple[int, int]], longest_interval_s: float = 1.0, settings: Settings | None = None) -> str:
    """Return one letter a beat; each beat is (polls made, polls left out) since the one before."""
    rule, active, found, polls, overruns = BusOverloaded(settings or Settings()), False, "", 0, 0
    for number, (made, missed) in enumerate(beats):
        polls, overruns = polls + made, overruns + missed
        load = BusLoad(number * BEAT_S, polls, overruns, longest_interval_s)
        mark = MARKS[one_of(rule.judge(load)).truth(active)]
        active, found = mark == "B" or (active and mark == "?"), found + mark
    return found


GOOD, BAD, LATE = (10, 0), (8, 2), (100, 1)


@pytest.mark.parametrize(
    ("beats", "expected"),
    [
        ([GOOD] * 4, "?ccc"),
        ([GOOD] + [BAD] * 3, "?BBB"),
        ([GOOD] + [LATE] * 3, "?ccc"),  # 1 % is no overload
        ([GOOD] + [BAD] * 2 + [GOOD] * 14, "?BB" + "B" * 11 + "ccc"),  # good for a whole minute
        ([(0, 0)] * 3, "???"),
    ],
)
def test_it_is_the_share_of_polls_left_out_in_the_last_minute(beats: list[tuple[int, int]], expected: str) -> None:
    assert letters(beats) == expected


def test_slow_meters_are_counted_over_three_of_their_intervals() -> None:
    assert letters([GOOD, BAD] + [GOOD] * 150, longest_interval_s=300.0)[-1] == "B"
    assert letters([GOOD, BAD] + [GOOD] * 150, longest_interval_s=100.0)[-1] == "c"


def test_its_limit_and_severity_can_be_set() -> None:
    assert letters([GOOD, BAD], settings=Settings(limit_percent=30)) == "?c"
    rule = BusOverloaded(Settings(severity="high"))
    one_of(rule.judge(BusLoad(0.0, 0, 0)))
    condition = one_of(rule.judge(BusLoad(5.0, 75, 25)))
    assert (condition.value, condition.limit, condition.unit, condition.severity) == (25.0, 5.0, "%", "high")


def test_counters_of_a_poller_that_began_anew_are_compared_with_nothing_before() -> None:
    rule = BusOverloaded(Settings())
    for beat in range(60):
        one_of(rule.judge(BusLoad(float(beat), 100 * beat, 0 if beat < 2 else 500)))
    conditions = [one_of(rule.judge(BusLoad(60.0 + beat, 10 * beat, 0))) for beat in range(70)]
    assert [MARKS[condition.truth(active=False)] for condition in conditions] == ["?", *["c"] * 69]
    assert {condition.value for condition in conditions[1:]} == {0.0}
