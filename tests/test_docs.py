"""The documents say what the program does: commands, options, settings, topics, rules and verdicts exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from phasewatch.library import build_site, load_messages, parse_yaml
from phasewatch.library.topics import TOPICS
from phasewatch.rules.catalogue import RULES
from tests.cli.program import phasewatch
from tests.cli.test_help import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.M | re.S)
CODE = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", README, flags=re.M | re.S))
UNIT_FILE = (ROOT / "systemd" / "phasewatch.service").read_text(encoding="utf-8")


def shell_lines() -> Iterator[str]:
    """Yield every line that a reader would type, and every command that stands in a sentence."""
    for language, block in BLOCKS:
        if language == "sh":
            yield from block.splitlines()
        if language == "console":
            yield from (line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ "))
    yield from CODE
    yield from re.findall(r"^ExecStart=(.*)$", UNIT_FILE, re.M)


def typed(program: str) -> list[list[str]]:
    """Return the words of every use of a program."""
    lines = [shlex.split(part, comments=True) for line in shell_lines() for part in line.split("&&") if program in part]
    return [words[1:] for words in lines if len(words) > 1 and words[0].rpartition("/")[2] == program]


def command_of(words: list[str]) -> str:
    return next((name for name in (" ".join(words[:2]), words[0]) if name in COMMANDS), " ".join(words))


def rows_under(title: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without its head."""
    section = README.split(f"\n## {title}\n", maxsplit=1)[1].split("\n## ", maxsplit=1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


@pytest.mark.parametrize("words", typed("phasewatch"), ids=" ".join)
def test_every_command_in_the_readme_exists_with_its_options(words: list[str]) -> None:
    name = command_of(words)
    assert name in COMMANDS
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_every_command_is_in_the_readme() -> None:
    assert {command_of(words) for words in typed("phasewatch")} == set(COMMANDS)


def test_every_option_named_in_a_sentence_exists() -> None:
    options = {option for command in COMMANDS.values() for parameter in command.params for option in parameter.opts}
    assert {text.split()[0] for text in CODE if text.startswith("--")} <= options


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.M))
    used = {words[0] for words in typed("make")}
    assert {"demo", "test"} <= used <= targets


@pytest.mark.parametrize("block", [text for language, text in BLOCKS if language == "console"])
def test_what_the_readme_shows_is_what_the_command_says(block: str) -> None:
    first, _, shown = block.partition("\n")
    program, *words = shlex.split(first.removeprefix("$ "))
    assert program == "phasewatch"
    assert phasewatch(*words).out == shown


@pytest.mark.parametrize("block", [text for language, text in BLOCKS if language == "yaml"])
def test_every_site_file_in_the_readme_loads(block: str) -> None:
    build_site(parse_yaml(block, "README.md"), ROOT / "README.md")


def test_every_rule_is_in_the_readme_with_its_delays() -> None:
    shown = {row[0].strip("`"): row[-1] for row in rows_under("Rules and alerts")}
    defaults = {name: settings() for name, settings in RULES.items()}
    assert shown == {name: f"{rule.on_delay_s:g} s / {rule.off_delay_s:g} s" for name, rule in defaults.items()}


def test_every_verdict_of_the_picture_is_a_verdict() -> None:
    named = {code for row in rows_under("One picture") for code in re.findall(r"`(\w+)`", row[-1])}
    assert named <= set(load_messages("en")["verdicts"])  # type: ignore[call-overload]


def test_the_readme_shows_every_topic_and_whether_it_is_retained() -> None:
    below = [(re.sub(r"{(\w+)}", r"<\1>", topic.pattern), topic.retained) for topic in TOPICS]
    known = {pattern.removeprefix("phasewatch/<site>/"): retained for pattern, retained in below}
    shown = {row[0].strip("`"): row[1].startswith("yes") for row in rows_under("MQTT")}
    by_phase = "alerts/<subject>/<rule>[/<phase>]"
    assert {topic: kept for topic, kept in shown.items() if topic != by_phase} | {
        by_phase.replace("[/<phase>]", more): shown[by_phase] for more in ("", "/<phase>")
    } == known
    assert "phasewatch/<site>" in CODE


def test_every_link_of_the_readme_leads_somewhere() -> None:
    headings = {re.sub(r"[^a-z0-9]+", "-", line.lower()) for line in re.findall(r"^#+ (.*)$", README, re.M)}
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if not target.startswith("http"):
            assert target.removeprefix("#") in headings if target.startswith("#") else (ROOT / target).exists(), target


def test_every_file_that_the_readme_types_exists() -> None:
    blocks = "\n".join(re.findall(r"^```(?:sh|console)\n(.*?)^```", README, re.M | re.S))
    files = set(re.findall(r"(?:config|systemd|tests)/[\w./-]+\w", blocks))
    assert "systemd/install.sh" in files
    assert [file for file in files if not (ROOT / file).is_file()] == []
