"""The parts of the documents that are generated from the code: `python -m tests.generated` writes them again.

A part begins with `<!-- generated: NAME -->` and ends with `<!-- end -->`.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from phasewatch.alerts.lifecycle import DUE, TABLE, VOID, State
from phasewatch.rules.rule import Truth
from tests.cli.test_help import COMMANDS
from tests.documents import ROOT, own_options

_PART: Final = re.compile(r"(<!-- generated: ([a-z-]+) -->\n\n)(.*?)(\n<!-- end -->)", re.DOTALL)


def commands() -> str:
    """Return the table of commands with their help texts and options."""
    rows = ["| command | what it does | options of its own |", "|---|---|---|"]
    for name, command in COMMANDS.items():
        arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
        called = " ".join([f"`phasewatch {name}`", *(f"`{one.make_metavar(_context(command))}`" for one in arguments)])
        what = " ".join(command.help.split("\n\n")[0].split())
        rows.append(f"| {called} | {what} | {' '.join(f'`{option}`' for option in own_options(name))} |")
    return "\n".join(rows) + "\n"


def _context(command: object) -> object:
    import click  # noqa: PLC0415  typer brings it

    return click.Context(command)  # type: ignore[arg-type]


def life_cycle() -> str:
    """Return the diagram of the states of an alert, as mermaid text."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.CLEAR.value}", *sorted(set(_arrows())), "```"]
    return "\n".join(lines) + "\n"


def _arrows() -> Iterator[str]:
    moves: dict[tuple[State, State], list[str]] = {}
    for (state, truth), after in TABLE.items():
        if after is not state:
            moves.setdefault((state, after), []).append(f"{truth.name.lower()} sample")
    for state, after in DUE.items():
        moves.setdefault((state, after), []).append("delay over")
    for state, after in VOID.items():
        moves.setdefault((state, after), []).append("long gap" if state is State.CLEARING else "used up, or long gap")
    for (state, after), why in moves.items():
        yield f"    {state.value} --> {after.value}: {', '.join(why)}"


def transitions() -> str:
    """Return the table of what a sample does in each state."""
    rows = ["| state | breach | clear | unknown | delay over | long gap |", "|---|---|---|---|---|---|"]
    for state in State:
        by_sample = (TABLE[state, truth].value for truth in (Truth.BREACH, Truth.CLEAR))
        due, void = (table[state].value if state in table else "" for table in (DUE, VOID))
        rows.append(f"| {' | '.join((f'`{state.value}`', *by_sample, 'no change', due, void))} |")
    return "\n".join(rows) + "\n"


PARTS: Final[dict[str, Callable[[], str]]] = {
    "commands": commands,
    "life-cycle": life_cycle,
    "transitions": transitions,
}


def filled(text: str) -> str:
    """Return a page with its generated parts as the code has them now."""
    return _PART.sub(lambda part: part[1] + PARTS[part[2]]() + part[4], text)


def names(text: str) -> list[str]:
    """Return the names of the generated parts of a page."""
    return [part[2] for part in _PART.finditer(text)]


if __name__ == "__main__":
    for file in (ROOT / "docs").rglob("*.md"):
        before = file.read_text(encoding="utf-8")
        if filled(before) != before:
            file.write_text(filled(before), encoding="utf-8")
            print(f"{file.relative_to(ROOT)} written")  # noqa: T201
