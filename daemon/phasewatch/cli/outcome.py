"""How commands end: 0 did its work, 1 found a problem it looks for, 2 wrong usage or input."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import typer

from phasewatch.library import LibraryError

PROBLEM_FOUND: Final = 1
WRONG_INPUT: Final = 2


class InputError(Exception):
    """The command line or an input file is wrong; the text names the place and the mend."""


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Turn errors of input into one line each on stderr and exit status 2."""
    try:
        yield
    except (LibraryError, InputError) as error:
        say(str(error))
        raise typer.Exit(WRONG_INPUT) from None
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone: nobody is left to tell
        raise typer.Exit(0) from None


def say(text: str) -> None:
    """Print to stderr."""
    typer.echo(text, err=True)


def problem_found() -> NoReturn:
    """End a command that looked for problems and found one."""
    raise typer.Exit(PROBLEM_FOUND)
