import os
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from phasewatch.configuration.errors import ConfigurationError
from phasewatch.configuration.files import (
    YamlError,
    config_directory,
    limits_ids,
    load_limits,
    load_messages,
    load_profile,
    parse_yaml,
    profile_ids,
    read_yaml,
)
from phasewatch.configuration.validation import validation_lines

PROFILE = """\
id: {id}
maker: mine
models: [one]
kind: energy meter
sources: [my bench]
function_code: 4
registers:
  voltage_l1_n: {{address: 0, type: u16, scale: 0.1}}
"""


def put(directory: Path, name: str, text: str, kind: str = "meters") -> Path:
    file = directory / kind / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("True", "True"),
        ("null", None),
        ("~", None),
        ("''", ""),
        ("230", 230),
        ("-7", -7),
        ("+7", 7),
        ("0", 0),
        ("010", "010"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("2024-01-02", "2024-01-02"),
        ("1e3", 1000.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-1.", -1.0),
        ("2.5e-3", 0.0025),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1.2.3", "1.2.3"),
        ("<<", "<<"),
        ("'230'", "230"),
        ("=", "="),
    ],
)
def test_a_plain_word_means_what_it_looks_like(text: str, value: object) -> None:
    parsed = parse_yaml(f"key: {text}", "site.yaml")
    assert parsed == {"key": value}
    assert isinstance(parsed, dict)
    assert type(parsed["key"]) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "site.yaml:3: key 'a' is already in line 1; remove one of the two"),
        ("m:\n  0: [1]\n  0: [2]", "site.yaml:3: key 0 is already in line 2; remove one of the two"),
        ("a: &x [1]\nb: 2", "site.yaml:1: anchors and aliases are not allowed"),
        ("a: 1\nb: *x", "site.yaml:2: anchors and aliases are not allowed"),
        ("a: !!python/object/apply:os.system [x]", "site.yaml:1: tags are not allowed"),
        ("a: !!int '7'", "site.yaml:1: tags are not allowed"),
        ("? [a, b]\n: 1", "site.yaml:1: a key must be a single word or number"),
        ("a: 1e999", "site.yaml:1: 1e999 is too large"),
        ("a: " + "9" * 5000, "site.yaml:1: number too long; put text in quotes"),
        ("a: [1", "site.yaml:1: "),
        ("a: 1\n---\nb: 2", "site.yaml:2: a second document begins here; keep one, and remove the --- between them"),
        ("a: 1\nb: \x00", "site.yaml:2: holds the character U+0000; delete it, YAML has no such"),
        ("[" * 2_000, "site.yaml: nested too deep"),
    ],
)
def test_what_is_not_strict_yaml_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(YamlError) as caught:
        parse_yaml(text, "site.yaml")
    assert str(caught.value).startswith(message)


def test_an_empty_file_holds_nothing() -> None:
    assert parse_yaml("# only a comment\n", "site.yaml") is None


