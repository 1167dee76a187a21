import cmath
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.meters.quantities import LL, LN, LPE, UNITS
from phasewatch.simulator.feeder import (
    EARTH,
    MAY_BE_OPEN,
    OPEN,
    PARAMETERS,
    Feeder,
    branches,
    flow,
    magnitudes,
    solve,
    solve_nodes,
)

ROOT3 = math.sqrt(3)
BARE = {f"filter_l{n}_pe_nf": 0.0 for n in (1, 2, 3)}
NO_LOAD = {f"load_l{n}_n_w": 0.0 for n in (1, 2, 3)}
RESISTIVE = {f"load_l{n}_n_power_factor": 1.0 for n in (1, 2, 3)}
STIFF = {"source_reactance_ohm": 0.0, "source_ohm": 0.0, "cable_reactance_ohm": 0.0}


def read(feeder: Feeder | None = None, /, **changes: float) -> dict[str, float]:
    return magnitudes(solve(replace(feeder or Feeder(), **changes)))


def volts(values: dict[str, float], names: tuple[str, ...]) -> list[float]:
    return [values[name] for name in names]


def parameter(name: str) -> st.SearchStrategy[float]:
    ranges = {"_w": (0, 3e4), "_v": (0, 500), "_deg": (-180, 180), "_nf": (0, 1e4), "_power_factor": (0.05, 1)}
    special = {"nominal_v": (50, 500), "frequency_hz": (16, 70), "insulation_ohm": (1e5, 1e9)}
    bounds = special.get(name) or next((r for end, r in ranges.items() if name.endswith(end)), (0, 1e4))
    drawn = st.floats(*bounds)
    if name.endswith("_ohm") and name not in special:
        drawn = st.floats(-4, 6).map(lambda power: 10.0**power)
    return st.just(OPEN) | drawn if name in MAY_BE_OPEN else drawn


FEEDERS = st.builds(Feeder, **{name: parameter(name) for name in PARAMETERS})


def test_a_healthy_board_stands_near_nominal() -> None:
    values = read()
    assert volts(values, LN) == pytest.approx([230] * 3, rel=0.02)
    assert volts(values, LL) == pytest.approx([230 * ROOT3] * 3, rel=0.02)
    assert volts(values, LPE) == pytest.approx([230] * 3, rel=0.02)
    assert values["voltage_n_pe"] < 1
    assert values["residual_current"] < 0.03
    assert values["active_power_l1"] == pytest.approx(4500, rel=0.02)


def test_every_quantity_of_the_vocabulary_is_there() -> None:
    assert read().keys() == UNITS.keys()


def test_an_open_neutral_finds_the_star_point_of_its_loads() -> None:
    powers_w = (6000.0, 2000.0, 1500.0)
    loads = {f"load_l{n}_n_w": power_w for n, power_w in enumerate(powers_w, 1)}
    lines = {f"line_l{n}_ohm": 0.0 for n in (1, 2, 3)}
    board = solve(replace(Feeder(), neutral_ohm=OPEN, **loads, **lines, **BARE, **RESISTIVE, **STIFF))
    emfs = [cmath.rect(231, math.radians(deg)) for deg in (0, -120, 120)]
    star = sum(w * emf for w, emf in zip(powers_w, emfs, strict=True)) / sum(powers_w)
    assert abs(board.n - board.pe) == pytest.approx(abs(star), rel=1e-3)
    assert [abs(u - board.n) for u in (board.l1, board.l2, board.l3)] == pytest.approx(
        [abs(emf - star) for emf in emfs], rel=1e-3
    )
    assert abs(board.current_n) == 0


def test_a_solid_earth_fault_on_an_unearthed_source_lifts_the_others_to_line_voltage() -> None:
    values = read(star_earth_ohm=OPEN, source_bond_ohm=OPEN, fault_l3_earth_ohm=0.0, **NO_LOAD)
    assert volts(values, LPE) == pytest.approx([231 * ROOT3, 231 * ROOT3, 0], abs=2)
    assert volts(values, LN) == pytest.approx([231] * 3, rel=0.001)
    assert values["voltage_n_pe"] == pytest.approx(231, abs=2)


def test_an_open_pen_moves_neutral_and_earth_together() -> None:
    values = read(pen_ohm=OPEN, neutral_ohm=0.002, pe_ohm=0.002, electrode_ohm=OPEN, load_l1_n_w=8000, load_l3_n_w=1000)
    assert values["voltage_n_pe"] < 1
    assert max(volts(values, LN)) > 260
    assert volts(values, LPE) == pytest.approx(volts(values, LN), abs=1)


def test_a_leak_into_a_weak_earth_pulls_it_toward_its_phase() -> None:
    values = read(source_bond_ohm=OPEN, electrode_ohm=30, leak_l1_pe_ohm=202, star_earth_ohm=0.0, **BARE, **NO_LOAD)
    assert values["voltage_n_pe"] == pytest.approx(231 * 30 / 232, rel=0.002)
    assert values["voltage_l1_pe"] == pytest.approx(231 * 202 / 232, rel=0.002)
    assert values["residual_current"] == pytest.approx(231 / 232, rel=0.002)


