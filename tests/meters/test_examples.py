"""The example that the words of a poll make, and the lines in which a profile takes it."""

import yaml

from phasewatch.meters.decode import example_problems
from phasewatch.meters.examples import example_lines, seen_example
from phasewatch.meters.profile import Example, Profile

METER = Profile.model_validate(
    {
        "id": "test",
        "maker": "any",
        "models": ["any"],
        "kind": "test",
        "sources": ["test"],
        "function_code": 3,
        "registers": {
            "voltage_l1_n": {"address": 0, "type": "u16", "scale": 0.1},
            "voltage_l2_n": {"address": 1, "type": "u16", "unavailable": [65535]},
            "current_l1": {"address": 200, "type": "f32"},
            "frequency": {"address": 300, "type": "u16"},
        },
    }
)
WORDS = {200: (0x3DCC, 0xCCCD), 0: (2301, 65535)}


def test_an_example_has_what_was_read_and_leaves_out_the_rest() -> None:
    example = seen_example(METER, WORDS, "at night")
    assert example.note == "at night"
    assert list(example.words.items()) == [(0, (2301, 65535)), (200, (0x3DCC, 0xCCCD))]
    assert example.values == {"voltage_l1_n": 230.1, "voltage_l2_n": None, "current_l1": 0.100000001}


def test_a_profile_takes_the_example_as_it_is_written() -> None:
    example = seen_example(METER, WORDS, 'a "quoted" note: 25 Ω')
    (written,) = yaml.safe_load("examples:\n" + "\n".join(example_lines(example)))["examples"]
    assert Example.model_validate(written) == example
    assert example_problems(METER.model_copy(update={"examples": (example,)})) == []


def test_the_lines_of_an_example_are_short_and_in_order() -> None:
    assert list(example_lines(seen_example(METER, WORDS, "25 Ω"))) == [
        '  - note: "25 Ω"',
        "    words:",
        "      0: [2301, 65535]",
        "      200: [15820, 52429]",
        "    values:",
        "      voltage_l1_n: 230.1",
        "      voltage_l2_n: null",
        "      current_l1: 0.100000001",
    ]


def test_an_example_of_no_words_says_so() -> None:
    lines = list(example_lines(seen_example(METER, {}, "silent")))
    assert lines == ['  - note: "silent"', "    words: {}", "    values: {}"]


def test_a_value_has_nine_digits() -> None:
    example = Example(note="x", words={}, values={"current_l1": 1.234567894e-7, "frequency": 50.0})
    assert list(example_lines(example))[-2:] == ["      current_l1: 1.23456789e-07", "      frequency: 50"]
