import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.meters.profile import Profile
from phasewatch.simulator.device import Unit, played
from phasewatch.simulator.meter import Meter
from phasewatch.simulator.scenario import parse_scenario

PROFILE = Profile.model_validate(
    {
        "id": "x",
        "maker": "X",
        "models": ["x"],
        "kind": "meter",
        "sources": ["made up"],
        "function_code": 4,
        "max_words": 10,
        "align_words": 2,
        "blocks": [{"address": 0, "words": 40}],
        "holes": [{"address": 20, "words": 2}],
        "registers": {
            "voltage_l1_n": {"address": 0, "type": "f32"},
            "voltage_n_pe": {"address": 100, "type": "i32"},
            "frequency": {"address": 6, "type": "u16", "function_code": 3},
        },
    }
)
UNIT = Unit(PROFILE, lambda: {"voltage_l1_n": 230.5, "voltage_n_pe": -1.0, "frequency": 50.0})


def ask(code: int, address: int, count: int) -> bytes:
    return UNIT.answer(struct.pack(">BHH", code, address, count))


def test_registers_and_the_gaps_of_a_block_are_answered() -> None:
    assert ask(4, 0, 4) == b"\x04\x08" + struct.pack(">fHH", 230.5, 0, 0)
    assert ask(4, 100, 2) == b"\x04\x04\xff\xff\xff\xff"
    assert ask(3, 6, 2) == b"\x03\x04\x00\x32\x00\x00"


@pytest.mark.parametrize(
    ("what", "request_", "refusal"),
    [
        ("another function code", (1, 0, 2), b"\x81\x01"),
        ("a write", (6, 0, 2), b"\x86\x01"),
        ("nothing", (4, 0, 0), b"\x84\x03"),
        ("more than the meter gives", (4, 0, 12), b"\x84\x03"),
        ("an odd address", (4, 1, 2), b"\x84\x02"),
        ("an odd count", (4, 0, 3), b"\x84\x02"),
        ("a hole", (4, 20, 2), b"\x84\x02"),
        ("across a hole", (4, 16, 6), b"\x84\x02"),
        ("behind the block", (4, 38, 4), b"\x84\x02"),
        ("nowhere", (4, 5000, 2), b"\x84\x02"),
        ("past the last address", (4, 65534, 4), b"\x84\x02"),
    ],
)
def test_a_meter_refuses(what: str, request_: tuple[int, int, int], refusal: bytes) -> None:
    assert ask(*request_) == refusal, what


@given(st.binary(min_size=1, max_size=12))
def test_any_request_gets_an_answer(pdu: bytes) -> None:
    answer = UNIT.answer(pdu)
    assert answer[0] & 0x7F == pdu[0] & 0x7F
    assert len(answer) >= 2


def test_a_played_meter_follows_the_clock_and_may_loop() -> None:
    scenario = parse_scenario(
        "{name: x, length_s: 10, steps: [{at_s: 0, name: a}, {at_s: 5, name: b, set: {line_l1_ohm: open}}]}"
    )
    now_s = 0.0
    once = played(Meter(PROFILE), scenario, lambda: now_s)
    again = played(Meter(PROFILE), scenario, lambda: now_s, loop=True)
    assert once.values()["voltage_l1_n"] > 220
    now_s = 6.0
    assert once.values()["voltage_l1_n"] < 1
    now_s = 11.0
    assert once.values()["voltage_l1_n"] < 1
    assert again.values()["voltage_l1_n"] > 220
