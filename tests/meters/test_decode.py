import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.meters.decode import NOT_READ, Decoder, ProfileError, by_address, decode, example_problems
from phasewatch.meters.profile import TYPE_WORDS, Example, Profile

CODES = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f", "u64": "Q", "i64": "q", "f64": "d"}


def profile(**keys: object) -> Profile:
    head = {"id": "test", "maker": "any", "models": ["any"], "kind": "test", "sources": ["test"], "function_code": 3}
    return Profile.model_validate({**head, **keys})


def one(name: str, words: list[int], **register: object) -> float | str:
    """Decode one register at address 10: its value, or why it is missing."""
    meter = profile(registers={name: {"address": 10, **register}})
    values, missing = decode(by_address({10: words}), meter, nominal_v=230)
    assert len(values) + len(missing) == 1
    return values[name] if name in values else missing[name]


def words_of(number: float, kind: str, order: str = "big") -> list[int]:
    raw = struct.pack(">" + CODES[kind], number)
    words = list(struct.unpack(f">{len(raw) // 2}H", raw))
    return words if order == "big" else words[::-1]


@pytest.mark.parametrize(
    ("kind", "order", "words", "expected"),
    [
        ("u16", "big", [0xFFFE], 65534.0),
        ("i16", "big", [0xFFFE], -2.0),
        ("u32", "big", [0x0001, 0x0002], 65538.0),
        ("u32", "little", [0x0002, 0x0001], 65538.0),
        ("i32", "big", [0xFFFF, 0xFFFE], -2.0),
        ("i32", "little", [0xFFFE, 0xFFFF], -2.0),
        ("f32", "big", [0x4366, 0x0000], 230.0),
        ("f32", "little", [0x0000, 0x4366], 230.0),
        ("u64", "big", [0, 0, 0, 7], 7.0),
        ("u64", "little", [7, 0, 0, 0], 7.0),
        ("i64", "big", [0xFFFF, 0xFFFF, 0xFFFF, 0xFFF9], -7.0),
        ("i64", "little", [0xFFF9, 0xFFFF, 0xFFFF, 0xFFFF], -7.0),
        ("f64", "big", [0x406C, 0xC000, 0, 0], 230.0),
        ("f64", "little", [0, 0, 0xC000, 0x406C], 230.0),
    ],
)
def test_each_type_is_read_in_both_word_orders(kind: str, order: str, words: list[int], expected: float) -> None:
    assert one("active_power_total", words, type=kind, word_order=order) == expected


@given(kind=st.sampled_from(sorted(CODES)), order=st.sampled_from(["big", "little"]), data=st.data())
def test_what_the_meter_packs_comes_out_again(kind: str, order: str, data: st.DataObject) -> None:
    bits = 16 * TYPE_WORDS[kind]
    ranges = {"u": (0, 2**bits - 1), "i": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)}
    if kind[0] == "f":
        number = data.draw(st.floats(-9e6, 9e6, width=32))
    else:
        low, high = ranges[kind[0]]
        number = data.draw(st.integers(max(low, -9_999_999), min(high, 9_999_999)))
    assert one("active_power_total", words_of(number, kind, order), type=kind, word_order=order) == number


@pytest.mark.parametrize(
    ("raw", "scale", "expected"),
    [(2301, 0.1, 230.1), (23013, 0.01, 230.13), (7, 0.3, 2.1), (3, 0.001, 0.003), (23, 10, 230.0), (1101, 0.1, 110.1)],
)
def test_scaling_gives_the_number_a_person_would_write(raw: int, scale: float, expected: float) -> None:
    assert one("active_power_total", [raw], type="u16", scale=scale) == expected


@given(raw=st.integers(0, 65535), digits=st.integers(0, 6))
def test_scaling_by_a_power_of_ten_adds_no_noise(raw: int, digits: int) -> None:
    assert one("active_power_total", [raw], type="u16", scale=float(f"1e-{digits}")) == float(f"{raw}e-{digits}")


@given(raw=st.integers(-999, 999), exponent=st.integers(-10, 4))
def test_an_exponent_multiplies_by_a_power_of_ten_without_noise(raw: int, exponent: int) -> None:
    words = [*words_of(raw, "i16"), *words_of(exponent, "i16")]
    expected = float(f"{raw}e{exponent}")
    if abs(expected) < 1e7:
        assert one("active_power_total", words, type="i16", exponent_at=11) == expected


