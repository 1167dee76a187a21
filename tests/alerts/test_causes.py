from phasewatch.alerts.causes import HOLDS, ROOT
from phasewatch.electrical.explanations import EXPLANATIONS
from phasewatch.rules.catalogue import POINT_RULES


def test_every_verdict_of_a_fault_has_a_root() -> None:
    assert set(ROOT) == set(EXPLANATIONS) - {"normal", "not_enough_data"}


def test_roots_and_holders_are_rules() -> None:
    assert set(ROOT.values()) <= set(POINT_RULES)
    assert set(HOLDS) <= set(POINT_RULES)


def test_what_is_held_is_a_rule_or_one_that_is_to_come() -> None:
    held = {rule for rules in HOLDS.values() for rule in rules}
    assert held <= set(POINT_RULES) | {"voltage_dip", "voltage_swell"}


def test_no_rule_holds_itself_and_no_two_hold_each_other() -> None:
    for rule, held in HOLDS.items():
        assert rule not in held
        assert not any(rule in HOLDS.get(other, ()) for other in held)


def test_a_rule_that_holds_others_is_judged_before_them() -> None:
    order = list(POINT_RULES)
    for rule, held in HOLDS.items():
        assert all(order.index(rule) < order.index(other) for other in held if other in order)


def test_an_open_neutral_leaves_the_unbalance_of_the_lines_to_speak() -> None:
    assert "voltage_unbalance" not in HOLDS["neutral_displacement"]
    assert {"neutral_earth_voltage", "earth_displacement", "voltage_deviation"} <= HOLDS["neutral_displacement"]
    assert HOLDS["earth_displacement"] == {"neutral_earth_voltage"}
