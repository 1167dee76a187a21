import pytest

from phasewatch.meters.quantities import LN
from phasewatch.rules.voltage_swell import Settings, VoltageSwell
from tests.rules.views import BARE, full, one, truths, view
from tests.timeline import readings


@pytest.mark.parametrize(
    ("timeline", "expected"),
    [
        ("230 253 253.1 230", "ccBc"),
        ("254 252 248.5 248.3 252", "BBBcc"),
        ("254 _ 254 _ 230", "B?B?c"),
    ],
)
def test_it_begins_above_110_percent_and_ends_two_percent_below(timeline: str, expected: str) -> None:
    assert truths(VoltageSwell(Settings()), readings(timeline)) == expected


def test_any_phase_begins_it_and_all_end_it() -> None:
    lines = {LN[0]: "230 260 230 230", LN[1]: "230 230 260 230", LN[2]: "230x4"}
    assert truths(VoltageSwell(Settings()), readings(lines)) == "cBBc"


def test_it_names_the_phases_and_the_worst_of_them() -> None:
    condition = one(VoltageSwell(Settings()), view(full((260.0, 230.0, 270.0))))
    assert (condition.said(), condition.value) == ("L1, L3", 270.0)
    assert condition.limit == pytest.approx(253.0)
    assert condition.source == "IEC 61000-4-30 §5.4"
    assert one(VoltageSwell(Settings()), view(full((260.0, 230.0, 270.0)), limits=BARE)).source is None


@pytest.mark.parametrize(
    ("timeline", "severity"),
    [("230 260", "low"), ("230 260x2", "high"), ("230 280", "high"), ("230 330", "high")],
)
def test_severity_follows_what_equipment_rides_through(timeline: str, severity: str) -> None:
    rule = VoltageSwell(Settings())
    assert [one(rule, view(reading)) for reading in readings(timeline)][-1].severity == severity


def test_the_sliding_reference_follows_a_network_that_is_always_high() -> None:
    assert truths(VoltageSwell(Settings(sliding_reference=True)), readings("250x600 260 280 250"))[-3:] == "cBc"


def test_an_overshoot_is_beyond_a_limit_above_nominal_only() -> None:
    with pytest.raises(ValueError, match="greater than 100"):
        Settings(limit_percent=90)
