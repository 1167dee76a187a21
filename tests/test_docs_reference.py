"""The tables of the documents are complete: commands, verdicts, rules, topics, routes, metrics, variables, settings."""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any, get_args

import pytest
from starlette.routing import Route

from phasewatch.adapters.http.api import application
from phasewatch.adapters.http.page import routes
from phasewatch.adapters.http.stream import Broadcast
from phasewatch.adapters.metrics import expose
from phasewatch.adapters.modbus.protocol import LineCounts
from phasewatch.configuration.files import config_directory, load_messages
from phasewatch.contract.topics import TOPICS
from phasewatch.electrical.severity import Severity
from phasewatch.electrical.supply import System
from phasewatch.meters.measuring_point import Wiring
from phasewatch.rules.catalogue import RULES
from phasewatch.settings import Site
from tests.cli.program import phasewatch
from tests.cli.test_help import COMMANDS
from tests.documents import (
    CHINESE,
    ENGLISH,
    NAMES,
    PAGES,
    ROOT,
    TEXTS,
    code,
    column,
    first_table,
    own_options,
    page_of,
    table,
)
from tests.page_daemon import FakePage
from tests.served import MEASURES

WORDS: dict[str, Any] = {ENGLISH: load_messages("en"), CHINESE: load_messages("zh")}
# Commands


def test_the_table_of_commands_says_what_each_says_of_itself_and_its_options() -> None:
    shown = {
        row[0].removeprefix("`phasewatch ").partition("`")[0]: row[1:]
        for row in first_table(page_of("reference/commands", ENGLISH))
    }
    assert shown == {
        name: [
            " ".join(command.help.split("\n\n")[0].split()),
            " ".join(f"`{option}`" for option in own_options(name)),
        ]
        for name, command in COMMANDS.items()
    }


def test_the_chinese_table_of_commands_is_complete() -> None:
    rows = first_table(page_of("reference/commands", CHINESE))
    shown = [row[0].removeprefix("`phasewatch ").partition("`")[0] for row in rows]
    assert shown == list(COMMANDS)


# Verdicts and rules


@pytest.mark.parametrize("name", NAMES)
def test_the_table_of_verdicts_is_the_list_of_codes_with_their_words(name: str) -> None:
    shown = {row[1].strip("`"): row[2] for row in first_table(page_of("reference/verdicts", name))}
    assert len(shown) == len(first_table(page_of("reference/verdicts", name)))
    assert shown == {code: WORDS[name]["page"][f"verdict_{code}"] for code in WORDS[name]["verdicts"]}


@pytest.mark.parametrize("name", NAMES)
def test_every_verdict_has_its_meaning_and_every_row_of_the_picture_its_verdict(name: str) -> None:
    rows = first_table(page_of("reference/verdicts", name))
    assert all(row[3].endswith((".", "。")) for row in rows)
    assert {row[0] for row in first_table(page_of("explanation/picture", name))} <= {row[0] for row in rows}


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_is_shown_with_its_delays(name: str) -> None:
    shown = {row[0].strip("`"): row[-1] for row in first_table(page_of("reference/rules", name))}
    defaults = {rule: settings() for rule, settings in RULES.items()}
    assert shown == {rule: f"{one.on_delay_s:g} s / {one.off_delay_s:g} s" for rule, one in defaults.items()}


