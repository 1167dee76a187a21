from collections.abc import Mapping

import pytest

from phasewatch.meters.quantities import CURRENTS, LL, LN
from phasewatch.rules.frozen_readings import FrozenReadings, Settings
from phasewatch.rules.rule import Poll
from tests.rules.views import MARKS, one_of
from tests.timeline import readings


def letters(
    notation: str | Mapping[str, str],
    step_s: float = 1.0,
    refresh_s: float | None = None,
    rule: FrozenReadings | None = None,
) -> str:
    """Return one letter a poll; a reading without values is a poll without an answer."""
    rule, active, found = rule or FrozenReadings(Settings()), False, ""
    for reading in readings(notation, step_s=step_s):
        poll = Poll(reading if reading.values else None, reading.monotonic_s, refresh_s or step_s)
        mark = MARKS[one_of(rule.judge(poll)).truth(active)]
        active, found = mark == "B" or (active and mark == "?"), found + mark
    return found


def first_breach(*args: object, **keys: object) -> int:
    return letters(*args, **keys).find("B")  # type: ignore[arg-type]


def test_voltages_that_stand_still_for_thirty_seconds_are_frozen_until_one_moves() -> None:
    assert letters("230.1x31 230.2") == "c" * 30 + "Bc"
    assert letters("230.1x30 230.2") == "c" * 31


@pytest.mark.parametrize(
    ("step_s", "refresh_s", "breach"),
    [
        (1.0, None, 30),  # 30 s
        (0.1, None, 300),
        (10.0, None, 20),  # 20 refreshes
        (1.0, 10.0, 200),  # a meter that averages over 10 s
        (60.0, None, 20),
    ],
)
def test_slow_meters_get_twenty_refreshes(step_s: float, refresh_s: float | None, breach: int) -> None:
    assert first_breach("230.1x500", step_s=step_s, refresh_s=refresh_s) == breach


def test_three_repeats_are_needed_however_long_they_take() -> None:
    rule = FrozenReadings(Settings(identical_s=1, identical_refreshes=1))
    assert letters("230.1x6", step_s=10.0, rule=rule) == "cccBBB"


@pytest.mark.parametrize("timeline", ["230x100", "0x100", "230.5x100"])
def test_voltages_without_fine_steps_and_dead_ones_are_not_judged(timeline: str) -> None:
    assert set(letters(timeline)[1:]) == {"?"}


def test_one_voltage_that_moves_is_enough() -> None:
    moving = " ".join(["400.1 400.2"] * 50)
    assert letters({**dict.fromkeys(LN, "230.1x100"), LL[0]: moving}) == "c" * 100


def test_a_current_that_moves_does_not_excuse_the_voltages() -> None:
    moving = " ".join(["10.1 10.2"] * 50)
    assert first_breach({**dict.fromkeys(LN, "230.1x100"), CURRENTS[0]: moving}) == 30


def test_silence_does_not_count() -> None:
    assert letters("230.1x10 _x100 230.1x30").count("B") == 12
    assert letters("230.1x31 _x5 230.1 230.2")[30:] == "B?????Bc"


def test_it_says_how_long() -> None:
    rule = FrozenReadings(Settings(severity="low"))
    for reading in readings("230.1x41"):
        condition = one_of(rule.judge(Poll(reading, reading.monotonic_s)))
    assert (condition.value, condition.limit, condition.unit, condition.severity) == (40.0, 30.0, "s", "low")
