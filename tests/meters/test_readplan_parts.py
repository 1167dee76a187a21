"""What is asked apart: exponents that stand far away, and the one value of a probe."""

from phasewatch.meters.profile import Profile
from phasewatch.meters.readplan import Request, plan, probe, quantities_in, serial_cost, split

SERIAL = serial_cost(9600)
HEAD = {"id": "test", "maker": "any", "models": ["any"], "kind": "test", "sources": ["test"], "function_code": 3}


def with_exponent(address: int, exponent_at: int) -> dict[str, object]:
    return {"address": address, "type": "u16", "exponent_at": exponent_at}


FAR = Profile.model_validate(
    HEAD
    | {
        "registers": {
            "voltage_l1_n": with_exponent(100, 3000),
            "voltage_l2_n": with_exponent(101, 3000),
            "current_l1": with_exponent(90, 3002),
        },
        "blocks": [{"address": 90, "words": 12}, {"address": 3000, "words": 3}],
    }
)
"""Its scale factors stand where no request reaches both them and the values."""


PLACES = {"voltage_l1_n": 0, "voltage_l2_n": 2, "frequency": 70, "voltage_l1_l2": 200, "current_n": 224}
FLOATS = Profile.model_validate(
    HEAD
    | {
        "registers": {name: {"address": address, "type": "f32"} for name, address in PLACES.items()},
        "blocks": [{"address": 200, "words": 44}],
    }
)


def test_a_far_exponent_is_asked_for_once_in_a_request_of_its_own() -> None:
    assert plan(FAR, FAR.registers, SERIAL) == (Request(3, 90, 12), Request(3, 3000, 3))
    assert plan(FAR, ["voltage_l1_n"], SERIAL) == (Request(3, 100, 1), Request(3, 3000, 1))


def test_a_refused_request_for_far_exponents_falls_apart_and_names_what_goes_with_it() -> None:
    exponents = Request(3, 3000, 3)
    assert quantities_in(exponents, FAR, FAR.registers) == tuple(FAR.registers)
    assert split(exponents, FAR, FAR.registers) == (Request(3, 3000, 1), Request(3, 3002, 1))
    assert split(Request(3, 3002, 1), FAR, FAR.registers) == ()
    assert quantities_in(Request(3, 3002, 1), FAR, FAR.registers) == ("current_l1",)


def test_a_probe_is_the_shortest_request_for_a_voltage_within_what_is_asked() -> None:
    for requests, shortest in (
        (plan(FLOATS, FLOATS.registers, SERIAL), Request(3, 0, 2)),
        ([Request(3, 200, 26), Request(3, 2, 2)], Request(3, 2, 2)),
        ([Request(3, 200, 26)], Request(3, 200, 2)),
        ([Request(3, 70, 2)], Request(3, 70, 2)),
    ):
        assert probe(requests, FLOATS, FLOATS.registers) == shortest
    assert probe(plan(FAR, FAR.registers, SERIAL), FAR, FAR.registers) == Request(3, 100, 1)


def test_a_probe_is_short_wherever_it_stands() -> None:
    registers = {"voltage_l1_n": {"address": 0, "type": "f64"}, "voltage_l2_n": {"address": 100, "type": "u16"}}
    meter = Profile.model_validate(HEAD | {"registers": registers})
    assert probe(plan(meter, registers, SERIAL), meter, registers) == Request(3, 100, 1)


def test_a_probe_asks_for_a_value_and_not_for_its_exponent() -> None:
    registers = {"current_l1": {"address": 90, "type": "u32", "exponent_at": 3000}}
    meter = Profile.model_validate(HEAD | {"registers": registers})
    assert probe(plan(meter, registers, SERIAL), meter, registers) == Request(3, 90, 2)