def test_the_chinese_names_of_the_rules_are_those_of_the_alerts() -> None:
    shown = {row[0].strip("`"): row[1] for row in first_table(page_of("reference/rules", CHINESE))}
    assert shown == WORDS[CHINESE]["titles"]


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_severity_and_system_is_named(name: str) -> None:
    presets = {file.stem for file in (config_directory() / "limits").glob("*.yaml")}
    assert presets | {*get_args(Severity), *get_args(System)} <= set(code(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_wiring_has_its_row(name: str) -> None:
    assert re.findall(
        r"`(\w+)`", " ".join(row[0] for row in first_table(page_of("reference/measuring-points", name)))
    ) == [*get_args(Wiring)]


@pytest.mark.parametrize("accuracy", ["0.1", "0.2", "0.5", "1"])
def test_the_resolution_of_each_class_is_what_the_diagnosis_says(accuracy: str) -> None:
    readings = ("--ln", "230,230,230", "--lpe", "230,230,230")
    resolution = f"{phasewatch('explain', *readings, '--accuracy', accuracy, '--json').json()['resolution_v']:.1f} V"
    head, row = re.findall(r"^\| (?:meters of class|resolution \| [\d.]+) .*$", TEXTS[ENGLISH], re.M)
    shown = dict(zip(re.findall(r"[\d.]+", head), re.findall(r"[\d.]+ V", row), strict=True))
    assert shown[accuracy] == resolution
    assert f"{accuracy} 级 {resolution}" in TEXTS[CHINESE]


# What others speak to


@pytest.mark.parametrize("name", NAMES)
def test_every_topic_is_shown_and_whether_it_is_retained(name: str) -> None:
    patterns = {re.sub(r"{(\w+)}", r"<\1>", topic.pattern): topic.retained for topic in TOPICS}
    known = {pattern.removeprefix("phasewatch/<site>/"): retained for pattern, retained in patterns.items()}
    shown = {
        row[0].strip("`"): row[1].startswith(("yes", "是")) for row in first_table(page_of("reference/mqtt", name))
    }
    by_phase = "alerts/<subject>/<rule>[/<phase>]"
    both = {by_phase.replace("[/<phase>]", more): shown[by_phase] for more in ("", "/<phase>")}
    assert {topic: kept for topic, kept in shown.items() if topic != by_phase} | both == known
    assert "phasewatch/<site>" in code(name)


def requests() -> Iterator[str]:
    """Yield every request that the daemon answers."""
    for route in application(FakePage(), more=routes(FakePage(), Broadcast())).routes:
        assert isinstance(route, Route)
        verb = "POST" if "POST" in (route.methods or ()) else "GET"
        path = re.sub(r"{(\w+)}", r"<\1>", route.path)
        yield f"{verb} {path}"


def test_every_http_route_has_its_row() -> None:
    assert sorted(column(page_of("reference/http", ENGLISH))) == sorted(requests())


def test_every_metric_has_its_row() -> None:
    text = expose(replace(MEASURES, lines={"board": LineCounts()})).decode()
    assert column(page_of("reference/metrics", ENGLISH)) == re.findall(r"^# TYPE (\w+) ", text, re.M)


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_that_is_named_exists(name: str) -> None:
    known = re.findall(r"^# TYPE (\w+) ", expose(MEASURES).decode(), re.M)
    assert {text for text in code(name) if re.fullmatch(r"phasewatch_\w+", text)} <= {*known}


# Settings and variables

SETTINGS = page_of("reference/settings", ENGLISH)


def variables() -> Iterator[str]:
    """Yield every environment variable that the program reads."""
    for file in (ROOT / "daemon").rglob("*.py"):
        source = file.read_text(encoding="utf-8")
        if "environ" in source:
            texts = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
            yield from (
                text for text in texts if isinstance(text, str) and re.fullmatch(r"[A-Z]+(_[A-Z]+)+|LANG", text)
            )


def test_every_environment_variable_has_its_row() -> None:
    shown = re.findall(r"`(\w+)`", " ".join(row[0] for row in table(SETTINGS, "Environment")))
    assert {name for name in shown if not name.startswith("PHASEWATCH_")} == set(variables())


def test_every_variable_of_tests_and_examples_is_named() -> None:
    files = [ROOT / ".ci" / "run", *(ROOT / "config" / "examples").iterdir()]
    texts = (file.read_text(encoding="utf-8") for file in chain((ROOT / "tests").rglob("*.py"), files))
    known = {found for text in texts for found in re.findall(r"\bPHASEWATCH_[A-Z]+(?:_[A-Z]+)*\b", text)}
    assert {text.partition("=")[0] for text in code(ENGLISH) if text.startswith("PHASEWATCH_")} == known


def test_every_section_of_the_settings_has_its_row() -> None:
    shown = re.findall(r"`(\w+)`", " ".join(row[0] for row in first_table(SETTINGS)))
    assert sorted(shown) == sorted(Site.model_fields)
    assert "config/site.example.yaml" in PAGES[SETTINGS]
