"""How commands end: 0 did its work, 1 found a problem it looks for, 2 wrong usage or input."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NoReturn

import typer

from phasewatch.configuration.errors import ConfigurationError, InputError

PROBLEM_FOUND: Final = 1
WRONG_INPUT: Final = 2
DEFAULT_CONFIG: Final = Path("/etc/phasewatch/site.yaml")


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Turn errors of input into one line each on stderr and exit status 2."""
    try:
        yield
    except (ConfigurationError, InputError) as error:
        say(str(error))
        raise typer.Exit(WRONG_INPUT) from None
    except BrokenPipeError:
        _let_go_of_output()
        raise typer.Exit(0) from None


def _let_go_of_output() -> None:
    """Redirect stdout to /dev/null after EPIPE, so that the exit does not raise again."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def say(text: str) -> None:
    """Print to stderr."""
    typer.echo(text, err=True)


def problem_found() -> NoReturn:
    """End a command that looked for problems and found one."""
    raise typer.Exit(PROBLEM_FOUND)
