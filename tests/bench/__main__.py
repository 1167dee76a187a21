"""Measures what the design promises: python -m tests.bench [--json] [NAME...]."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from tests.bench.bus_time import bus_time
from tests.bench.confusion import confusion
from tests.bench.figure import Figure, say
from tests.bench.journal import journal
from tests.bench.latency import latency
from tests.bench.machine import machine
from tests.bench.many_meters import many_meters
from tests.bench.open_pages import open_pages
from tests.bench.poll import poll
from tests.bench.pure import pure
from tests.bench.replay import million, replay
from tests.bench.sick_meters import sick_meters
from tests.bench.startup import startup

BENCHES: Final[dict[str, Callable[[], list[Figure]]]] = {
    "poll": poll,
    "pure": pure,
    "meters100": partial(many_meters, 100),
    "meters1000": partial(many_meters, 1000),
    "latency1": partial(latency, 1),
    "latency100": partial(latency, 100),
    "latency1000": partial(latency, 1000),
    "pages": open_pages,
    "journal": journal,
    "startup": startup,
    "replay": replay,
    "replay1000000": million,
    "confusion": confusion,
    "bus_time": bus_time,
    "sick_meters": sick_meters,
}
GROUPS: Final = {"latency": ("latency1", "latency100"), "all": tuple(BENCHES)}
BY_DEFAULT: Final = ("poll", "pure", "meters100", "latency1", "latency100", "startup", "replay", "confusion")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the measurements asked for and print them."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = [*BENCHES, *GROUPS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(names)}; default: {' '.join(BY_DEFAULT)}")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print one object")
    shape.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.names) - set(names):
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = dict.fromkeys(n for name in asked.names or BY_DEFAULT for n in GROUPS.get(name, (name,)))
    where = machine()
    figures, failed = [], []
    for name in chosen:
        try:
            rows = BENCHES[name]()
        except Exception as error:  # one measurement that cannot be made must not cost the others
            say(f"{name}: could not be measured: {error!r}")
            failed.append(name)
        else:
            figures += rows
            for figure in rows:
                say(" ".join(("  ", figure.what, *_cells(figure)[2:])))
    if asked.json:
        json.dump({"machine": where, "figures": [asdict(f) | {"met": f.met} for f in figures]}, sys.stdout, indent=1)
        print()
    else:
        show(where, figures, asked.markdown)
    if failed:
        raise SystemExit(f"could not be measured: {', '.join(failed)}")


def show(where: dict[str, str], figures: Sequence[Figure], markdown: bool) -> None:
    """Print the machine and one table."""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(", ".join(f"{name}: {value}" for name, value in where.items()), "\n", soft_wrap=True)
    table = Table("bench", "what", box=box.MARKDOWN if markdown else box.SIMPLE_HEAD)
    for column in ("measured", "min to max", "samples", "goal"):
        table.add_column(column, justify="right")
    for figure in figures:
        table.add_row(*_cells(figure), style="red" if figure.met is False else None)
    console.print(table)


def _cells(figure: Figure) -> tuple[str, ...]:
    between = "" if figure.low is None or figure.high is None else f"{_number(figure.low)} to {_number(figure.high)}"
    verdict = {None: "", True: "met", False: "MISSED"}[figure.met]
    goal = "" if figure.goal is None else f"<= {figure.goal:g} {figure.unit}".strip() + f": {verdict}"
    return (
        figure.bench,
        figure.what,
        f"{_number(figure.value)} {figure.unit}".strip(),
        between,
        str(figure.samples),
        goal,
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.2f}"


if __name__ == "__main__":
    main()
