import pytest
from pydantic import ValidationError

from phasewatch.meters.profile import Mark, Profile

HEAD = {"id": "test", "maker": "any", "models": ["any"], "kind": "test", "sources": ["test"], "function_code": 3}
VOLTAGE = {"voltage_l1_n": {"address": 0, "type": "f32"}}


def profile(**keys: object) -> Profile:
    return Profile.model_validate({**HEAD, "registers": VOLTAGE, **keys})


def test_a_profile_is_frozen() -> None:
    with pytest.raises(ValidationError):
        profile().id = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"colour": "grey"}, "Extra inputs"),
        ({"id": "No Slug"}, "id"),
        ({"sources": []}, "sources"),
        ({"function_code": 6}, "function_code"),
        ({"max_words": 126}, "max_words"),
        ({"max_words": 1}, "registers.voltage_l1_n: takes 2 words, more than max_words 1"),
        ({"registers": {}}, "registers"),
        ({"registers": {"voltage_l4_n": {"address": 0, "type": "f32"}}}, "registers.voltage_l4_n: no such quantity"),
        ({"registers": {"voltage_l1_n": {"address": 65535, "type": "f32"}}}, "runs past the last address"),
        ({"registers": {"voltage_l1_n": {"address": 0, "type": "bcd"}}}, "type"),
        (
            {"examples": [{"note": "x", "words": {0: [1]}, "values": {"volts": 1}}]},
            r"examples\[0\].values.volts: no such quantity",
        ),
        ({"examples": [{"note": "x", "words": {0: [65536]}, "values": {}}]}, "65535"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        profile(**keys)


def test_the_voltages_come_in_the_order_of_the_vocabulary() -> None:
    registers = {name: {"address": 0, "type": "f32"} for name in ("voltage_n_pe", "frequency", "voltage_l1_n")}
    assert profile(registers=registers).voltages == ("voltage_l1_n", "voltage_n_pe")


@pytest.mark.parametrize(("quantity", "sees"), [("voltage_n_pe", True), ("voltage_l2_pe", True), ("frequency", False)])
def test_a_meter_sees_earth_when_a_register_speaks_of_it(quantity: str, sees: bool) -> None:
    assert profile(registers={quantity: {"address": 0, "type": "f32"}}).sees_earth is sees


def test_a_register_may_have_its_own_window() -> None:
    own = {"address": 2, "type": "f32", "window_s": 1}
    meter = profile(registers={**VOLTAGE, "frequency": own}, window_s=0.2)
    assert (meter.window_of("voltage_l1_n"), meter.window_of("frequency")) == (0.2, 1)
    assert profile().window_of("voltage_l1_n") is None


@pytest.mark.parametrize(
    ("ids", "serial_line", "unit_id"),
    [
        ({"unit_id": 5, "tcp_unit_id": 255}, True, 5),
        ({"unit_id": 5, "tcp_unit_id": 255}, False, 255),
        ({"unit_id": 5, "tcp_unit_id": 0}, False, 0),
        ({"unit_id": 5}, False, 5),
    ],
)
def test_a_meter_may_have_another_unit_id_on_the_network(ids: dict[str, int], serial_line: bool, unit_id: int) -> None:
    assert profile(**ids).unit_id_on(serial_line=serial_line) == unit_id


@pytest.mark.parametrize(
    ("tells", "words", "fits"),
    [
        ({"equals": [112, 121]}, (112,), True),
        ({"equals": [112, 121]}, (113,), False),
        ({"equals": [0x00010002]}, (1, 2), True),
        ({"equals": [0x00010002]}, (2, 1), False),
        ({"begins": "PM51"}, (0x504D, 0x3531, 0x3130), True),
        ({"begins": "PM51"}, (0x3030, 0x504D, 0x3531), False),
        ({"begins": "PM51"}, (0x4D50, 0x3135), False),
        ({"begins": "Ω"}, (0xCEA9,), False),
    ],
)
def test_a_mark_tells_the_model_by_a_number_or_by_the_beginning_of_a_text(
    tells: dict[str, object], words: tuple[int, ...], fits: bool
) -> None:
    assert Mark.model_validate({"function_code": 3, "address": 0, **tells}).fits(words) is fits


def test_a_mark_has_either_numbers_or_a_text() -> None:
    for tells in ({}, {"equals": [1], "begins": "PM"}):
        with pytest.raises(ValidationError, match="needs either equals"):
            Mark.model_validate({"function_code": 3, "address": 0, **tells})
