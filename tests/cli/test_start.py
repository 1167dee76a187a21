"""What the command line imports before it does anything: each library costs a person who waits."""

import subprocess
import sys
from typing import Final

import pytest

HEAVY: Final = (
    "pydantic",
    "yaml",
    "pymodbus",
    "paho",
    "serial",
    "uvicorn",
    "starlette",
    "prometheus_client",
    "asyncio",
)
PROBE: Final = """
import sys
from phasewatch.__main__ import main
sys.argv = ["phasewatch", *sys.argv[1:]]
try:
    main()
finally:
    print("imported", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def imported(*arguments: str) -> tuple[str, set[str]]:
    answer = subprocess.run([sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True)
    (line,) = (line for line in answer.stderr.splitlines() if line.startswith("imported "))
    return answer.stdout, set(line.split()[1:])


@pytest.mark.parametrize("arguments", [("--version",), ("--help",)])
def test_help_and_version_import_no_library_that_they_do_not_need(arguments: tuple[str, ...]) -> None:
    shown, modules = imported(*arguments)
    assert shown.strip()
    assert modules.isdisjoint(HEAVY)


@pytest.mark.parametrize("arguments", [("run", "--help"), ("alerts", "list", "--help"), ("meters", "list", "--help")])
def test_the_help_of_a_command_imports_only_what_typer_does(arguments: tuple[str, ...]) -> None:
    shown, modules = imported(*arguments)
    assert "--help" in shown
    assert modules.isdisjoint(HEAVY[1:])  # typer converts options with pydantic where that is installed


def test_the_version_is_shown_without_the_command_tree() -> None:
    shown, modules = imported("--version")
    assert shown.startswith("phasewatch ")
    assert modules.isdisjoint(("typer", "click", "rich"))