def test_a_fault_elsewhere_lifts_the_star_point_alike() -> None:
    """The ten voltages of a local leak into a weak earth and of a fault elsewhere are the same."""
    elsewhere = read(
        source_bond_ohm=OPEN, star_earth_ohm=30, fault_l1_earth_ohm=202, electrode_ohm=1, **BARE, **NO_LOAD
    )
    assert elsewhere["voltage_l1_pe"] == pytest.approx(231 * 202 / 232, rel=0.002)
    assert elsewhere["voltage_n_pe"] == pytest.approx(231 * 30 / 232, rel=0.002)
    assert elsewhere["residual_current"] < 0.05


def test_loads_between_lines_feed_a_lost_phase_back_to_half_voltage() -> None:
    values = read(line_l1_ohm=OPEN, load_l1_n_w=0, load_l1_l2_w=9000, load_l3_l1_w=9000)
    assert values["voltage_l1_n"] == pytest.approx(231 / 2, rel=0.03)
    assert values["voltage_l1_l2"] == pytest.approx(200, rel=0.03)
    assert values["current_l1"] == 0


def test_a_running_motor_regenerates_a_lost_phase() -> None:
    values = read(line_l1_ohm=OPEN, load_l1_n_w=300, motor_ohm=0.3)
    assert 0.5 * 230 < values["voltage_l1_n"] < 0.95 * 230
    assert values["current_l1"] == 0


def test_a_lost_phase_behind_single_phase_loads_is_dead() -> None:
    values = read(line_l2_ohm=OPEN)
    assert values["voltage_l2_n"] < 1
    assert values["voltage_l1_l2"] == pytest.approx(values["voltage_l1_n"], rel=0.01)
    assert values["voltage_l3_l1"] == pytest.approx(400, rel=0.02)


def test_a_lost_medium_voltage_phase_lays_two_phases_opposite_the_third() -> None:
    lost = {"emf_l1_v": 150.0, "emf_l1_deg": -60.0, "emf_l2_v": 81.0, "emf_l2_deg": -60.0, "emf_l3_deg": 120.0}
    values = read(**lost)
    assert values["voltage_l1_n"] + values["voltage_l2_n"] == pytest.approx(values["voltage_l3_n"], rel=0.02)
    assert values["voltage_l1_l2"] == pytest.approx(values["voltage_l1_n"] - values["voltage_l2_n"], abs=2)


@given(FEEDERS)
def test_currents_at_each_node_sum_to_zero(feeder: Feeder) -> None:
    circuit = tuple(branch for _, branch in branches(feeder))
    nodes = solve_nodes(circuit)
    for node in nodes.keys() - {EARTH}:
        out = [flow(b, nodes) for b in circuit if b.start == node]
        into = [flow(b, nodes) for b in circuit if b.end == node]
        at_work = sum(abs(b.admittance_s) * 500 for b in circuit if node in (b.start, b.end))
        assert abs(sum(out) - sum(into)) < 1e-9 * at_work


@given(FEEDERS)
def test_sources_give_what_the_circuit_takes(feeder: Feeder) -> None:
    """Tellegen: the power of the EMFs equals the power in the admittances."""
    circuit = tuple(branch for _, branch in branches(feeder))
    nodes = solve_nodes(circuit)
    given_w = sum((b.emf_v * flow(b, nodes).conjugate()).real for b in circuit)
    taken_w = sum(abs(nodes[b.start] + b.emf_v - nodes[b.end]) ** 2 * b.admittance_s.real for b in circuit)
    scale_w = sum(abs(b.emf_v * flow(b, nodes)) + abs(b.emf_v) ** 2 * abs(b.admittance_s) for b in circuit)
    assert taken_w >= 0
    assert abs(given_w - taken_w) <= 1e-6 * scale_w + 1e-9


@given(FEEDERS)
def test_any_circuit_gives_finite_values_that_fit_a_triangle(feeder: Feeder) -> None:
    values = magnitudes(solve(feeder))
    assert all(math.isfinite(value) for value in values.values())
    assert all(value >= 0 for name, value in values.items() if not name.startswith("active_power"))
    longest = max(volts(values, LL))
    assert 2 * longest <= sum(volts(values, LL)) * (1 + 1e-9) + 1e-6
    for near, far, line in (("l1", "l2", "l1_l2"), ("l2", "l3", "l2_l3"), ("l3", "l1", "l3_l1")):
        for point in ("n", "pe"):
            reach = values[f"voltage_{near}_{point}"] + values[f"voltage_{far}_{point}"]
            assert values[f"voltage_{line}"] <= reach * (1 + 1e-9) + 1e-6


@given(FEEDERS)
def test_doubled_emfs_double_every_voltage(feeder: Feeder) -> None:
    emfs = ("emf_l1_v", "emf_l2_v", "emf_l3_v", "motor_emf_v")
    once, twice = read(feeder), read(feeder, **{name: 2 * getattr(feeder, name) for name in emfs})
    for name in (*LN, *LL, *LPE, "voltage_n_pe"):
        assert twice[name] == pytest.approx(2 * once[name], rel=1e-6, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("load_l1_n_w", -1.0, "load_l1_n_w: -1.0 is too small"),
        ("load_l1_n_w", OPEN, "load_l1_n_w: cannot be open"),
        ("insulation_ohm", OPEN, "insulation_ohm: cannot be open"),
        ("nominal_v", 0.0, "nominal_v: 0.0 is too small"),
        ("emf_l1_deg", math.nan, "emf_l1_deg: nan is not a number"),
        ("load_line_power_factor", 0.0, "not in"),
    ],
)
def test_what_no_circuit_can_be_is_refused(name: str, value: float, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(Feeder(), **{name: value})
