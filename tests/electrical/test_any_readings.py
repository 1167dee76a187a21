import random
from dataclasses import fields
from math import isfinite
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from phasewatch.electrical.causes import EXPLANATIONS
from phasewatch.electrical.diagnosis import Diagnosis, diagnose
from phasewatch.electrical.geometry import Picture
from phasewatch.electrical.per_unit import History
from phasewatch.electrical.supply import Supply, System
from phasewatch.meters.quantities import CURRENTS, VOLTAGES
from tests.acceptance import CASES

CODES = {
    *("normal", "interruption", "inputs_on_one_phase", "impossible_triangle", "neutral_swapped"),
    *("line_voltage_in_phase_registers", "scale_mismatch", "mv_phase_lost", "phase_lost_two_stages", "phase_lost"),
    *("phase_lost_backfed", "phase_lost_regenerated", "neutral_open", "pen_open", "neutral_high_resistance"),
    *("single_phase_overload", "earth_displaced", "earth_fault_solid", "neutral_earth_harmonics", "supply_unbalance"),
    *("split_phase", "high_leg_delta", "single_phase", "two_phases_lost", "impossible_point", "overvoltage"),
    *("undervoltage", "not_enough_data"),
}
SYSTEMS: tuple[System | None, ...] = (None, *get_args(System))


def _numbers(picture: Picture) -> list[float]:
    flat: list[float] = []
    for each in fields(picture):
        found = getattr(picture, each.name)
        for number in found if isinstance(found, tuple) else (found,):
            if isinstance(number, complex):
                flat += [number.real, number.imag]
            elif isinstance(number, float):
                flat.append(number)
    return flat


def _holds(diagnosis: Diagnosis) -> None:
    assert diagnosis.verdict.code in CODES
    assert set(diagnosis.verdict.phases) <= {"L1", "L2", "L3"}
    assert (diagnosis.verdict.severity is None) == (diagnosis.verdict.code in ("normal", "not_enough_data"))
    assert all(map(isfinite, _numbers(diagnosis.picture)))


STRANGE = (0.0, 0.0, 0.0, 1e30, 1e308, 5e-324, 1e-6, 1e7, -1.0, -230.0, float("nan"), float("inf"))


def _strange(draw: random.Random) -> float:
    kind = draw.random()
    if kind < 0.25:
        return draw.choice(STRANGE)
    if kind < 0.7:
        return draw.choice((230.0, 230.0, 400.0, 115.0, 28.0)) * draw.uniform(0.97, 1.03)
    return draw.uniform(0.0, 500.0)


def test_any_readings_have_a_verdict() -> None:
    draw = random.Random(7)
    for _ in range(100_000):
        missing = draw.random() * 0.4
        given = {name: _strange(draw) for name in (*VOLTAGES, *CURRENTS) if draw.random() >= missing}
        supply = Supply(system=draw.choice(SYSTEMS), accuracy_percent=draw.choice((0.2, 0.5, 1.0)))
        history = draw.choice((None, History(), History((True, False, False), draw.choice((None, 60.0)))))
        _holds(diagnose(given, supply, history))


def test_swapped_columns_have_a_verdict() -> None:
    draw = random.Random(8)
    for case in CASES:
        names = list(case.values)
        for _ in range(60):
            shuffled = draw.sample(list(case.values.values()), len(names))
            _holds(diagnose(dict(zip(names, shuffled, strict=True)), Supply()))


@given(
    st.dictionaries(st.sampled_from((*VOLTAGES, *CURRENTS)), st.floats() | st.floats(0.0, 500.0)),
    st.sampled_from(SYSTEMS),
)
def test_any_floats_have_a_verdict(given_values: dict[str, float], system: System | None) -> None:
    _holds(diagnose(given_values, Supply(system=system)))


def test_the_verdict_codes_are_the_published_ones() -> None:
    assert set(EXPLANATIONS) == CODES
