"""How often the diagnosis is right on random circuits, by view and noise; false alarms on healthy boards apart."""

import random
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Final

from rich.console import Console
from rich.table import Table

from phasewatch.electrical.diagnosis import diagnose
from phasewatch.electrical.supply import Supply
from tests.bench.figure import Figure
from tests.circuits import FAULTS, VIEWS, Maker, cases, expected, healthy, measured

NOISES_PERCENT: Final = (0.2, 0.5, 1.0)
GOAL_WRONG_PERCENT: Final = 2.0


def confusion(draws: int = 100, healthy_draws: int = 2000, show: bool = True) -> list[Figure]:
    """Draw circuits and return the share of wrong codes; the matrix of the full view goes to stderr."""
    figures = []
    for view in VIEWS:
        for percent in NOISES_PERCENT:
            rows = {maker.__name__: _codes(maker, view, percent, draws) for maker in FAULTS}
            wrong = 100.0 * sum(wrong for wrong, _ in rows.values()) / (draws * len(FAULTS))
            what = f"wrong codes, {view}, noise {percent} %"
            figures.append(Figure("confusion", what, "%", wrong, samples=draws * len(FAULTS), goal=GOAL_WRONG_PERCENT))
            if show and view == "all" and percent == 0.5:
                _print_matrix({name: codes for name, (_, codes) in rows.items()})
    return figures + [_false_alarms(percent, healthy_draws) for percent in NOISES_PERCENT]


def _codes(maker: Maker, view: str, percent: float, draws: int) -> tuple[int, Counter[str]]:
    draw = random.Random(f"{maker.__name__} {view} {percent}")
    codes: Counter[str] = Counter()
    wrong = 0
    for case in islice(cases(maker, draw), draws):
        code = diagnose(measured(case.values, VIEWS[view], percent, draw), Supply()).verdict.code
        codes[code] += 1
        wrong += code not in expected(case, view)
    return wrong, codes


def _false_alarms(percent: float, draws: int) -> Figure:
    draw = random.Random(f"healthy {percent}")
    alarms = 0
    for view in VIEWS.values():
        for case in islice(cases(healthy, draw), draws):
            alarms += diagnose(measured(case.values, view, percent, draw), Supply()).verdict.code != "normal"
    what = f"false alarms on healthy boards, noise {percent} %"
    return Figure("confusion", what, "", alarms, samples=draws * len(VIEWS), goal=0)


def _print_matrix(rows: dict[str, Counter[str]]) -> None:
    console = Console(stderr=True, width=120)
    table = Table("fault in the circuit", "verdicts, all quantities, noise 0.5 %", title="Confusion")
    for name, codes in rows.items():
        table.add_row(name, _listed(codes.most_common()))
    console.print(table)


def _listed(codes: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{code} {count}" for code, count in codes)


if __name__ == "__main__":
    for figure in confusion():
        sys.stdout.write(f"{figure.what}: {figure.value:.2f} {figure.unit}\n")
