import cmath
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.electrical.geometry import draw
from phasewatch.electrical.neutral_impedance import LEAST_SAMPLES, TOWARD, SlopeBlock, phase_load, sample
from phasewatch.meters.quantities import CURRENT_N, CURRENTS, LL, LN
from phasewatch.simulator import feeder
from tests.acceptance import LOOSENING
from tests.feeder_weeks import LINE_OHM, NEUTRAL_REACTANCE_OHM, board, magnitudes

POINTS = st.complex_numbers(max_magnitude=100.0, allow_nan=False, allow_infinity=False)


def block(samples: list[tuple[complex, complex]]) -> SlopeBlock:
    filled = SlopeBlock()
    for load, shift in samples:
        filled.add(load, shift)
    return filled


def ohm(samples: list[tuple[complex, complex]]) -> float | None:
    slope = block(samples).slope()
    return None if slope is None else slope.ohm


def a4(*, with_phases: bool) -> list[tuple[complex, complex]]:
    """Return the samples of the acceptance case A4: L2 alone is loaded, from 5 to 40 A."""
    found = []
    for current_a, ln, ll, _, _ in LOOSENING * 2:
        values = {**dict(zip(LN, ln, strict=True)), **dict(zip(LL, ll, strict=True)), CURRENT_N: current_a}
        if with_phases:
            values |= dict(zip(CURRENTS, (0.0, current_a, 0.0), strict=True))
        neutral = draw(values).neutral
        assert neutral is not None
        taken = sample(values, neutral)
        assert taken is not None
        found.append(taken)
    return found


@pytest.mark.parametrize("with_phases", [True, False])
def test_the_loosening_neutral_of_the_acceptance_case_has_its_slope(with_phases: bool) -> None:
    assert ohm(a4(with_phases=with_phases)) == pytest.approx(0.437, abs=0.002)


@given(st.lists(POINTS, min_size=LEAST_SAMPLES, max_size=30), st.floats(0.01, 2.0), POINTS)
def test_a_constant_error_of_the_meter_changes_nothing(loads: list[complex], slope_ohm: float, error: complex) -> None:
    found = ohm([(load, slope_ohm * load + error) for load in loads])
    assert found is None or found == pytest.approx(slope_ohm, rel=1e-6, abs=1e-6)


def test_phases_without_steps_add_nothing_and_spoil_nothing() -> None:
    draws = random.Random(1)
    loads = [10.0 * TOWARD[0] + draws.uniform(0.0, 20.0) * TOWARD[1] + 3.0 * TOWARD[2] for _ in range(60)]
    assert ohm([(load, 0.3 * load + 0.5j) for load in loads]) == pytest.approx(0.3)


def test_steady_load_says_nothing() -> None:
    assert ohm([(complex(20.0 + 0.05 * place), complex(place)) for place in range(60)]) is None
    assert ohm([(complex(10.0 * place), complex(place)) for place in range(LEAST_SAMPLES - 1)]) is None
    assert ohm([]) is None


def test_the_weight_is_the_mean_square_variation() -> None:
    slope = block([(complex(10.0 + 4.0 * (-1) ** place), 0j) for place in range(10)]).slope()
    assert slope is not None
    assert slope.weight == pytest.approx(16.0)


def test_a_cleared_block_begins_anew() -> None:
    filled = block([(complex(place), complex(place)) for place in range(20)])
    filled.clear()
    assert filled.count == 0
    assert filled.slope() is None


def test_current_fed_back_counts_against_its_direction() -> None:
    values = dict(zip(CURRENTS, (10.0, 2.0, 2.0), strict=True))
    assert phase_load(values) == pytest.approx(8.0)
    assert phase_load({**values, "active_power_l1": -2300.0}) == pytest.approx(-12.0)
    assert phase_load({**values, "active_power_l1": 2300.0}) == pytest.approx(8.0)


def test_without_all_phase_currents_the_neutral_current_is_taken_and_without_that_nothing() -> None:
    assert sample({CURRENTS[0]: 3.0, CURRENT_N: 7.0}, 3 + 4j) == (7.0, 5.0)
    assert sample({CURRENTS[0]: 3.0}, 3 + 4j) is None


def test_the_closed_form_of_the_weeks_is_the_simulators_circuit() -> None:
    powers_w, factors = (3000.0, 800.0, 1500.0), (0.95, 1.0, 0.9)
    admittances = [
        watts * complex(1.0, -((1 / factor**2 - 1) ** 0.5)) / 230.0**2
        for watts, factor in zip(powers_w, factors, strict=True)
    ]
    for neutral_ohm in (0.02, 0.12, 1.0):
        board_of = replace(
            feeder.Feeder(),
            neutral_ohm=neutral_ohm,
            **{f"load_l{n}_n_w": watts for n, watts in enumerate(powers_w, 1)},
            **{f"load_l{n}_n_power_factor": factor for n, factor in enumerate(factors, 1)},
            **{f"filter_l{n}_pe_nf": 0.0 for n in (1, 2, 3)},
        )
        circuit = feeder.magnitudes(feeder.solve(board_of))
        a, b, c = admittances
        mine = magnitudes(*board((a, b, c), neutral_ohm + board_of.pen_ohm))
        assert mine == pytest.approx({name: circuit[name] for name in mine}, rel=1e-4, abs=1e-3)
    assert cmath.isclose(complex(0.024, 0.017), LINE_OHM)
    assert 2 * feeder.Feeder().cable_reactance_ohm == NEUTRAL_REACTANCE_OHM
