"""Hold the diagnosis against circuits that OpenDSS solves: `python -m tests.independent`."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, cast

from phasewatch.electrical.diagnosis import diagnose
from phasewatch.electrical.supply import Supply, System
from phasewatch.meters.quantities import CURRENT_N, CURRENTS, LL, LN, LPE, NPE
from tests.independent.kinds import KINDS, SOUNDEST, Drawn, Kind
from tests.independent.network import PE, PHASES, N, Solved, solve

VIEWS: Final[Mapping[str, tuple[str, ...]]] = {
    "L-N": LN,
    "L-N + L-L": (*LN, *LL),
    "L-N + L-PE": (*LN, *LPE),
    "all": (*LN, *LL, *LPE, NPE, *CURRENTS, CURRENT_N),
}
OUTCOMES: Final = ("right", "less", "missed", "wrong")
SHOWS_PERCENT: Final = 10.0
"""Phases that stay this near to nominal, and a neutral and an earth within SHOWS_V, may be called normal."""
SHOWS_V: Final = 25.0


@dataclass(frozen=True, slots=True)
class Judged:
    """One row."""

    kind: str
    view: str
    code: str
    phase: str | None
    outcome: str
    values: Mapping[str, float]


def readings(solved: Solved, random: Random, class_percent: float) -> dict[str, float]:
    """Return what a meter shows: one gain error a channel, line voltages of the same channels, steps of 0.1 V."""
    gain = {node: 1.0 + random.uniform(-0.6, 0.6) * class_percent / 100.0 for node in (*PHASES, N, PE, 0)}
    voltage = {node: (solved.potentials[node] - solved.potentials[N]) * gain[node] for node in PHASES}
    shown = {name: abs(voltage[node]) for name, node in zip(LN, PHASES, strict=True)}
    pairs = zip(LL, ((1, 2), (2, 3), (3, 1)), strict=True)
    shown |= {name: abs(voltage[first] - voltage[second]) for name, (first, second) in pairs}
    earth = {node: 1.0 + random.uniform(-0.6, 0.6) * class_percent / 100.0 for node in PHASES}
    shown |= {name: solved.between(node, PE) * earth[node] for name, node in zip(LPE, PHASES, strict=True)}
    shown[NPE] = solved.between(N, PE) * gain[0]
    noisy = {name: round(value * random.gauss(1.0, 0.0003), 1) for name, value in shown.items()}
    amperes = {
        name: abs(solved.currents[node]) for name, node in zip((*CURRENTS, CURRENT_N), (*PHASES, N), strict=True)
    }
    return noisy | {name: round(value * random.gauss(1.0, 0.003), 2) for name, value in amperes.items()}


def judge(name: str, draws: int, class_percent: float = 0.5, seed: int = 99) -> Iterator[Judged]:
    """Yield the rows of one kind: every draw in every view."""
    kind, random = KINDS[name], Random(f"{seed} {name}")
    supply = Supply(kind.nominal_v, cast("System | None", kind.system), class_percent)
    for _ in range(draws):
        drawn = kind.draw(random)
        shown = readings(solve(drawn.network), random, class_percent)
        for view, names in VIEWS.items():
            values = {quantity: shown[quantity] for quantity in names}
            verdict = diagnose(values, supply).verdict
            phase = None if verdict.phase is None else verdict.phase.upper()
            yield Judged(name, view, verdict.code, phase, _outcome(kind, drawn, verdict.code, phase, values), values)


def _outcome(kind: Kind, drawn: Drawn, code: str, phase: str | None, values: Mapping[str, float]) -> str:
    if code in kind.right:
        return "right" if _fits(drawn.phase, phase, values) else "wrong"
    if code == "normal":
        return "right" if kind.quiet and not _shows(values, kind) else "missed"
    return "less" if code in kind.less else "wrong"


def _fits(expected: str | None, phase: str | None, values: Mapping[str, float]) -> bool:
    if expected is None or phase is None:
        return True
    if expected == SOUNDEST:
        return phase != f"L{1 + max(range(3), key=lambda n: values[LN[n]])}"
    return phase == expected


def _shows(values: Mapping[str, float], kind: Kind) -> bool:
    """Return whether a measured value leaves what is usual: 10 % of a phase, 3 % between lines, 25 V on PE or N."""
    nominal_v = kind.nominal_v
    used = LN[:2] if kind.system == "split_phase" else LN
    lines = [values[name] for name in LL if name in values and kind.system != "split_phase"]
    earth = [values[name] for name in LPE[: len(used)] if name in values]
    return (
        any(abs(values[name] - nominal_v) > SHOWS_PERCENT / 100.0 * nominal_v for name in used)
        or (bool(lines) and max(lines) - min(lines) > 0.03 * 400.0)
        or any(abs(value - nominal_v) > SHOWS_V for value in earth)
        or values.get(NPE, 0.0) > SHOWS_V
    )


def counted(rows: Sequence[Judged]) -> dict[str, Counter[str]]:
    """Return how often each outcome came, by view."""
    found: dict[str, Counter[str]] = {view: Counter() for view in VIEWS}
    for row in rows:
        found[row.view][row.outcome] += 1
    return found
