"""An isolated supply: its earth may stand off the centre, and is news only when it nears a phase."""

import pytest

from phasewatch.electrical.supply import Supply
from phasewatch.electrical.verdict import diagnose
from phasewatch.meters.quantities import LN, LPE


@pytest.mark.parametrize(
    ("to_earth", "severity"),
    [((240.0, 235.0, 220.0), "low"), ((180.0, 260.0, 260.0), "medium"), ((60.0, 310.0, 310.0), "high")],
)
def test_a_displaced_earth_is_as_severe_as_it_is_near_to_a_phase(
    to_earth: tuple[float, float, float], severity: str
) -> None:
    values = {**dict.fromkeys(LN, 230.0), **dict(zip(LPE, to_earth, strict=True))}
    verdict = diagnose(values, Supply(system="IT")).verdict
    assert (verdict.code, verdict.severity) == ("earth_displaced", severity)
