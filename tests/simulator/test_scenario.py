import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.meters.quantities import LL, LN, LPE
from phasewatch.simulator.feeder import OPEN, Feeder, magnitudes, solve
from phasewatch.simulator.scenario import Scenario, ScenarioError, healthy, parse_scenario

DEMO = Path(__file__).parents[2] / "config" / "scenarios" / "demo.yaml"
STILL = "voltage_wander_percent: 0\nload_wander_percent: 0\nfrequency_wander_hz: 0\n"


DEMO_SCENARIO = parse_scenario(DEMO.read_text(encoding="utf-8"), DEMO.name)


def play(steps: str, feeder: str = "{}") -> Scenario:
    return parse_scenario(f"name: x\nlength_s: 100\n{STILL}feeder: {feeder}\nsteps: {steps}")


def at(t_s: float) -> dict[str, float]:
    return magnitudes(solve(DEMO_SCENARIO.feeder_at(t_s)))


@pytest.mark.parametrize("t_s", [0, 5.9, 14, 19.9, 28, 33.9, 42, 49.9])
def test_the_demo_is_healthy_between_its_faults(t_s: float) -> None:
    values = at(t_s)
    assert [values[name] for name in (*LN, *LPE)] == pytest.approx([234] * 6, abs=1)
    assert [values[name] for name in LL] == pytest.approx([405.5] * 3, abs=1.5)
    assert values["voltage_n_pe"] < 1


@pytest.mark.parametrize("t_s", [6, 10, 13.9])
def test_the_demo_plays_the_founding_case(t_s: float) -> None:
    values = at(t_s)
    assert [values[name] for name in LN] == pytest.approx([234] * 3, abs=1)
    assert [values[name] for name in LPE] == pytest.approx([204, 250.5, 250.5], abs=1.5)
    assert values["voltage_n_pe"] == pytest.approx(30, abs=1)


@pytest.mark.parametrize("t_s", [20, 24, 27.9])
def test_the_demo_opens_the_neutral_and_leaves_the_earth(t_s: float) -> None:
    values = at(t_s)
    assert values["voltage_n_pe"] > 80
    assert values["voltage_l1_n"] < 140
    assert min(values["voltage_l2_n"], values["voltage_l3_n"]) > 280
    assert [values[name] for name in LPE] == pytest.approx([234] * 3, abs=1)
    assert [values[name] for name in LL] == pytest.approx([405.5] * 3, abs=1.5)


@pytest.mark.parametrize("t_s", [34, 38, 41.9])
def test_the_demo_loses_l2_with_nothing_to_feed_it_back(t_s: float) -> None:
    values = at(t_s)
    assert values["voltage_l2_n"] < 1
    assert values["voltage_l2_pe"] < 2
    assert [values["voltage_l1_n"], values["voltage_l3_n"]] == pytest.approx([234] * 2, abs=1)
    assert values["voltage_l3_l1"] == pytest.approx(405.5, abs=1.5)
    assert [values["voltage_l1_l2"], values["voltage_l2_l3"]] == pytest.approx([234] * 2, abs=1)
    assert values["current_l2"] < 0.01


def test_a_supply_never_stands_still_to_the_bit() -> None:
    seen = {magnitudes(solve(healthy().feeder_at(float(t_s))))["voltage_l1_n"] for t_s in range(60)}
    assert len(seen) == 60
    assert max(seen) - min(seen) < 1.5


def test_values_stay_until_they_are_set_again_or_reset() -> None:
    scenario = play(
        "[{at_s: 0, name: a, set: {neutral_ohm: open}}, {at_s: 5, name: b, set: {electrode_ohm: 7}},"
        " {at_s: 10, name: c, reset: true, set: {pe_ohm: 3}}]",
        "{electrode_ohm: 9}",
    )
    assert scenario.feeder_at(4.9) == Feeder(electrode_ohm=9, neutral_ohm=OPEN)
    assert scenario.feeder_at(5) == Feeder(electrode_ohm=7, neutral_ohm=OPEN)
    assert scenario.feeder_at(1e6) == Feeder(electrode_ohm=9, pe_ohm=3)
    assert [scenario.step_at(t_s).name for t_s in (0, 4.9, 5, 10, 1e6)] == ["a", "a", "b", "c", "c"]


def test_powers_ramp_linearly_and_impedances_geometrically() -> None:
    scenario = play("[{at_s: 0, name: a}, {at_s: 10, name: b, ramp_s: 4, set: {load_l1_n_w: 5500, neutral_ohm: 2}}]")
    feeders = [scenario.feeder_at(t_s) for t_s in (10, 12, 14)]
    assert [f.load_l1_n_w for f in feeders] == pytest.approx([4500, 5000, 5500])
    assert [f.neutral_ohm for f in feeders] == pytest.approx([0.02, 0.2, 2])


def test_a_ramp_to_an_open_conductor_ends_open() -> None:
    scenario = play("[{at_s: 0, name: a}, {at_s: 10, name: b, ramp_s: 4, set: {neutral_ohm: open}}]")
    assert scenario.feeder_at(13.99).neutral_ohm == pytest.approx(1e6, rel=0.1)
    assert scenario.feeder_at(14).neutral_ohm == OPEN


@given(st.floats(0, 200))
def test_every_moment_of_the_demo_has_a_finite_picture(t_s: float) -> None:
    assert all(math.isfinite(value) for value in at(t_s).values())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("steps: [{at_s: 0, name: a, set: {neutral_omh: 3}}]", r"steps\.0\.set\.neutral_omh: .*neutral_ohm\?"),
        ("feeder: {wire: 3}", r"feeder\.wire: no such parameter"),
        ("feeder: {load_l1_n_w: -3}", r"feeder\.load_l1_n_w: -3\.0 is too small"),
        ("feeder: {load_l1_n_w: true}", r"feeder\.load_l1_n_w"),
        ("steps: [{at_s: 0, name: a, set: {load_l1_n_w: open}}]", r"steps\.0\.set\.load_l1_n_w: cannot be open"),
        ("steps: [{at_s: 0, name: a, at: 3}]", r"steps\.0\.at: Extra inputs"),
        ("steps: [{at_s: 1, name: a}]", r"steps\.0\.at_s: the first step begins at 0"),
        ("steps: []", r"steps\.0\.at_s: the first step begins at 0"),
        ("steps: [{at_s: 0, name: a, ramp_s: 2}, {at_s: 1, name: b}]", r"steps\.1\.at_s: begins before"),
        ("steps: [{at_s: 0, name: a}, {at_s: 4, name: b}]", "length_s: ends before"),
        ("frequency_wander_hz: .nan", "frequency_wander_hz"),
    ],
)
def test_a_scenario_that_cannot_be_played_names_the_place(text: str, complaint: str) -> None:
    with pytest.raises(ScenarioError, match=rf"x\.yaml: {complaint}"):
        parse_scenario(f"name: x\nlength_s: 3\n{text}", "x.yaml")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name: x\nlength_s: .nan", " length_s"),
        ("- 3", " holds no keys such as name, length_s and steps; see config/scenarios/demo.yaml"),
        ("time,voltage_l1_n\n08:00,230\n", " holds no keys such as name"),
        ("a: [", "1: not YAML"),
        ("a: 1\nb: \0", "2: not YAML: holds a control character; delete it"),
    ],
)
def test_what_is_no_scenario_at_all_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ScenarioError, match=rf"x\.yaml:{complaint}"):
        parse_scenario(text, "x.yaml")
