import pytest

from phasewatch.configuration.files import load_limits
from phasewatch.electrical.supply import Supply, System
from phasewatch.meters.quantities import LN, LPE, NPE
from phasewatch.rules.neutral_earth_voltage import NeutralEarthVoltage, Settings
from tests.acceptance import SEED
from tests.rules.views import full, one, truths, view
from tests.timeline import readings


@pytest.mark.parametrize(
    ("settings", "timeline", "expected"),
    [
        (Settings(), "0 5 5.1 4 3.1 3 4", "ccBBBcc"),
        (Settings(limit_v=25), "24 25 25.1 20.1 20 25", "ccBBcc"),
        (Settings(limit_v=2), "2 2.1 1.1 1 2", "cBBcc"),
        (Settings(), "6 _ 6 _ 0", "B?B?c"),
    ],
)
def test_the_direct_reading_is_held_against_the_limit(settings: Settings, timeline: str, expected: str) -> None:
    assert truths(NeutralEarthVoltage(settings), readings({NPE: timeline})) == expected


def test_a_calculated_voltage_cannot_break_a_limit_within_its_noise() -> None:
    rule = NeutralEarthVoltage(Settings())
    shifted = full((230.0, 230.0, 230.0), None, (224.0, 233.0, 233.0))
    assert one(rule, view(shifted)).breached is False
    assert one(rule, view({**shifted, NPE: 6.0})).breached is True
    assert one(rule, view(SEED.values)).breached is True


@pytest.mark.parametrize(("value_v", "severity"), [(6.0, "medium"), (25.0, "high"), (50.0, "critical")])
def test_more_is_more_severe(value_v: float, severity: str) -> None:
    assert one(NeutralEarthVoltage(Settings()), view({NPE: value_v})).severity == severity
    assert one(NeutralEarthVoltage(Settings(severity="low")), view({NPE: value_v})).severity == "low"


def test_it_is_unknown_where_earth_is_not_read() -> None:
    for values in (full((230.0, 230.0, 230.0)), {LPE[0]: 230.0, LN[0]: 230.0}):
        assert one(NeutralEarthVoltage(Settings()), view(values)).breached is None


@pytest.mark.parametrize(("system", "conditions"), [("TN-S", 1), ("TT", 1), ("IT", 0), ("three_wire", 0)])
def test_a_neutral_that_is_not_bonded_has_no_limit(system: System, conditions: int) -> None:
    assert len(list(NeutralEarthVoltage(Settings()).judge(view({NPE: 60.0}, Supply(system=system))))) == conditions


@pytest.mark.parametrize(
    ("preset", "settings", "value_v", "breached", "severity", "source"),
    [
        ("data-centre", Settings(), 2.1, True, "medium", "GB 50174"),
        ("data-centre", Settings(limit_v=3), 2.1, False, "medium", None),
        ("touch-voltage", Settings(), 50.0, True, "critical", None),
        ("touch-voltage-25", Settings(), 25.0, True, "critical", None),
        ("touch-voltage-25", Settings(), 12.5, True, "high", None),
        ("en50160", Settings(touch_voltage_v=25), 24.9, True, "high", None),
    ],
)
def test_presets_limit_it(
    preset: str, settings: Settings, value_v: float, breached: bool, severity: str, source: str | None
) -> None:
    condition = one(NeutralEarthVoltage(settings), view({NPE: value_v}, limits=load_limits(preset)))
    assert (condition.breached, condition.severity, condition.source) == (breached, severity, source)
