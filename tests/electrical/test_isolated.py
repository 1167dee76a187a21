"""An isolated supply: its earth may stand off the centre, and is news only when it nears a phase."""

import pytest

from phasewatch.electrical.diagnosis import diagnose
from phasewatch.electrical.supply import Supply
from phasewatch.meters.quantities import LN, LPE


@pytest.mark.parametrize(
    ("to_earth", "severity"),
    [((180.0, 260.0, 260.0), "medium"), ((60.0, 310.0, 310.0), "high")],
)
def test_a_displaced_earth_is_as_severe_as_it_is_near_to_a_phase(
    to_earth: tuple[float, float, float], severity: str
) -> None:
    values = {**dict.fromkeys(LN, 230.0), **dict(zip(LPE, to_earth, strict=True))}
    verdict = diagnose(values, Supply(system="IT")).verdict
    assert (verdict.code, verdict.severity) == ("earth_displaced", severity)


@pytest.mark.parametrize("to_earth", [(230.0, 230.0, 230.0), (240.0, 235.0, 220.0), (208.0, 254.0, 254.0)])
def test_an_earth_that_floats_a_little_is_normal(to_earth: tuple[float, float, float]) -> None:
    values = {**dict.fromkeys(LN, 230.0), **dict(zip(LPE, to_earth, strict=True))}
    assert diagnose(values, Supply(system="IT")).verdict.code == "normal"
