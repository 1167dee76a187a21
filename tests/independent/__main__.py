"""Print the confusion table: kinds of circuit solved by OpenDSS, as the diagnosis sees them."""

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.independent.confusion import OUTCOMES, VIEWS, Judged, counted, judge
from tests.independent.kinds import KINDS


def main() -> None:
    """Run every kind asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.independent", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--draws", type=int, default=40, metavar="N")
    parser.add_argument("--accuracy", type=float, default=0.5, metavar="CLASS")
    parser.add_argument("--seed", type=int, default=99, metavar="N")
    parser.add_argument("--json", action="store_true", help="one object a row that is not right")
    asked = parser.parse_args()
    error = Console(stderr=True)
    names = asked.kinds or list(KINDS)
    rows = [
        row
        for name in track(names, "circuits", console=error, transient=True)
        for row in judge(name, asked.draws, asked.accuracy, asked.seed)
    ]
    if asked.json:
        for row in rows:
            if row.outcome != "right":
                json.dump(asdict(row), sys.stdout)
                print()
        return
    _show(rows, names)


def _show(rows: list[Judged], names: list[str]) -> None:
    table = Table("kind", *VIEWS, title="right / less / missed / wrong, and what was said instead")
    for name in names:
        by_view = counted([row for row in rows if row.kind == name])
        table.add_row(name, *(" / ".join(str(by_view[view][outcome]) for outcome in OUTCOMES) for view in VIEWS))
    totals = counted(rows)
    shares = {view: {o: 100.0 * found[o] / max(1, found.total()) for o in OUTCOMES} for view, found in totals.items()}
    table.add_row("all, %", *(" / ".join(f"{shares[view][o]:.1f}" for o in OUTCOMES) for view in VIEWS))
    console = Console(width=150)
    console.print(table)
    for name in names:
        wrong = Counter((row.view, row.code) for row in rows if row.kind == name and row.outcome in ("missed", "wrong"))
        if wrong:
            said = ", ".join(f"{view}: {code} x{count}" for (view, code), count in wrong.most_common(6))
            console.print(f"{name}: {said}")


if __name__ == "__main__":
    main()