PLAIN = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
TREES = st.recursive(
    PLAIN | st.text("abc 01:-#'né中", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(TREES)
def test_what_is_written_quoted_is_read_back(tree: object) -> None:
    assert parse_yaml(yaml.safe_dump({"tree": tree}, allow_unicode=True), "tree.yaml") == {"tree": tree}


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(YamlError):
        parse_yaml(text, "any.yaml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(YamlError, match=r"gone\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "gone.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"note: \xe4")
    with pytest.raises(YamlError, match=r"latin\.yaml: not UTF-8 at byte 6; save it as UTF-8"):
        read_yaml(latin)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * 1_000_001)
    with pytest.raises(YamlError, match="larger than"):
        read_yaml(large)


def test_a_pipe_is_no_file_and_nobody_waits_for_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    with pytest.raises(YamlError, match=r"pipe\.yaml: is no regular file; give the path of a file"):
        read_yaml(pipe)
    with pytest.raises(YamlError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "marked.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(file) == {"a": 1}


class Meter(BaseModel, extra="forbid"):
    unit_id: int
    password: int = 0


class Bus(BaseModel, extra="forbid"):
    meters: list[Meter]
    url: int = 0


def test_each_problem_is_one_line_with_file_key_and_mend() -> None:
    content = {"meters": [{"unit_id": 1}, {"unit_id": "one", "colour": "grey"}, {}, {"unit_id": None}]}
    with pytest.raises(ValidationError) as caught:
        Bus.model_validate(content)
    assert validation_lines(caught.value, "site.yaml") == [
        "site.yaml: meters[1].unit_id: Input should be a valid integer, unable to parse string as an integer "
        "(is 'one')",
        "site.yaml: meters[1].colour: unknown key; check its spelling or remove it",
        "site.yaml: meters[2].unit_id: is required; add it",
        "site.yaml: meters[3].unit_id: Input should be a valid integer (is empty)",
    ]


def test_no_secret_is_repeated() -> None:
    with pytest.raises(ValidationError) as caught:
        Bus.model_validate({"meters": [{"unit_id": 1, "password": "hunter2"}], "url": "mqtt://me:hunter2@broker"})
    assert "hunter2" not in "".join(validation_lines(caught.value, ""))


def test_the_shipped_files_are_found() -> None:
    assert (config_directory() / "meters").is_dir()
    assert {"eastron-sdm630", "janitza-umg604", "generic"} <= set(profile_ids())
    assert "en50160" in limits_ids()


@pytest.mark.parametrize("limits_id", limits_ids())
def test_every_limit_preset_loads(limits_id: str) -> None:
    assert load_limits(limits_id).id == limits_id


def test_a_file_beside_the_site_file_stands_before_the_shipped_one(tmp_path: Path) -> None:
    put(tmp_path, "eastron-sdm630.yaml", PROFILE.format(id="eastron-sdm630"))
    put(tmp_path, "my-meter.yaml", PROFILE.format(id="my-meter"))
    assert load_profile("eastron-sdm630", tmp_path).maker == "mine"
    assert load_profile("eastron-sdm630").maker == "Eastron"
    assert load_profile("my-meter", tmp_path).maker == "mine"
    assert set(profile_ids(tmp_path)) == {*profile_ids(), "my-meter"}


def test_limits_beside_the_site_file_stand_before_the_shipped_ones(tmp_path: Path) -> None:
    put(tmp_path, "en50160.yaml", "id: en50160\nstandard: mine\ntitle: mine\n", kind="limits")
    assert load_limits("en50160", tmp_path).standard == "mine"


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("other.yaml", PROFILE.format(id="mine"), ["id: is mine, the file name says other; make them equal"]),
        (
            "mine.yaml",
            PROFILE.format(id="mine").replace("u16", "bcd") + "colour: grey\n",
            [
                "registers.voltage_l1_n.type: Input should be 'u16', 'i16', 'u32', 'i32', 'f32', 'u64', 'i64' or 'f64' "
                "(is 'bcd')",
                "colour: unknown key; check its spelling or remove it",
            ],
        ),
        (
            "mine.yaml",
            PROFILE.format(id="mine") + "holes: [{address: 0, words: 1}]\n",
            ["registers.voltage_l1_n: addresses 0 to 0 touch a hole"],
        ),
        (
            "mine.yaml",
            PROFILE.format(id="mine") + "examples: [{note: x, words: {0: [2301]}, values: {voltage_l1_n: 231}}]\n",
            ["examples[0].values.voltage_l1_n: is 231.0, the words say 230.1"],
        ),
    ],
)
def test_a_profile_that_cannot_be_used_says_every_reason(
    tmp_path: Path, name: str, text: str, lines: list[str]
) -> None:
    file = put(tmp_path, name, text)
    with pytest.raises(ConfigurationError) as caught:
        load_profile(file.stem, tmp_path)
    assert caught.value.lines == tuple(f"{file}: {line}" for line in lines)


def test_a_broken_file_is_a_library_error(tmp_path: Path) -> None:
    file = put(tmp_path, "mine.yaml", "id: mine\nid: mine\n")
    with pytest.raises(ConfigurationError) as caught:
        load_profile("mine", tmp_path)
    assert str(caught.value) == f"{file}:2: key 'id' is already in line 1; remove one of the two"


def test_an_unknown_id_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(ConfigurationError, match=r"no file eastron-sdm360\.yaml; did you mean eastron-sdm630"):
        load_profile("eastron-sdm360")


def test_an_id_is_a_name_and_no_path() -> None:
    with pytest.raises(ConfigurationError, match="no file"):
        load_profile("../limits/en50160")


def test_a_file_with_the_other_ending_is_pointed_out(tmp_path: Path) -> None:
    put(tmp_path, "mine.yml", PROFILE.format(id="mine"))
    with pytest.raises(ConfigurationError, match=r"rename mine\.yml to mine\.yaml"):
        load_profile("mine", tmp_path)


def test_a_language_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"no file tlh\.yaml"):
        load_messages("tlh")