@pytest.mark.parametrize(
    ("exponent", "reason"),
    [
        (0x8000, "the meter says its scale factor is not available"),
        (11, "scale factor 11 is outside -10 to 10"),
        (0xFFF5, "scale factor -11 is outside -10 to 10"),
    ],
)
def test_an_exponent_that_says_nothing_makes_the_value_missing(exponent: int, reason: str) -> None:
    assert one("voltage_l1_n", [2301, exponent], type="u16", exponent_at=11) == reason


@pytest.mark.parametrize(
    ("word", "expected"),
    [(0x00FF, 230.9), (0xFFFF, 230.9), (0x5AFF, 230.9), (0x0001, 23090.0), (0x0000, 2309.0)],
)
def test_an_exponent_of_eight_bits_is_the_low_byte_of_its_word(word: int, expected: float) -> None:
    assert one("active_power_total", [2309, word], type="i16", exponent_at=11, exponent_type="i8") == expected


@pytest.mark.parametrize(
    ("words", "register", "expected"),
    [
        ([20000, 0xFFF6], {"type": "u16"}, 2e-6),
        ([230, 0xFFFF], {"type": "u16", "scale": 10}, 230.0),
        ([6000, 0], {"type": "u16"}, "implausible: 6000 V is outside 0 to 575 V"),
    ],
)
def test_a_value_with_an_exponent_is_scaled_and_limited_as_any_other(
    words: list[int], register: dict[str, object], expected: float | str
) -> None:
    assert one("voltage_l1_n", words, exponent_at=11, **register) == expected


def test_an_exponent_of_eight_bits_has_the_same_limits() -> None:
    reason = "scale factor -128 is outside -10 to 10"
    assert one("voltage_l1_n", [2309, 0x0080], type="i16", exponent_at=11, exponent_type="i8") == reason


@pytest.mark.parametrize(
    ("quantity", "raw", "expected"),
    [
        ("voltage_n_pe", -2460, 24.6),
        ("voltage_n_pe", 2460, 24.6),
        ("current_l1", -500, 5.0),
        ("voltage_n_pe", -2, "the meter says not available (raw -2)"),
    ],
)
def test_a_signed_register_can_stand_for_a_magnitude(quantity: str, raw: int, expected: float | str) -> None:
    words = words_of(raw, "i16")
    assert one(quantity, words, type="i16", scale=0.01, magnitude=True, unavailable=[-2]) == expected


def test_a_magnitude_is_believed_as_far_down_as_up() -> None:
    assert one("voltage_n_pe", words_of(-575.0, "f32"), type="f32", magnitude=True) == 575.0
    reason = "implausible: -575.5 V is outside -575 to 575 V"
    assert one("voltage_n_pe", words_of(-575.5, "f32"), type="f32", magnitude=True) == reason


def test_one_exponent_serves_several_registers() -> None:
    meter = profile(
        registers={
            "voltage_l1_n": {"address": 1, "type": "u16", "exponent_at": 3},
            "voltage_l2_n": {"address": 2, "type": "u16", "exponent_at": 3},
        }
    )
    values, missing = decode(by_address({1: [2301, 2299, 0xFFFF]}), meter, nominal_v=230)
    assert (values, missing) == ({"voltage_l1_n": 230.1, "voltage_l2_n": 229.9}, {})


@pytest.mark.parametrize(
    ("kind", "words", "markers", "reason"),
    [
        ("u16", [0xFFFF], [65535], "the meter says not available (raw 65535)"),
        ("i32", [0x7FFF, 0xFFFF], [2147483647], "the meter says not available (raw 2147483647)"),
        ("f32", [0x60AD, 0x78EC], [1e20], "the meter says not available (raw 1e+20)"),
        ("f32", [0, 0], [0.0], "the meter says not available (raw 0)"),
        ("f32", [0x7FC0, 0], [], "not a number"),
        ("f32", [0x7F80, 0], [], "infinite"),
        ("f32", [0xFF80, 0], [], "infinite"),
        ("f64", [0x7FF8, 0, 0, 0], [], "not a number"),
    ],
)
def test_not_available_is_missing_with_its_reason(
    kind: str, words: list[int], markers: list[float], reason: str
) -> None:
    assert one("voltage_l1_n", words, type=kind, unavailable=markers) == reason


