from collections.abc import Mapping

import pytest

from phasewatch.meters.quantities import CURRENT_N, CURRENTS, LN
from phasewatch.rules.catalogue import HOLDS
from phasewatch.rules.neutral_overload import NeutralOverload, Settings
from phasewatch.rules.rule import Condition, Limit
from tests.rules.views import one, view


def judged(phases_a: tuple[float, float, float] | None, neutral_a: float | None, **keys: float) -> Condition:
    values = dict.fromkeys(LN, 230.0) | dict(zip(CURRENTS, phases_a or (), strict=False))
    values |= {} if neutral_a is None else {CURRENT_N: neutral_a}
    return one(NeutralOverload(Settings.model_validate(keys)), view(values))


@pytest.mark.parametrize(
    ("phases_a", "neutral_a", "breached", "cleared"),
    [
        ((30.0, 28.0, 31.0), 12.0, False, True),  # linear loads, nearly balanced
        (
            (40.0, 5.0, 5.0),
            35.0,
            False,
            True,
        ),  # one loaded phase: N carries no more than it
        ((30.0, 30.0, 30.0), 31.0, True, False),
        ((30.0, 30.0, 30.0), 28.0, False, False),  # inside the hysteresis
        ((3.0, 3.0, 3.0), 5.0, False, True),  # electronics on standby: far below what any conductor carries
        ((3.0, 3.0, 3.0), 10.5, True, False),
    ],
)
def test_a_neutral_is_overloaded_when_it_carries_more_than_every_phase(
    phases_a: tuple[float, float, float], neutral_a: float, breached: bool, cleared: bool
) -> None:
    condition = judged(phases_a, neutral_a)
    assert (condition.breached, condition.cleared) == (breached, cleared)
    assert (condition.unit, condition.source) == ("A", "IEC 60364-5-52")


@pytest.mark.parametrize(
    ("neutral_a", "severity"), [(31.0, "medium"), (35.9, "medium"), (36.0, "high"), (44.9, "high"), (45.0, "critical")]
)
def test_the_more_beyond_the_limit_the_more_urgent(neutral_a: float, severity: str) -> None:
    assert judged((30.0, 30.0, 30.0), neutral_a).severity == severity


def test_a_rating_is_the_limit_whatever_the_phases_carry() -> None:
    condition = judged(None, 17.0, limit_a=16.0)
    assert (condition.breached, condition.limit, condition.source) == (True, 16.0, None)
    assert NeutralOverload(Settings(limit_a=16.0)).limits(view({})) == (Limit(None, 16.0, "A", own=True, detail="N"),)
    assert NeutralOverload(Settings()).limits(view({})) == ()


@pytest.mark.parametrize(("phases_a", "neutral_a"), [((30.0, 30.0, 30.0), None), (None, 12.0)])
def test_without_the_currents_that_decide_it_is_unknown(
    phases_a: tuple[float, float, float] | None, neutral_a: float | None
) -> None:
    assert judged(phases_a, neutral_a).breached is None


def test_the_sign_of_a_phase_current_does_not_matter() -> None:
    assert judged((-30.0, -29.0, -31.0), 20.0).breached is False


def test_a_rule_that_judges_a_current_is_held_by_no_fault_of_the_voltages() -> None:
    held: Mapping[str, frozenset[str]] = HOLDS
    assert not any("neutral_overload" in names for names in held.values())
