import pytest

from phasewatch.configuration.files import load_limits
from phasewatch.electrical.limits import Limits
from phasewatch.electrical.supply import Supply
from phasewatch.meters.quantities import FREQUENCY, LN
from phasewatch.rules.frequency_deviation import FrequencyDeviation, Settings
from tests.rules.views import BARE, EN50160, one, truths, view
from tests.timeline import readings

CHINA = load_limits("gbt")


@pytest.mark.parametrize(
    ("limits", "timeline", "expected"),
    [
        (EN50160, "50 50.5 50.51 50.46 50.44 49.5 49.49 49.54 49.56", "ccBBccBBc"),
        (CHINA, "50 50.2 50.21 50.16 50.14 49.8 49.79 49.86", "ccBBccBc"),
        (BARE, "50 50.51 50.44", "cBc"),
        (load_limits("en50160-island"), "51 51.1 48.9", "cBB"),
        (EN50160, "50 _ 52 _ 50", "c?B?c"),
    ],
)
def test_the_frequency_is_held_against_the_preset(limits: Limits, timeline: str, expected: str) -> None:
    assert truths(FrequencyDeviation(Settings()), readings({FREQUENCY: timeline}), limits=limits) == expected


def test_it_is_unknown_where_no_frequency_is_read() -> None:
    assert one(FrequencyDeviation(Settings()), view(dict.fromkeys(LN, 230.0))).breached is None


def test_limits_follow_the_nominal_frequency() -> None:
    rule, supply = FrequencyDeviation(Settings()), Supply(frequency_hz=60.0)
    assert truths(rule, readings({FREQUENCY: "60 60.6 60.61 50"}), supply) == "ccBB"


@pytest.mark.parametrize(
    ("value_hz", "severity"),
    [
        (50.21, "low"),
        (50.51, "medium"),
        (49.49, "medium"),
        (51.01, "high"),
        (48.99, "high"),
        (52.01, "critical"),
        (47.5, "high"),
        (46.99, "critical"),
    ],
)
def test_further_off_is_more_severe(value_hz: float, severity: str) -> None:
    condition = one(FrequencyDeviation(Settings()), view({FREQUENCY: value_hz}, limits=CHINA))
    assert (condition.severity, condition.unit) == (severity, "Hz")


def test_a_condition_says_limit_and_source() -> None:
    condition = one(FrequencyDeviation(Settings()), view({FREQUENCY: 51.0}))
    assert condition.limit == pytest.approx(50.5)
    assert condition.clear_limit == pytest.approx(50.45)
    assert condition.source == "EN 50160 §4.2.1"
    own = one(FrequencyDeviation(Settings(upper_percent=0.5)), view({FREQUENCY: 51.0}))
    assert own.limit == pytest.approx(50.25)
    assert own.source is None
