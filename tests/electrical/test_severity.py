import pytest

from phasewatch.electrical.diagnosis import diagnose
from phasewatch.electrical.severity import (
    NEUTRAL_EARTH_V,
    RISE_PERCENT,
    SAG_PERCENT,
    UNBALANCE_PERCENT,
    Bands,
    Severity,
    band,
)
from phasewatch.electrical.supply import Supply
from phasewatch.meters.quantities import LN, NPE


@pytest.mark.parametrize(
    ("bands", "value", "severity"),
    [
        (NEUTRAL_EARTH_V, 50.0, "critical"),
        (NEUTRAL_EARTH_V, 49.9, "high"),
        (NEUTRAL_EARTH_V, 25.0, "high"),
        (NEUTRAL_EARTH_V, 24.9, "medium"),
        (NEUTRAL_EARTH_V, 5.0, "medium"),
        (NEUTRAL_EARTH_V, 4.9, "low"),
        (UNBALANCE_PERCENT, 5.0, "critical"),
        (UNBALANCE_PERCENT, 4.9, "high"),
        (UNBALANCE_PERCENT, 4.0, "high"),
        (UNBALANCE_PERCENT, 3.9, "medium"),
        (RISE_PERCENT, 20.0, "critical"),
        (RISE_PERCENT, 19.9, "high"),
        (RISE_PERCENT, 15.0, "high"),
        (RISE_PERCENT, 14.9, "medium"),
        (SAG_PERCENT, 30.0, "critical"),
        (SAG_PERCENT, 29.9, "high"),
        (SAG_PERCENT, 15.0, "high"),
        (SAG_PERCENT, 14.9, "medium"),
    ],
)
def test_a_band_begins_at_its_edge(bands: Bands, value: float, severity: Severity) -> None:
    assert band(value, bands) == severity


@pytest.mark.parametrize(
    ("low_v", "severity"),
    [(206.0, "medium"), (195.6, "medium"), (195.4, "high"), (161.1, "high"), (160.9, "critical")],
)
def test_a_deeper_sag_is_more_severe(low_v: float, severity: Severity) -> None:
    verdict = diagnose(dict(zip(LN, (low_v, 230.0, 230.0), strict=True)), Supply()).verdict
    assert (verdict.code, verdict.severity) == ("undervoltage", severity)


@pytest.mark.parametrize(
    ("high_v", "severity"), [(254.0, "medium"), (264.4, "medium"), (264.6, "high"), (276.1, "critical")]
)
def test_a_higher_voltage_is_more_severe(high_v: float, severity: Severity) -> None:
    verdict = diagnose(dict(zip(LN, (high_v, high_v, high_v), strict=True)), Supply()).verdict
    assert (verdict.code, verdict.severity) == ("overvoltage", severity)


@pytest.mark.parametrize(("npe_v", "severity"), [(26.0, "high"), (49.9, "high"), (50.0, "critical")])
def test_more_between_neutral_and_earth_is_more_severe(npe_v: float, severity: Severity) -> None:
    verdict = diagnose({**dict.fromkeys(LN, 230.0), NPE: npe_v}, Supply()).verdict
    assert (verdict.code, verdict.severity) == ("earth_displaced", severity)
