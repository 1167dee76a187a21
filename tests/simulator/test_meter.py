import math
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.meters.profile import TYPE_WORDS, Profile
from phasewatch.meters.quantities import LL, LN
from phasewatch.simulator.feeder import OPEN, Feeder, magnitudes, solve
from phasewatch.simulator.meter import INPUTS, Meter, drawn_gains, registers

CODES = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f", "u64": "Q", "i64": "q", "f64": "d"}
DISPLACED = solve(Feeder(source_bond_ohm=OPEN, leak_l1_pe_ohm=200))


def profile(registers: dict[str, dict[str, object]], **more: object) -> Profile:
    return Profile.model_validate(
        {
            "id": "x",
            "maker": "X",
            "models": ["x"],
            "kind": "meter",
            "sources": ["made up"],
            "function_code": 4,
            "registers": registers,
            **more,
        }
    )


ALL = profile({name: {"address": 2 * place, "type": "f32"} for place, name in enumerate((*INPUTS, *LL, "frequency"))})


def one(register: dict[str, object], value: float | None, **more: object) -> list[int]:
    words = registers(
        profile({"voltage_l1_n": {"address": 10, **register}}, **more), {} if value is None else {"voltage_l1_n": value}
    )
    return [words[place] for place in sorted(words)]


def number(kind: str, words: list[int]) -> float:
    return float(struct.unpack(">" + CODES[kind], struct.pack(f">{len(words)}H", *words))[0])


@pytest.mark.parametrize(
    ("register", "value", "expected"),
    [
        ({"type": "u16", "scale": 0.1}, 230.14, [2301]),
        ({"type": "i16"}, -2.0, [0xFFFE]),
        ({"type": "u32", "scale": 0.001}, 230.1, [3, 33492]),
        ({"type": "u32", "scale": 0.001, "word_order": "little"}, 230.1, [33492, 3]),
        ({"type": "f32"}, 230.1, [0x4366, 0x199A]),
        ({"type": "f32", "word_order": "little"}, 230.1, [0x199A, 0x4366]),
        ({"type": "i64"}, -1.0, [0xFFFF] * 4),
        ({"type": "f64"}, 1.0, [0x3FF0, 0, 0, 0]),
        ({"type": "u16"}, 70000.0, [0xFFFF]),
        ({"type": "u16", "unavailable": [0xFFFF]}, 70000.0, [0xFFFE]),
        ({"type": "u16"}, -5.0, [0]),
        ({"type": "i16", "unavailable": [-32768]}, -40000.0, [0x8001]),
        ({"type": "i16", "unavailable": [0x8000]}, None, [0x8000]),
        ({"type": "u16", "unavailable": [0xFFFF]}, None, [0xFFFF]),
        ({"type": "u16"}, None, [0]),
        ({"type": "f32", "unavailable": [math.nan]}, None, [0x7FC0, 0]),
        ({"type": "f32"}, 1e300, [0x7F7F, 0xFFFF]),
        ({"type": "u16"}, math.nan, [0]),
    ],
)
def test_a_value_becomes_words(register: dict[str, object], value: float | None, expected: list[int]) -> None:
    assert one(register, value) == expected


@given(st.sampled_from(sorted(TYPE_WORDS)), st.sampled_from(["big", "little"]), st.floats(0, 3000))
def test_words_say_the_value_within_half_a_step(kind: str, order: str, value: float) -> None:
    words = one({"type": kind, "scale": 0.1}, value, word_order=order)
    assert len(words) == TYPE_WORDS[kind]
    assert 0.1 * number(kind, words if order == "big" else words[::-1]) == pytest.approx(value, abs=0.0501, rel=1e-6)


