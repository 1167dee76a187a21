import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from phasewatch.meters.quantities import LN
from phasewatch.rules.catalogue import METER_RULES, POINT_RULES, RULES
from phasewatch.rules.rule import UNKNOWN, Condition, Truth, margin_v
from tests.rules.views import view


@pytest.mark.parametrize(
    ("breached", "cleared", "standing", "resting"),
    [
        (True, False, Truth.BREACH, Truth.BREACH),
        (False, False, Truth.BREACH, Truth.CLEAR),
        (False, True, Truth.CLEAR, Truth.CLEAR),
        (None, None, Truth.UNKNOWN, Truth.UNKNOWN),
    ],
)
def test_between_the_limits_an_alert_stays_as_it_is(
    breached: bool | None, cleared: bool | None, standing: Truth, resting: Truth
) -> None:
    condition = Condition(breached, cleared)
    assert (condition.truth(active=True), condition.truth(active=False)) == (standing, resting)


def test_what_cannot_be_judged_is_unknown() -> None:
    assert UNKNOWN.truth(active=True) is Truth.UNKNOWN


@given(st.floats(0.001, 1000.0))
def test_a_margin_leaves_room_to_clear(limit_v: float) -> None:
    assert 0.0 < margin_v(limit_v) <= limit_v / 2.0
    assert limit_v < 4.0 or margin_v(limit_v) >= max(2.0, 0.2 * limit_v) - 1e-9


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_called_what_its_file_is_called(name: str) -> None:
    assert RULES[name].__module__ == f"phasewatch.rules.{name}"


@pytest.mark.parametrize("name", POINT_RULES)
def test_a_rule_says_unknown_or_nothing_of_an_empty_reading(name: str) -> None:
    entry = POINT_RULES[name]
    rule = entry(entry.settings_model())
    assert rule.name == name
    assert all(
        condition.truth(active) is Truth.UNKNOWN for active in (True, False) for condition in rule.judge(view({}))
    )


@pytest.mark.parametrize("name", POINT_RULES)
def test_a_healthy_point_breaks_no_rule(name: str) -> None:
    entry = POINT_RULES[name]
    conditions = entry(entry.settings_model()).judge(view(dict.fromkeys(LN, 230.0)))
    assert not any(condition.breached for condition in conditions)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("keys", [{"on_delay_s": -1}, {"on_polls": 0}, {"severity": "fatal"}, {"limits": 3}])
def test_settings_that_make_no_sense_are_refused(name: str, keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RULES[name].model_validate(keys)


def test_meters_have_rules_of_their_own() -> None:
    assert not METER_RULES.keys() & POINT_RULES.keys()
