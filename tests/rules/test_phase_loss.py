import pytest

from phasewatch.meters.quantities import LN
from phasewatch.rules.phase_loss import CODES, PhaseLoss, Settings
from phasewatch.rules.rule import Truth
from tests.acceptance import A1, A2, A5, A6, A8, B3, B7, SEED, Case
from tests.rules.views import full, one, truths, view
from tests.timeline import readings


@pytest.mark.parametrize(
    ("case", "lost"),
    [(A5, True), (A6, True), (A8, True), (A1, False), (A2, False), (SEED, False), (B3, False), (B7, False)],
)
def test_it_follows_the_verdict(case: Case, lost: bool) -> None:
    condition = one(PhaseLoss(Settings()), view(case.values))
    assert (condition.breached, condition.cleared) == (lost, not lost)
    assert (condition.value, condition.unit) == (min(case.ln), "V")
    assert (case.code in CODES) is lost
    assert not lost or condition.severity == "high"
    assert one(PhaseLoss(Settings(severity="critical")), view(case.values)).severity == "critical"


def test_a_phase_comes_and_goes_and_falls_silent() -> None:
    lines = {LN[0]: "230 0 0 0 230", LN[1]: "230x5", LN[2]: "230 230 _ 230 230"}
    assert truths(PhaseLoss(Settings()), readings(lines)) == "cB?Bc"


@pytest.mark.parametrize(
    ("ln", "live", "lost"),
    [
        ((230.0, 230.0, 0.0), (True, True, True), True),
        ((230.0, 230.0, 0.0), (True, True, False), False),
        ((230.0, 0.0, 0.0), (True, False, False), False),
        ((230.0, 0.0, 0.0), (True, True, True), True),
        ((230.0, 0.0, 0.0), (True, True, False), True),
    ],
)
def test_a_phase_that_never_was_live_is_not_lost(
    ln: tuple[float, float, float], live: tuple[bool, bool, bool], lost: bool
) -> None:
    assert one(PhaseLoss(Settings()), view(full(ln), live=live)).truth(False) is (Truth.BREACH if lost else Truth.CLEAR)
