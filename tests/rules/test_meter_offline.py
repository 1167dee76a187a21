import pytest

from phasewatch.rules.meter_offline import MeterOffline, Settings
from phasewatch.rules.rule import Truth


@pytest.mark.parametrize(("answered", "truth"), [(True, Truth.CLEAR), (False, Truth.BREACH)])
@pytest.mark.parametrize("active", [True, False])
def test_a_poll_is_answered_or_not(answered: bool, truth: Truth, active: bool) -> None:
    condition = MeterOffline(Settings()).judge_poll(answered)
    assert condition.truth(active) is truth
    assert condition.severity == "high"


def test_its_severity_can_be_set() -> None:
    assert MeterOffline(Settings(severity="low")).judge_poll(False).severity == "low"
