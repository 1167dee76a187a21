from dataclasses import replace
from datetime import timedelta
from math import isfinite

import pytest

from phasewatch.configuration.files import load_limits
from phasewatch.electrical.limits import Band, Limits
from phasewatch.electrical.supply import Supply, System
from phasewatch.meters.quantities import LN
from phasewatch.rules.rule import Truth
from phasewatch.rules.voltage_deviation import Settings, VoltageDeviation
from tests.rules.views import BARE, EN50160, full, truths, view
from tests.timeline import readings


def limits(lower: float | None, upper: float | None) -> Limits:
    band = Band(lower_percent=lower, upper_percent=upper, source="any")
    return Limits(id="test", standard="any", title="any", voltage_deviation=(band,))


@pytest.mark.parametrize(
    ("timeline", "expected"),
    [
        ("230 253 253.1 230", "ccBc"),
        ("230 207 206.9 230", "ccBc"),
        ("254 250 248.5 248.3 250", "BBBcc"),
        ("206 210 211.5 211.7 210", "BBBcc"),
        ("230 _ 254 _ 230", "c?B?c"),
        ("254 206 230", "BBc"),
        ("0 230", "Bc"),
    ],
)
def test_a_phase_is_held_against_the_preset(timeline: str, expected: str) -> None:
    assert truths(VoltageDeviation(Settings()), readings(timeline)) == expected


def test_each_phase_has_its_own_condition() -> None:
    rule = VoltageDeviation(Settings())
    seen = view(dict(zip(LN, (254.0, 230.0, 206.0), strict=True)))
    found = list(rule.judge(seen))
    assert [c.phase for c in found] == ["l1", "l2", "l3"]
    assert [c.truth(False) for c in found] == [Truth.BREACH, Truth.CLEAR, Truth.BREACH]
    assert [c.limit for c in found] == [253.0, found[1].limit, 207.0]
    assert [c.clear_limit for c in found if c.breached] == [pytest.approx(248.4), pytest.approx(211.6)]
    assert {c.source for c in found} == {"EN 50160"}


@pytest.mark.parametrize(
    ("value_v", "severity"),
    [(253.1, "medium"), (264.6, "high"), (276.1, "critical"), (195.4, "high"), (160.9, "critical")],
)
def test_further_off_is_more_severe(value_v: float, severity: str) -> None:
    condition = next(iter(VoltageDeviation(Settings()).judge(view(dict.fromkeys(LN, value_v)))))
    assert condition.severity == severity


def test_settings_stand_before_the_preset() -> None:
    rule = VoltageDeviation(Settings(lower_percent=-6, upper_percent=5, severity="low"))
    assert truths(rule, readings("230 241.5 241.6 230 216.2 216.1")) == "ccBccB"
    condition = next(iter(rule.judge(view(dict.fromkeys(LN, 242.0)))))
    assert (condition.severity, condition.source) == ("low", None)


def test_limits_follow_the_nominal_voltage() -> None:
    supply = Supply(nominal_v=120.0)
    assert truths(VoltageDeviation(Settings()), readings("120 132 132.1 120 108 107.9"), supply) == "ccBccB"


@pytest.mark.parametrize(("lower", "upper"), [(-10.0, None), (None, 10.0)])
def test_a_limit_that_is_not_there_is_not_broken_and_not_infinite(lower: float | None, upper: float | None) -> None:
    rule = VoltageDeviation(Settings())
    for value_v in (0.0, 150.0, 230.0, 300.0, 575.0):
        for condition in rule.judge(view(dict.fromkeys(LN, value_v), limits=limits(lower, upper))):
            assert condition.limit is not None
            assert condition.clear_limit is not None
            assert isfinite(condition.limit)
            assert isfinite(condition.clear_limit)
            broken = value_v < 207.0 if upper is None else value_v > 253.0
            assert condition.breached is broken


def test_a_preset_without_voltage_limits_leaves_ten_percent() -> None:
    assert truths(VoltageDeviation(Settings()), readings("230 253 253.1 230 207 206.9"), limits=BARE) == "ccBccB"
    assert {c.source for c in VoltageDeviation(Settings()).judge(view(dict.fromkeys(LN, 500.0), limits=BARE))} == {None}


@pytest.mark.parametrize(("system", "expected"), [("TN-S", "ccBccB"), ("single_phase", "ccBccc")])
def test_the_band_is_that_of_the_kind_of_supply(system: System, expected: str) -> None:
    supply = Supply(nominal_v=220.0, system=system)
    timeline = readings("220 235.3 235.5 220 204.7 204.5")
    assert truths(VoltageDeviation(Settings()), timeline, supply, load_limits("gbt")) == expected


def test_the_high_leg_of_a_delta_is_no_overvoltage() -> None:
    supply = Supply(nominal_v=120.0, system="high_leg")
    found = VoltageDeviation(Settings()).judge(view(full((120.0, 208.0, 120.0)), supply))
    assert [c.breached for c in found] == [False] * 3
    low = VoltageDeviation(Settings()).judge(view(full((120.0, 180.0, 120.0)), supply))
    assert [c.breached for c in low] == [False, True, False]


def test_a_band_narrower_than_the_hysteresis_still_clears() -> None:
    rule = VoltageDeviation(Settings(lower_percent=-1, upper_percent=1))
    assert truths(rule, readings("230 233 230")) == "cBc"


def test_an_input_that_never_was_live_is_not_judged() -> None:
    seen = view(dict(zip(LN, (230.0, 230.0, 0.0), strict=True)), live=(True, True, False))
    assert [c.phase for c in VoltageDeviation(Settings()).judge(seen)] == ["l1", "l2"]


def test_a_mean_out_of_limits_keeps_the_breach_when_the_value_is_back() -> None:
    found = truths(VoltageDeviation(Settings()), readings("254x1200 230x600", step_s=1.0))
    assert found == "B" * 1200 + "B" * 600
    assert truths(VoltageDeviation(Settings()), readings("254x1200 230x601")).endswith("Bc")


def test_of_value_and_mean_the_one_further_beyond_its_own_limit_counts() -> None:
    rule = VoltageDeviation(Settings())
    uk = limits(-6.0, 10.0)
    # The mean is 9 % high, inside; the value 6.5 % low, outside.
    assert truths(rule, readings("250.7x601 215"), limits=uk)[-1] == "B"


def test_the_blocks_are_aligned_to_the_clock() -> None:
    rule = VoltageDeviation(Settings())
    found = truths(rule, readings("230x300 254x600 230x2", start_s=300.0))
    # 12:05 to 12:10 is half a block: no mean. 12:10 to 12:20 is whole.
    assert found[-1] == "B"


def test_a_jump_of_the_wall_clock_makes_no_mean() -> None:
    rule = VoltageDeviation(Settings())
    before = list(readings("254x601"))
    jumped = [replace(r, at=r.at + timedelta(days=1)) for r in readings("230x2", start_s=601)]
    assert truths(rule, [*before, *jumped])[-2:] == "cc"
    assert EN50160.voltage_deviation[0].window_s == 600
