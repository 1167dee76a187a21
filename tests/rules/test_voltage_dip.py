from dataclasses import replace

import pytest

from phasewatch.configuration.files import load_limits
from phasewatch.electrical.supply import Supply
from phasewatch.meters.quantities import LN
from phasewatch.rules.rule import Condition
from phasewatch.rules.voltage_dip import Settings, VoltageDip
from tests.rules.views import BARE, full, one, truths, view
from tests.timeline import readings


def last(rule: VoltageDip, notation: str, step_s: float = 1.0, start_s: float = 0.0) -> Condition:
    return [one(rule, view(reading)) for reading in readings(notation, step_s=step_s, start_s=start_s)][-1]


@pytest.mark.parametrize(
    ("timeline", "expected"),
    [
        ("230 207 206.9 230", "ccBc"),
        ("206 208 211.5 211.7 208", "BBBcc"),
        ("230 0 230", "cBc"),
        ("206 _ 206 _ 230", "B?B?c"),
        ("_ _", "??"),
    ],
)
def test_it_begins_below_ninety_percent_and_ends_two_percent_above(timeline: str, expected: str) -> None:
    assert truths(VoltageDip(Settings()), readings(timeline)) == expected


@pytest.mark.parametrize(
    ("l1", "l2", "l3", "expected"),
    [
        ("230 200 230 230", "230 230 200 230", "230x4", "cBBc"),  # it wanders: one event
        ("200 200 230", "230 200 200", "230x3", "BBB"),
        ("200 _ 230", "230x3", "230x3", "B?c"),  # an unread phase may still be low
        ("230 230 230", "_ _ 230", "230 200 230", "?Bc"),  # one that is low is enough
    ],
)
def test_any_phase_begins_it_and_all_end_it(l1: str, l2: str, l3: str, expected: str) -> None:
    lines = dict(zip(LN, (l1, l2, l3), strict=True))
    assert truths(VoltageDip(Settings()), readings(lines)) == expected


def test_it_names_the_phases_and_the_worst_of_them() -> None:
    condition = one(VoltageDip(Settings()), view(full((200.0, 230.0, 180.0))))
    assert (condition.said(), condition.phase, condition.value) == ("L1, L3", None, 180.0)
    assert (condition.limit, condition.unit, condition.source) == (207.0, "V", "IEC 61000-4-30 §5.4")
    assert condition.clear_limit == pytest.approx(211.6)


def test_without_a_preset_there_are_built_in_limits() -> None:
    condition = one(VoltageDip(Settings()), view(full((200.0, 230.0, 230.0)), limits=BARE))
    assert (condition.breached, condition.limit, condition.source) == (True, 207.0, None)
    assert truths(VoltageDip(Settings()), readings("200 211.5 211.7"), limits=load_limits("gbt")) == "BBc"


def test_settings_stand_before_the_preset() -> None:
    rule = VoltageDip(Settings(limit_percent=80, hysteresis_percent=5))
    assert truths(rule, readings("184.1 183.9 195.4 195.6")) == "cBBc"
    assert one(rule, view(full((180.0, 230.0, 230.0)))).source is None


def test_it_has_no_delay() -> None:
    settings = Settings()
    assert (settings.on_delay_s, settings.off_delay_s, settings.on_polls) == (0.0, 0.0, 1)


def test_an_input_that_never_was_live_is_no_dip() -> None:
    alone = full((230.0, 0.0, 0.0))
    assert one(VoltageDip(Settings()), view(alone, live=(True, False, False))).breached is False
    assert list(VoltageDip(Settings()).judge(view(full((0.0, 0.0, 0.0)), live=(False, False, False)))) == []


def test_the_high_leg_dips_from_its_own_height() -> None:
    supply = Supply(nominal_v=120.0, system="high_leg")
    assert one(VoltageDip(Settings()), view(full((120.0, 208.0, 120.0)), supply)).breached is False
    assert one(VoltageDip(Settings()), view(full((120.0, 180.0, 120.0)), supply)).breached is True


@pytest.mark.parametrize(
    ("timeline", "step_s", "severity"),
    [
        ("230 200", 1.0, "low"),
        ("230 200x11", 1.0, "low"),  # 10 s at 87 %
        ("230 200x12", 1.0, "high"),
        ("230 150", 1.0, "low"),  # how long it was at 65 % is not known yet
        ("230 150x2", 1.0, "high"),
        ("230 175x2", 0.4, "low"),  # 76 % for 0.4 s
        ("230 175x2", 0.6, "high"),
        ("230 150x2 200", 1.0, "high"),  # what it was, it stays
    ],
)
def test_severity_follows_what_equipment_rides_through(timeline: str, step_s: float, severity: str) -> None:
    assert last(VoltageDip(Settings()), timeline, step_s).severity == severity


def test_an_averaging_window_tells_how_long_it_was_at_least() -> None:
    seen = replace(view(full((100.0, 230.0, 230.0))), window_s=1.0)
    assert one(VoltageDip(Settings()), seen).severity == "high"
    seen = replace(view(full((200.0, 230.0, 230.0))), window_s=1.0)
    assert one(VoltageDip(Settings()), seen).severity == "low"


def test_many_dips_are_more_urgent_than_one() -> None:
    rule = VoltageDip(Settings())
    found = [last(rule, "230 200", start_s=100.0 * n).severity for n in range(7)]
    assert found == ["low"] * 5 + ["medium"] * 2
    assert last(rule, "230 200", start_s=8 * 86_400.0).severity == "low"


def test_more_than_ten_harmful_dips_a_day_are_critical() -> None:
    rule = VoltageDip(Settings())
    found = [last(rule, "230 150x3", start_s=100.0 * n).severity for n in range(12)]
    assert found == ["high"] * 10 + ["critical"] * 2


def test_its_severity_can_be_set() -> None:
    assert one(VoltageDip(Settings(severity="medium")), view(full((100.0, 230.0, 230.0)))).severity == "medium"


def test_the_sliding_reference_follows_a_network_that_is_always_low() -> None:
    fixed, sliding = VoltageDip(Settings()), VoltageDip(Settings(sliding_reference=True))
    low = "212x600 205"
    assert truths(fixed, readings(low)).endswith("cB")
    assert truths(sliding, readings(low)).endswith("cc")
    assert truths(sliding, readings("190x3 212", start_s=601.0)) == "BBBc"


def test_the_sliding_reference_stands_still_during_an_event() -> None:
    rule = VoltageDip(Settings(sliding_reference=True))
    assert truths(rule, readings("230x60 190x600 205 211.7")) == "c" * 60 + "B" * 601 + "c"


def test_the_sliding_reference_does_not_follow_a_swell() -> None:
    rule = VoltageDip(Settings(sliding_reference=True))
    assert truths(rule, readings("230x60 260x600 230")) == "c" * 661
