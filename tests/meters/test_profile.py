import pytest
from pydantic import ValidationError

from phasewatch.meters.profile import Profile

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
