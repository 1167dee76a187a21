"""Two meters that answer in turn are told from one on a supply that moves."""

import pytest

from phasewatch.commissioning.plausibility import alternates

TWO = [230.0, 237.1, 230.1, 237.0, 237.1, 230.0, 237.0, 230.1, 230.0, 237.0]


@pytest.mark.parametrize(
    ("volts", "expected"),
    [
        (TWO, True),
        (TWO[:6], False),
        ([230.0] * 12, False),
        ([230.0] * 6 + [237.0] * 6, False),
        ([230.0 + step for step in range(12)], False),
        ([volts if volts < 235 else volts - 6 for volts in TWO], False),
    ],
)
def test_readings_that_go_to_and_fro_between_two_values_are_of_two_meters(volts: list[float], expected: bool) -> None:
    readings = [{"voltage_l1_n": one} for one in volts]
    assert alternates(readings, ("voltage_l1_n", "voltage_l2_n"), 2.3) is expected


def test_what_was_not_read_says_nothing() -> None:
    assert not alternates([{}] * 12, ("voltage_l1_n",), 2.3)