@pytest.mark.parametrize(
    ("quantity", "value", "reason"),
    [
        ("voltage_l1_n", 0.0, None),
        ("voltage_l1_n", 575.0, None),
        ("voltage_l1_n", 575.5, "implausible: 575.5 V is outside 0 to 575 V"),
        ("voltage_l1_n", -0.5, "implausible: -0.5 V is outside 0 to 575 V"),
        ("voltage_n_pe", 398.5, None),
        ("voltage_l1_pe", 400.0, None),
        ("voltage_l1_l2", 995.5, None),
        ("voltage_l1_l2", 996.5, "implausible: 996.5 V is outside 0 to 995.929 V"),
        ("frequency", 0.0, "no frequency"),
        ("frequency", 10.0, None),
        ("frequency", 100.0, None),
        ("frequency", 500.0, "implausible: 500 Hz is outside 10 to 100 Hz"),
        ("current_l1", -9.5e6, None),
        ("current_l1", 1e7, "implausible: 1e+07 A is outside -1e+07 to 1e+07 A"),
        ("active_power_total", -1e7, "implausible: -1e+07 W is outside -1e+07 to 1e+07 W"),
        ("thd_voltage_l1", 3.5, None),
    ],
)
def test_values_outside_the_plausible_range_are_missing(quantity: str, value: float, reason: str | None) -> None:
    assert one(quantity, words_of(value, "f32"), type="f32") == (value if reason is None else reason)


@pytest.mark.parametrize("quantity", ["voltage_l1_n", "voltage_l1_l2", "voltage_n_pe"])
def test_a_voltage_in_the_wrong_word_order_is_missing_and_says_so(quantity: str) -> None:
    reason = one(quantity, words_of(231.0, "f32", "little"), type="f32", word_order="big")
    assert reason == "implausible: 2.41794e-41 V is what two words in the wrong order make; see word_order"


@pytest.mark.parametrize(("value", "believed"), [(1e-9, True), (9.9e-10, False), (0.0, True)])
def test_a_float_voltage_is_zero_or_not_below_a_nanovolt(value: float, believed: bool) -> None:
    found = one("voltage_l1_n", words_of(value, "f64"), type="f64")
    assert (found == value) is believed


def test_another_float_quantity_may_be_as_small_as_it_likes() -> None:
    assert one("current_l1", words_of(1e-12, "f64"), type="f64") == 1e-12


@pytest.mark.parametrize("exponent", [{}, {"exponent_at": 12}])
def test_a_negative_zero_is_zero(exponent: dict[str, object]) -> None:
    value = one("voltage_l1_n", [0x8000, 0, 0], type="f32", **exponent)
    assert isinstance(value, float)
    assert math.copysign(1.0, value) == 1.0


def test_words_that_were_not_read_are_missing_and_the_rest_is_there() -> None:
    meter = profile(
        registers={
            "voltage_l1_n": {"address": 0, "type": "f32"},
            "voltage_l2_n": {"address": 2, "type": "f32"},
            "voltage_l3_n": {"address": 4, "type": "u16"},
            "frequency": {"address": 5, "type": "u16", "exponent_at": 9},
        }
    )
    values, missing = decode({0: 0x4366, 1: 0, 2: 0x4366, 5: 50}, meter, nominal_v=230)
    assert values == {"voltage_l1_n": 230.0}
    assert missing == dict.fromkeys(["voltage_l2_n", "voltage_l3_n", "frequency"], NOT_READ)


def test_only_what_is_asked_for_is_decoded_or_missed() -> None:
    meter = profile(
        registers={"voltage_l1_n": {"address": 0, "type": "u16"}, "voltage_l2_n": {"address": 1, "type": "u16"}}
    )
    assert Decoder(meter, 230, ["voltage_l2_n"])({1: 231}) == ({"voltage_l2_n": 231.0}, {})
    assert Decoder(meter, 230, [])({}) == ({}, {})


@given(st.data())
def test_every_quantity_is_either_a_finite_value_or_missing(data: st.DataObject) -> None:
    kinds = sorted(CODES)
    names = ["voltage_l1_n", "voltage_l1_l2", "voltage_n_pe", "frequency", "current_n", "active_power_total"]
    meter = profile(
        registers={
            name: {
                "address": 8 * n,
                "type": data.draw(st.sampled_from(kinds)),
                "word_order": data.draw(st.sampled_from(["big", "little"])),
                "exponent_at": data.draw(st.sampled_from([None, 8 * n + 5])),
                "scale": data.draw(st.sampled_from([1.0, 0.1, -1.0, 1e-12, 1e12])),
            }
            for n, name in enumerate(names)
        }
    )
    addresses = data.draw(st.sets(st.integers(0, 50))) if data.draw(st.booleans()) else set(range(50))
    words = {address: data.draw(st.integers(0, 0xFFFF)) for address in sorted(addresses)}
    values, missing = decode(words, meter, nominal_v=230)
    assert sorted([*values, *missing]) == sorted(names)
    assert all(math.isfinite(value) for value in values.values())
    assert all(missing.values())


