import pytest

from phasewatch.rules.meter_offline import MeterOffline, Settings
from phasewatch.rules.rule import Poll, Truth
from tests.rules.views import HEARD, one_of


@pytest.mark.parametrize(("poll", "truth"), [(Poll(HEARD, 1.0), Truth.CLEAR), (Poll(None, 1.0), Truth.BREACH)])
@pytest.mark.parametrize("active", [True, False])
def test_a_poll_is_answered_or_not(poll: Poll, truth: Truth, active: bool) -> None:
    condition = one_of(MeterOffline(Settings()).judge(poll))
    assert condition.truth(active) is truth
    assert condition.severity == "high"


def test_it_says_why() -> None:
    assert one_of(MeterOffline(Settings()).judge(Poll(None, 1.0, failure="no answer"))).said() == "no answer"


def test_a_silent_bus_is_critical() -> None:
    assert one_of(MeterOffline(Settings()).judge(Poll(None, 1.0, bus_silent=True))).severity == "critical"


def test_its_severity_can_be_set() -> None:
    rule = MeterOffline(Settings(severity="low"))
    assert one_of(rule.judge(Poll(None, 1.0, bus_silent=True))).severity == "low"
