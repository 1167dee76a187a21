from phasewatch.alerts.alert import Alert, Key
from phasewatch.alerts.lifecycle import Life, State, Timer
from phasewatch.alerts.suppression import explains
from phasewatch.electrical.causes import EXPLANATIONS
from phasewatch.rules.catalogue import BY_VERDICT, HOLDS, METER_RULES, POINT_RULES, ROOT


def test_every_verdict_of_a_fault_has_a_root() -> None:
    assert set(ROOT) == set(EXPLANATIONS) - {"normal", "not_enough_data"}


def test_roots_and_holders_are_rules() -> None:
    assert set(ROOT.values()) <= set(POINT_RULES)
    assert set(HOLDS) <= {*POINT_RULES, *METER_RULES}


def test_what_is_held_is_a_rule_of_the_same_subject() -> None:
    for root, held in HOLDS.items():
        assert held <= (POINT_RULES if root in POINT_RULES else METER_RULES).keys()


def test_no_rule_holds_itself_and_no_two_hold_each_other() -> None:
    for rule, held in HOLDS.items():
        assert rule not in held
        assert not any(rule in HOLDS.get(other, ()) for other in held)


def test_a_rule_that_holds_others_is_judged_before_them() -> None:
    order = [*POINT_RULES, *METER_RULES]
    for rule, held in HOLDS.items():
        assert all(order.index(rule) < order.index(other) for other in held if other in order)


def test_an_open_neutral_leaves_the_unbalance_of_the_lines_to_speak() -> None:
    assert "voltage_unbalance" not in HOLDS["neutral_displacement"]
    assert {"neutral_earth_voltage", "earth_displacement", "voltage_deviation"} <= HOLDS["neutral_displacement"]
    assert HOLDS["earth_displacement"] == {"neutral_earth_voltage"}


def test_a_root_that_is_about_to_clear_does_not_hold_a_new_cause() -> None:
    root = Alert(Key("main", "wiring"), timer=Timer(Life(State.ACTIVE)))
    assert {"phase_loss", "voltage_deviation"} <= explains(root)
    root.timer = Timer(Life(State.CLEARING))
    assert "voltage_deviation" in explains(root)
    assert not explains(root) & BY_VERDICT
