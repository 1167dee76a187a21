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
from tests.documents import FENCED, NAMES, PAGES, ROOT, anchors, blocks, code, command_of, links, prose, typed
from tests.schema_faults import fault

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
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
    used = {words[0] for words in typed(name, "make")}
    assert {"demo", "test"} <= used <= targets


SHOWN = [pytest.param(block, id=page) for page in PAGES for block in blocks(page, "console")]


@pytest.mark.parametrize("block", SHOWN)
def test_what_the_documents_show_is_what_the_command_says(block: str) -> None:
    first, _, shown = block.partition("\n")
    program, *words = shlex.split(first.removeprefix("$ "))
    assert program == "phasewatch"
    assert phasewatch(*words).out == shown


SITES = [pytest.param(block, id=page) for page in PAGES for block in blocks(page, "yaml")]


@pytest.mark.parametrize("block", SITES)
def test_every_site_file_in_the_documents_loads(block: str) -> None:
    build_site(parse_yaml(block, "page.md"), ROOT / "page.md")


@pytest.mark.parametrize("name", NAMES)
def test_every_yaml_block_of_another_program_parses(name: str) -> None:
    assert all(yaml.safe_load(block) for block in blocks(name, "yml"))


EVENTS = [pytest.param(block, id=page) for page in PAGES for block in blocks(page, "json")]


@pytest.mark.parametrize("block", EVENTS)
def test_the_event_in_the_documents_keeps_the_contract(block: str) -> None:
    body = json.loads(block)
    assert body["schema"] == "phasewatch.alert/1"
    assert fault("alert", body) is None


def test_the_examples_are_in_the_documents() -> None:
    assert len(SHOWN) >= 2
    assert len(SITES) >= 6
    assert len(EVENTS) >= 1


@pytest.mark.parametrize("page", PAGES)
def test_every_code_block_names_its_language_or_its_file(page: str) -> None:
    known = {"sh", "console", "text", "yaml", "yml", "json", "mermaid", "python"}
    for language, block in FENCED.findall(PAGES[page]):
        assert language in known or (not language and block.startswith("# /etc/")), block


@pytest.mark.parametrize("page", PAGES)
def test_every_row_of_a_table_has_the_cells_of_its_head(page: str) -> None:
    for rows in re.findall(r"(?:^\|.*\n)+", prose(page), re.M):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows.splitlines()}) == 1, rows


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(page: str) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert file.exists(), target
        assert file.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(file.relative_to(ROOT).as_posix()), target


def test_every_page_can_be_reached_from_its_readme() -> None:
    for start in ("README.md", "README.zh.md"):
        suffix = start.removeprefix("README")
        reached, left = {start}, [start]
        while left:
            page = left.pop()
            targets = {((ROOT / page).parent / link.partition("#")[0]).resolve() for link in links(page)}
            found = {file.relative_to(ROOT).as_posix() for file in targets if file.suffix == ".md"} - reached
            reached |= found
            left += found
        own = {page for page in PAGES if page.endswith(".zh.md") == (suffix == ".zh.md")}
        assert own <= reached


def test_the_two_readmes_link_to_each_other() -> None:
    assert "](README.zh.md)" in PAGES["README.md"].split("\n## ", maxsplit=1)[0]
    assert "](README.md)" in PAGES["README.zh.md"].split("\n## ", maxsplit=1)[0]


def test_every_chinese_page_has_its_english_one() -> None:
    assert {page.replace(".zh.md", ".md") for page in PAGES if page.endswith(".zh.md")} <= set(PAGES)


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_the_readme_is_short_and_has_a_picture(page: str) -> None:
    assert len(PAGES[page].splitlines()) <= 160
    assert len(re.findall(r"!\[[^\]]+\]\(docs/pictures/", PAGES[page])) == 2


def test_every_module_that_the_documents_name_exists() -> None:
    package = ROOT / "daemon" / "phasewatch"
    rooms = {folder.name for folder in package.iterdir() if folder.is_dir()}
    named = {
        (page, text)
        for page in PAGES
        for text in code(page)
        if re.fullmatch(r"(?:daemon/phasewatch/)?\w+/(?:[\w/]+\.py|(?:\w+/)*)", text)
        and text.removeprefix("daemon/phasewatch/").split("/")[0] in rooms - {"config"}
    }
    assert len({text for _, text in named}) > 20
    missing = [(page, text) for page, text in named if not (package / text.removeprefix("daemon/phasewatch/")).exists()]
    assert missing == []


def test_every_file_that_the_documents_type_exists() -> None:
    text = "\n".join(chain.from_iterable(blocks(name, "sh", "console") for name in NAMES))
    files = set(re.findall(r"(?:config|systemd|tests)/[\w./-]+\w", text))
    assert "systemd/install.sh" in files
    assert [file for file in files if not (ROOT / file).is_file()] == []
