import pytest

from phasewatch.meters.quantities import LN
from phasewatch.rules.rule import Truth
from phasewatch.rules.wiring import CODES, Settings, Wiring
from tests.acceptance import CASES, Case
from tests.rules.views import full, one, view


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_it_follows_the_verdict(case: Case) -> None:
    condition = one(Wiring(Settings()), view(case.values))
    assert condition.breached is (case.code in CODES)
    assert condition.cleared is not condition.breached
    assert condition.severity == "medium"


def test_a_phase_that_never_was_live_is_wiring() -> None:
    rule = Wiring(Settings())
    assert one(rule, view(full((230.0, 230.0, 0.0)), live=(True, True, False))).breached is True
    assert one(rule, view(full((230.0, 230.0, 0.0)))).breached is False


def test_too_few_readings_are_unknown() -> None:
    assert one(Wiring(Settings()), view({LN[0]: 230.0})).truth(True) is Truth.UNKNOWN


def test_one_bad_poll_is_not_enough_by_default() -> None:
    assert (Settings().on_polls, Settings().on_delay_s, Settings().off_delay_s) == (5, 5.0, 60.0)