def test_an_exponent_register_is_as_fine_as_its_largest_value_allows() -> None:
    map_ = {
        "voltage_l1_n": {"address": 0, "type": "i16", "exponent_at": 9},
        "voltage_l2_n": {"address": 1, "type": "i16", "exponent_at": 9},
    }
    assert registers(profile(map_), {"voltage_l1_n": 230.14, "voltage_l2_n": 4.0}) == {0: 23014, 1: 400, 9: 0xFFFE}
    assert registers(profile(map_), {"voltage_l1_n": 400.0, "voltage_l2_n": 4.0}) == {0: 4000, 1: 40, 9: 0xFFFF}
    assert registers(profile(map_), {}) == {0: 0, 1: 0, 9: 0}


def test_registers_of_another_function_code_stay_apart() -> None:
    map_ = {
        "voltage_l1_n": {"address": 0, "type": "u16"},
        "frequency": {"address": 0, "type": "u16", "function_code": 3},
    }
    values = {"voltage_l1_n": 230.0, "frequency": 50.0}
    assert registers(profile(map_), values) == {0: 230}
    assert registers(profile(map_), values, 3) == {0: 50}


def test_a_perfect_meter_reads_the_board() -> None:
    readings, true = Meter(ALL).readings(DISPLACED), magnitudes(DISPLACED)
    assert readings == pytest.approx(true)


def test_a_neutral_terminal_on_pe_reads_phase_to_earth() -> None:
    readings, true = Meter(ALL, wiring="neutral_on_pe").readings(DISPLACED), magnitudes(DISPLACED)
    assert [readings[f"voltage_l{n}_n"] for n in (1, 2, 3)] == pytest.approx(
        [true[f"voltage_l{n}_pe"] for n in (1, 2, 3)]
    )
    for name in (*LL, "voltage_n_pe", "current_n", "current_l1"):
        assert readings[name] == pytest.approx(true[name])


def test_a_meter_between_neutral_and_earth_reads_only_that() -> None:
    readings, true = Meter(ALL, wiring="n_pe").readings(DISPLACED), magnitudes(DISPLACED)
    assert readings["voltage_n_pe"] == readings["voltage_l1_n"] == pytest.approx(true["voltage_n_pe"])
    assert readings.keys() == {"voltage_n_pe", "voltage_l1_n", "frequency"}


def test_a_single_phase_meter_reads_its_phase_in_its_first_registers() -> None:
    readings, true = Meter(ALL, wiring="l2").readings(DISPLACED), magnitudes(DISPLACED)
    assert readings["voltage_l1_n"] == pytest.approx(true["voltage_l2_n"])
    assert readings["current_l1"] == pytest.approx(true["current_l2"])
    assert readings["active_power_l1"] == readings["active_power_total"] == pytest.approx(true["active_power_l2"])
    assert "voltage_l2_n" not in readings


@given(st.integers(0, 10_000))
def test_a_meter_errs_within_its_class_and_always_alike(seed: int) -> None:
    classed = profile({"voltage_l1_n": {"address": 0, "type": "f32"}}, accuracy_percent=0.2)
    meter = Meter(classed, gains=drawn_gains(classed, random.Random(seed)))
    readings, true = meter.readings(DISPLACED), magnitudes(DISPLACED)
    assert [readings[name] for name in LN] == pytest.approx([true[name] for name in LN], rel=0.002)
    assert meter.readings(DISPLACED) == readings


def test_line_voltages_come_from_the_same_samples_as_phase_voltages() -> None:
    readings = Meter(ALL, gains={"voltage_l1_n": 1.01, "voltage_l2_n": 1.01, "voltage_l3_n": 1.01}).readings(DISPLACED)
    assert [readings[name] for name in LL] == pytest.approx([1.01 * magnitudes(DISPLACED)[name] for name in LL])


def test_what_is_too_small_reads_zero_and_a_dead_supply_has_no_frequency() -> None:
    dead = solve(Feeder(emf_l1_v=0.1, emf_l2_v=0.1, emf_l3_v=0.1))
    readings = Meter(ALL).readings(dead)
    assert readings["voltage_l1_n"] == readings["frequency"] == readings["current_l1"] == 0
    assert magnitudes(dead)["voltage_l1_n"] > 0
