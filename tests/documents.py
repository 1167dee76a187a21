"""The documents for people, English and Chinese: their text, blocks, tables, links, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.cli.test_help import COMMANDS

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = "en", "zh"
NAMES = (ENGLISH, CHINESE)


def _files() -> Iterator[Path]:
    yield from (ROOT / name for name in ("README.md", "README.zh.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"))
    yield from sorted((ROOT / "docs").rglob("*.md"))


PAGES: dict[str, str] = {
    file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in _files() if file.is_file()
}
"""Every page by its path in the repository."""
LANGUAGES: dict[str, list[str]] = {
    ENGLISH: [page for page in PAGES if not page.endswith(".zh.md")],
    CHINESE: [page for page in PAGES if page.endswith(".zh.md")],
}
TEXTS = {language: "\n".join(PAGES[page] for page in pages) for language, pages in LANGUAGES.items()}
"""All pages of a language as one text."""
UNIT_FILE = (ROOT / "systemd" / "phasewatch.service").read_text(encoding="utf-8")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def page_of(subject: str, language: str) -> str:
    """Return the path of a page below docs/ in a language: `reference/rules` -> `docs/reference/rules.zh.md`."""
    return f"docs/{subject}{'' if language == ENGLISH else f'.{language}'}.md"


def _text(name: str) -> str:
    """Return the text of a page or of a whole language."""
    return TEXTS[name] if name in TEXTS else PAGES[name]


def blocks(name: str, *languages: str) -> list[str]:
    """Return the code blocks of a page, or of all pages of a language, in some languages."""
    return [text for language, text in FENCED.findall(_text(name)) if language in languages]


def prose(name: str) -> str:
    """Return what is no code block."""
    return FENCED.sub("", _text(name))


def code(name: str) -> list[str]:
    """Return the code in sentences and tables."""
    return re.findall(r"`([^`\n]+)`", prose(name))


def headings(page: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", prose(page), re.M)


def table(page: str, title: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head. Raises: AssertionError."""
    found = re.search(rf"^#+ {re.escape(title)}\n(?:(?!^#).*\n)*?((?:^\|.*\n)+)", prose(page), re.M)
    assert found, f"{page} has a table below {title}"
    rows = [re.split(r"(?<!\\)\|", line.strip("|")) for line in found[1].splitlines()]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def first_table(page: str) -> list[list[str]]:
    """Return the cells of the first table of a page, without its head."""
    return table(page, headings(page)[0])


def column(page: str, index: int = 0) -> list[str]:
    """Return one column of the first table of a page as bare words."""
    return [row[index].strip("`") for row in first_table(page)]


def anchors(page: str) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub and the site name them."""
    return {re.sub(r"[^\w\s-]", "", line.lower()).replace(" ", "-") for line in headings(page)}


def links(page: str) -> list[str]:
    """Return the targets of links and pictures of a page that lead to files or headings of the repository."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [target for target in found if not re.match(r"https?:|mailto:", target)]


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
