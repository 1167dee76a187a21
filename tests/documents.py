"""The documents for people, README.md and README.zh.md: their text, blocks, tables, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.cli.test_help import COMMANDS

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = ("README.md", "README.zh.md")
NAMES = (ENGLISH, CHINESE)
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
UNIT_FILE = (ROOT / "systemd" / "phasewatch.service").read_text(encoding="utf-8")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def blocks(name: str, *languages: str) -> list[str]:
    """Return the code blocks of a document in some languages."""
    return [text for language, text in FENCED.findall(TEXTS[name]) if language in languages]


def prose(name: str) -> str:
    """Return what is no code block."""
    return FENCED.sub("", TEXTS[name])


def code(name: str) -> list[str]:
    """Return what stands in a sentence or a table as code."""
    return re.findall(r"`([^`\n]+)`", prose(name))


def headings(name: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", prose(name), re.M)


def table(name: str, title: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head. Raises: AssertionError."""
    found = re.search(rf"^#+ {re.escape(title)}\n(?:(?!^#).*\n)*?((?:^\|.*\n)+)", prose(name), re.M)
    assert found, f"{name} has a table below {title}"
    rows = [re.split(r"(?<!\\)\|", line.strip("|")) for line in found[1].splitlines()]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def column(name: str, title: str, index: int = 0) -> list[str]:
    """Return one column of a table as bare words."""
    return [row[index].strip("`") for row in table(name, title)]


def anchors(name: str) -> set[str]:
    """Return what links inside a document may point at, as GitHub names it."""
    return {re.sub(r"[^\w\s-]", "", line.lower()).replace(" ", "-") for line in headings(name)}


def _shell_lines(name: str) -> Iterator[str]:
    for block in blocks(name, "sh"):
        yield from block.splitlines()
    for block in blocks(name, "console"):
        yield from (line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ "))
    yield from code(name)
    yield from re.findall(r"^ExecStart=(.*)$", UNIT_FILE, re.M)


def typed(name: str, program: str) -> list[list[str]]:
    """Return the words of every use of a program, those in sentences too."""
    lines = [part for line in _shell_lines(name) for part in line.split("&&") if program in part]
    uses = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in uses if len(words) > 1 and words[0].rpartition("/")[2] == program]


def command_of(words: list[str]) -> str:
    """Return the command that words name, or the words where there is none."""
    return next((known for known in (" ".join(words[:2]), words[0]) if known in COMMANDS), " ".join(words))


def own_options(command: str) -> list[str]:
    """Return the options that not every command has."""
    common = {"--help", "--json", "--config", "--socket"}
    options = [option for parameter in COMMANDS[command].params for option in parameter.opts]
    return [option for option in options if option.startswith("--") and option not in common]