@pytest.mark.parametrize(
    ("registers", "message"),
    [
        ({"voltage_l1_n": {"address": 0, "type": "i16", "unavailable": [32768]}}, "registers.voltage_l1_n.unavailable"),
        ({"voltage_l1_n": {"address": 0, "type": "f32", "unavailable": [1e300]}}, "registers.voltage_l1_n.unavailable"),
        ({"voltage_l1_n": {"address": 0, "type": "u16", "scale": 0}}, "registers.voltage_l1_n.scale"),
        ({"voltage_l1_n": {"address": 0, "type": "u16", "scale": math.inf}}, "registers.voltage_l1_n.scale"),
        (
            {
                "voltage_l1_n": {"address": 0, "type": "f32"},
                "frequency": {"address": 1, "type": "u16", "function_code": 4},
            },
            "registers.frequency.address",
        ),
    ],
)
def test_a_profile_that_cannot_be_decoded_is_refused_by_key(registers: dict[str, object], message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        Decoder(profile(registers=registers), 230)


@pytest.mark.parametrize(
    ("frequency", "refused"),
    [
        ({"address": 0, "function_code": 3}, False),  # the profile's own code, written out
        ({"address": 10, "function_code": 4}, False),
        ({"address": 1, "function_code": 4}, True),
        ({"address": 10, "function_code": 4, "exponent_at": 1}, True),
    ],
)
def test_one_address_has_one_function_code(frequency: dict[str, object], refused: bool) -> None:
    meter = profile(
        registers={"voltage_l1_n": {"address": 0, "type": "f32"}, "frequency": {"type": "u16", **frequency}}
    )
    if refused:
        with pytest.raises(ProfileError, match=r"under function code 3; leave out one of the two$"):
            Decoder(meter, 230)
    else:
        Decoder(meter, 230)


def test_a_quantity_the_meter_does_not_have_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"registers\.frequency: test has no such register"):
        Decoder(profile(registers={"voltage_l1_n": {"address": 0, "type": "u16"}}), 230, ["frequency"])


@pytest.mark.parametrize(
    ("words", "values", "problems"),
    [
        ({0: (2301,)}, {"voltage_l1_n": 230.1}, []),
        ({0: (65535,)}, {"voltage_l1_n": None}, []),
        ({0: (2301,)}, {"voltage_l1_n": 231}, ["examples[0].values.voltage_l1_n: is 231.0, the words say 230.1"]),
        ({0: (2301,)}, {"voltage_l1_n": None}, ["examples[0].values.voltage_l1_n: is null, the words say 230.1"]),
        (
            {0: (65535,)},
            {"voltage_l1_n": 230},
            [
                "examples[0].values.voltage_l1_n: is 230.0, the words say null "
                "(the meter says not available (raw 65535))"
            ],
        ),
        (
            {1: (1,)},
            {"voltage_l1_n": None},
            ["examples[0].values.voltage_l1_n: its words are not among the example's words"],
        ),
        ({0: (1,)}, {"frequency": 50}, ["examples[0].values.frequency: there is no such register"]),
    ],
)
def test_an_example_that_does_not_hold_is_named(
    words: dict[int, tuple[int, ...]], values: dict[str, float | None], problems: list[str]
) -> None:
    register = {"address": 0, "type": "u16", "scale": 0.1, "unavailable": [65535]}
    meter = profile(
        registers={"voltage_l1_n": register}, examples=[Example(note="x", words=words, values=values).model_dump()]
    )
    assert example_problems(meter) == problems


def test_an_example_may_round_a_picovolt_to_zero() -> None:
    meter = profile(
        registers={"voltage_l1_n": {"address": 0, "type": "u16", "scale": 1e-12}},
        examples=[Example(note="x", words={0: (1,)}, values={"voltage_l1_n": 0.0}).model_dump()],
    )
    assert example_problems(meter) == []
