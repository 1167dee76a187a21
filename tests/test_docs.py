"""The documents say what the program does: commands, options, files, links and examples exist."""

import json
import re
import shlex
from itertools import chain

import pytest
import yaml

from phasewatch.configuration.files import parse_yaml
from phasewatch.configuration.site import build_site
from tests.cli.program import phasewatch
from tests.cli.test_help import COMMANDS
from tests.contract import fault
from tests.documents import CHINESE, ENGLISH, NAMES, ROOT, TEXTS, anchors, blocks, code, command_of, prose, typed

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
OPTIONS = {option for command in COMMANDS.values() for parameter in command.params for option in parameter.opts}
TYPED = [pytest.param(words, id=f"{name}: {' '.join(words)}") for name in NAMES for words in typed(name, "phasewatch")]


@pytest.mark.parametrize("words", TYPED)
def test_every_command_in_the_documents_exists_with_its_options(words: list[str]) -> None:
    name = command_of(words)
    assert name in COMMANDS
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_in_the_documents(name: str) -> None:
    assert {command_of(words) for words in typed(name, "phasewatch")} == set(COMMANDS)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_named_in_a_sentence_exists(name: str) -> None:
    assert {text.split()[0] for text in code(name) if text.startswith("--")} <= OPTIONS | {"--help"}


@pytest.mark.parametrize("name", NAMES)
def test_every_make_target_in_the_documents_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.M))
    used = {words[0] for words in typed(name, "make")}
    assert {"demo", "test"} <= used <= targets


SHOWN = [pytest.param(block, id=name) for name in NAMES for block in blocks(name, "console")]


@pytest.mark.parametrize("block", SHOWN)
def test_what_the_documents_show_is_what_the_command_says(block: str) -> None:
    first, _, shown = block.partition("\n")
    program, *words = shlex.split(first.removeprefix("$ "))
    assert program == "phasewatch"
    assert phasewatch(*words).out == shown


SITES = [pytest.param(block, id=name) for name in NAMES for block in blocks(name, "yaml")]


@pytest.mark.parametrize("block", SITES)
def test_every_site_file_in_the_documents_loads(block: str) -> None:
    build_site(parse_yaml(block, "README.md"), ROOT / "README.md")


@pytest.mark.parametrize("name", NAMES)
def test_every_yaml_block_of_another_program_parses(name: str) -> None:
    assert all(yaml.safe_load(block) for block in blocks(name, "yml"))


EVENTS = [pytest.param(block, id=name) for name in NAMES for block in blocks(name, "json")]


@pytest.mark.parametrize("block", EVENTS)
def test_the_event_in_the_documents_keeps_the_contract(block: str) -> None:
    body = json.loads(block)
    assert body["schema"] == "phasewatch.alert/1"
    assert fault("alert", body) is None


@pytest.mark.parametrize("name", NAMES)
def test_every_code_block_says_its_language_or_its_file(name: str) -> None:
    known = {"sh", "console", "text", "yaml", "yml", "json"}
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", TEXTS[name], re.M | re.S):
        assert language in known or (not language and block.startswith("# /etc/")), block


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_a_table_has_the_cells_of_its_head(name: str) -> None:
    for rows in re.findall(r"(?:^\|.*\n)+", prose(name), re.M):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows.splitlines()}) == 1, rows


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", prose(name)):
        path, _, anchor = target.partition("#")
        if path.startswith("http"):
            continue
        assert not path or (ROOT / path).exists(), target
        assert not anchor or anchor in anchors(path or name), target


def test_the_two_languages_link_to_each_other() -> None:
    assert f"]({CHINESE})" in TEXTS[ENGLISH].split("\n## ", maxsplit=1)[0]
    assert f"]({ENGLISH})" in TEXTS[CHINESE].split("\n## ", maxsplit=1)[0]


def test_every_file_that_the_documents_type_exists() -> None:
    text = "\n".join(chain.from_iterable(blocks(name, "sh", "console") for name in NAMES))
    files = set(re.findall(r"(?:config|systemd|tests)/[\w./-]+\w", text))
    assert "systemd/install.sh" in files
    assert [file for file in files if not (ROOT / file).is_file()] == []
