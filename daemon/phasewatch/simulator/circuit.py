"""Nodal analysis of a linear circuit at one frequency."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

EARTH: Final = "earth"
"""The reference node: true earth, at 0 V."""


@dataclass(frozen=True, slots=True)
class Branch:
    """An admittance between two nodes, with an EMF in series that lifts the second node above the first."""

    start: str
    end: str
    admittance_s: complex
    emf_v: complex = 0j


Nodes = dict[str, complex]
"""Node -> potential against true earth, in volts."""


def flow(branch: Branch, nodes: Nodes) -> complex:
    """Return the current in amperes through a branch, from its start to its end."""
    return branch.admittance_s * (nodes[branch.start] + branch.emf_v - nodes[branch.end])


def solve_nodes(branches: Sequence[Branch]) -> Nodes:
    """Return the potential of every node.

    Each node needs some conductance to earth; then the real part of the matrix is positive definite and it
    cannot be singular, whatever conductors are open.
    """
    names = sorted({name for branch in branches for name in (branch.start, branch.end)} - {EARTH})
    rows = _equations(branches, {name: place for place, name in enumerate(names)})
    return {**dict(zip(names, _eliminate(rows), strict=True)), EARTH: 0j}


def _equations(branches: Sequence[Branch], place: dict[str, int]) -> list[list[complex]]:
    rows = [[0j] * (len(place) + 1) for _ in place]
    for branch in branches:
        for here, there, injected_a in (
            (branch.start, branch.end, -branch.admittance_s * branch.emf_v),
            (branch.end, branch.start, branch.admittance_s * branch.emf_v),
        ):
            if here == EARTH:
                continue
            row = rows[place[here]]
            row[place[here]] += branch.admittance_s
            row[-1] += injected_a
            if there != EARTH:
                row[place[there]] -= branch.admittance_s
    return rows


def _eliminate(rows: list[list[complex]]) -> list[complex]:
    """Solve the equations in place by Gaussian elimination with partial pivoting."""
    size = len(rows)
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(rows[row][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        top = rows[column]
        for row in rows[column + 1 :]:
            factor = row[column] / top[column]
            if factor:
                row[column:] = [value - factor * above for value, above in zip(row[column:], top[column:], strict=True)]
    solution = [0j] * size
    for place in range(size - 1, -1, -1):
        row = rows[place]
        known = sum((row[other] * solution[other] for other in range(place + 1, size)), 0j)
        solution[place] = (row[-1] - known) / row[place]
    return solution
