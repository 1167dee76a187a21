from importlib.metadata import version
from typing import Any

import pytest
import typer

from phasewatch.cli.app import app
from tests.cli.program import phasewatch

ROOT: Any = typer.main.get_command(app)
ANSWERING = (
    *("demo", "check", "read", "scan", "doctor", "explain", "meters list", "meters show"),
    *("status", "watch", "alerts list", "alerts acknowledge", "alerts shelve", "alerts unshelve", "alerts test"),
)


def leaves(command: Any, words: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return every command that does something, by its words."""
    inner = getattr(command, "commands", None)
    if inner is None:
        return {" ".join(words): command}
    return {name: leaf for word, child in inner.items() for name, leaf in leaves(child, (*words, word)).items()}


COMMANDS = leaves(ROOT)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name: str) -> None:
    command = COMMANDS[name]
    assert command.help, f"{name} has no help"
    assert [option.opts[0] for option in command.params if not option.help] == []
    answer = phasewatch(*name.split(), "--help")
    assert answer.code == 0
    assert all(option.opts[0] in answer.out for option in command.params if option.opts[0].startswith("--"))


@pytest.mark.parametrize("name", ANSWERING)
def test_a_command_that_answers_something_answers_machines_too(name: str) -> None:
    assert "--json" in [word for option in COMMANDS[name].params for word in option.opts]


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_an_unknown_option_is_wrong_usage(name: str) -> None:
    answer = phasewatch(*name.split(), "--colour", "grey")
    assert (answer.code, answer.out) == (2, "")
    assert "--colour" in answer.lines[-1]


def test_an_unknown_command_is_wrong_usage() -> None:
    answer = phasewatch("explian")
    assert (answer.code, answer.out) == (2, "")
    assert "explian" in answer.lines[-1]


def test_the_version_is_told() -> None:
    assert phasewatch("--version") == (0, f"phasewatch {version('phasewatch')}\n", "")
