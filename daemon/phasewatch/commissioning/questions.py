"""Questions with proposals, answered at a terminal or by lines on stdin."""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import typer

from phasewatch.configuration.errors import InputError

Value = TypeVar("Value")

NONE = "none"
"""How an empty proposal is shown, and what may be typed for it."""


class Questions:
    """Asks one question after the other."""

    def __init__(self, *, accept: bool) -> None:
        """Ask; `accept`: take every proposal without asking."""
        self._accept = accept
        self._typed = sys.stdin.isatty()

    @property
    def accept(self) -> bool:
        """Whether proposals are taken without asking."""
        return self._accept

    def ask(self, question: str, proposal: str | None, read: Callable[[str], Value]) -> Value:
        """Return an answer; one that `read` refuses with a ValueError is asked for again.

        Raises: InputError when the answers end, or a proposal must be taken and there is none.
        """
        while True:
            try:
                return read(self._answer(question, proposal))
            except ValueError as error:
                if self._accept:
                    raise InputError(f"{question}: {error}; leave out --yes and answer") from None
                typer.echo(f"  {error}")

    def agreed(self, question: str, *, proposal: bool) -> bool:
        """Return whether the answer is yes."""
        return self.ask(f"{question} (y/n)", "y" if proposal else "n", _yes_or_no)

    def _answer(self, question: str, proposal: str | None) -> str:
        shown = "" if proposal is None else f" [{proposal or NONE}]"
        typer.echo(f"{question}{shown}: ", nl=False)
        answer = (proposal if self._accept else self._line(question)) or proposal
        if self._accept or not self._typed:
            typer.echo(answer or "")  # or what was asked would run into what follows
        if answer is None:
            raise InputError(f"{question}: needs an answer") if self._accept else ValueError("needs an answer")
        return "" if answer == NONE and proposal == "" else answer

    def _line(self, question: str) -> str:
        try:
            line = sys.stdin.readline()
        except UnicodeDecodeError:
            raise ValueError("is no UTF-8 text") from None
        if not line:
            typer.echo("")
            raise InputError(f"the answers end at: {question}; nothing was written")
        if not line.strip("\r\n\t").isprintable():
            raise ValueError("holds signs that cannot be printed")
        return line.strip()


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("y", "yes", "n", "no"):
        raise ValueError("must be y or n")
    return text.lower().startswith("y")


def one_of(names: Sequence[str]) -> Callable[[str], str]:
    """Return what reads one of some names."""

    def read(text: str) -> str:
        if text not in names:
            raise ValueError(f"{text} is none of {', '.join(names)}")
        return text

    return read
