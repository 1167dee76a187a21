"""Random circuits with a known fault, read by a noisy meter: what the diagnosis is judged on.

Nothing here knows a threshold of the diagnosis except the sizes that domain practice gives a fault its name by (a
neutral shift of 5 % and 30 % of nominal); a draw whose effect is too small to be that fault is drawn again.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Final

from phasewatch.electrical.supply import System
from phasewatch.meters.quantities import CURRENT_N, CURRENTS, LL, LN, LPE, NPE, PHASES
from phasewatch.simulator.feeder import OPEN, Feeder, magnitudes, solve

NOMINAL_V: Final = 230.0

Values = dict[str, float]
Draw = random.Random


@dataclass(frozen=True, slots=True)
class Case:
    """What a meter would read without error, and what it means."""

    kind: str
    code: str
    values: Values
    phase: str | None = None
    system: System | None = None


Maker = Callable[[Draw], Case | None]
"""Draws one circuit; None where the draw shows too little of its fault."""


def read(feeder: Feeder) -> Values:
    """Return what the board shows."""
    return magnitudes(solve(feeder))


def shift(values: Mapping[str, float]) -> float:
    """Return the neutral shift per unit of nominal, by the vector sum that a balanced triangle gives."""
    a, b, c = (values[name] for name in LN)
    return sqrt(max(0.0, (a * a + b * b + c * c) / 3.0 - _radius(values) ** 2)) / NOMINAL_V


def _radius(values: Mapping[str, float]) -> float:
    return sqrt(sum(values[name] ** 2 for name in LL)) / 3.0


def board(draw: Draw) -> Feeder:
    """Return a healthy TN board with ordinary loads."""
    level = NOMINAL_V * draw.uniform(0.965, 1.045)
    line_ohm = draw.uniform(0.01, 0.12)
    load_w = draw.uniform(300.0, 6000.0)
    loads = {f"load_{p}_n_w": load_w * draw.uniform(0.6, 1.4) for p in PHASES}
    factors = {f"load_{p}_n_power_factor": draw.uniform(0.85, 1.0) for p in PHASES}
    return Feeder(
        **{f"emf_{p}_v": level * draw.uniform(0.997, 1.003) for p in PHASES},
        **{f"line_{p}_ohm": line_ohm * draw.uniform(0.95, 1.05) for p in PHASES},
        neutral_ohm=line_ohm * draw.uniform(0.95, 1.2),
        pe_ohm=line_ohm * draw.uniform(1.0, 2.0),
        star_earth_ohm=draw.uniform(0.5, 5.0),
        electrode_ohm=draw.uniform(5.0, 200.0),
        **{f"filter_{p}_pe_nf": draw.uniform(5.0, 300.0) for p in PHASES},
        **loads,
        **factors,
    )


def _phase(draw: Draw) -> str:
    return draw.choice(PHASES)


def healthy(draw: Draw) -> Case | None:
    feeder = board(draw)
    if draw.random() < 0.4:
        feeder = replace(feeder, load_l1_l2_w=draw.uniform(0, 4000), load_l2_l3_w=draw.uniform(0, 4000))
    if draw.random() < 0.4:
        feeder = replace(feeder, pen_ohm=draw.uniform(0.01, 0.1), neutral_ohm=0.01)  # TN-C-S
    values = read(feeder)
    ordinary = all(0.92 * NOMINAL_V < values[name] < 1.08 * NOMINAL_V for name in LN)
    return Case("healthy", "normal", values) if ordinary and shift(values) < 0.045 else None


def _uneven(draw: Draw, feeder: Feeder) -> Feeder:
    return replace(feeder, **{f"load_{p}_n_w": draw.choice((200.0, 800.0, 3000.0, 7000.0)) for p in PHASES})


def neutral_open(draw: Draw) -> Case | None:
    values = read(replace(_uneven(draw, board(draw)), neutral_ohm=draw.choice((OPEN, 500.0, 2000.0))))
    return Case("neutral_open", "neutral_open", values) if shift(values) > 0.33 else None


def neutral_high_resistance(draw: Draw) -> Case | None:
    feeder = _uneven(draw, board(draw))
    values = read(replace(feeder, neutral_ohm=feeder.line_l1_ohm * draw.uniform(12, 80)))
    return Case("neutral_high_resistance", "neutral_high_resistance", values) if 0.065 < shift(values) < 0.27 else None


def pen_open(draw: Draw) -> Case | None:
    feeder = replace(_uneven(draw, board(draw)), pen_ohm=OPEN, source_bond_ohm=0.001)
    feeder = replace(feeder, board_bond_ohm=0.002, electrode_ohm=draw.choice((2.0, 10.0, 50.0, OPEN)))
    values = read(feeder)
    return Case("pen_open", "pen_open", values) if shift(values) > 0.07 else None


def phase_lost(draw: Draw) -> Case | None:
    p = _phase(draw)
    return Case("phase_lost", "phase_lost", read(replace(board(draw), **{f"line_{p}_ohm": OPEN})), p.upper())


def phase_lost_backfed(draw: Draw) -> Case | None:
    p = _phase(draw)
    feeder = replace(board(draw), **{f"line_{p}_ohm": OPEN, f"load_{p}_n_w": draw.choice((0.0, 100.0, 400.0))})
    pairs = {f"load_{pair}_w": draw.uniform(1500, 6000) for pair in ("l1_l2", "l2_l3", "l3_l1")}
    values = read(replace(feeder, **pairs))
    if not 0.15 < values[f"voltage_{p}_n"] / NOMINAL_V < 0.6:
        return None
    return Case("phase_lost_backfed", "phase_lost_backfed", values, p.upper())


def phase_lost_regenerated(draw: Draw) -> Case | None:
    p = _phase(draw)
    feeder = replace(board(draw), **{f"line_{p}_ohm": OPEN, f"load_{p}_n_w": draw.uniform(0, 300)})
    values = read(replace(feeder, motor_ohm=draw.uniform(0.3, 2.0), motor_emf_v=draw.uniform(180, 215)))
    if not 0.5 < values[f"voltage_{p}_n"] / NOMINAL_V < 0.82:
        return None
    return Case("phase_lost_regenerated", "phase_lost_regenerated", values, p.upper())


def two_phases_lost(draw: Draw) -> Case | None:
    kept = _phase(draw)
    lost = {f"line_{p}_ohm": OPEN for p in PHASES if p != kept}
    return Case("two_phases_lost", "two_phases_lost", read(replace(board(draw), **lost)))


def interruption(draw: Draw) -> Case | None:
    return Case("interruption", "interruption", read(replace(board(draw), **{f"line_{p}_ohm": OPEN for p in PHASES})))


def mv_phase_lost(draw: Draw) -> Case | None:
    """Leave one phase of the secondary whole; the other two share its voltage, opposite to it."""
    k = draw.randrange(3)
    angles, share = (0.0, -120.0, 120.0), draw.uniform(0.3, 0.7)
    emf = {}
    for i, p in enumerate(PHASES):
        part = 1.0 if i == k else share if i == (k + 1) % 3 else 1.0 - share
        emf[f"emf_{p}_v"], emf[f"emf_{p}_deg"] = 231.0 * part, angles[k] + (0.0 if i == k else 180.0)
    return Case("mv_phase_lost", "mv_phase_lost", read(replace(board(draw), **emf)))


def earth_displaced(draw: Draw) -> Case | None:
    p = _phase(draw)
    feeder = replace(board(draw), source_bond_ohm=OPEN, electrode_ohm=draw.uniform(5, 300))
    values = read(replace(feeder, **{f"leak_{p}_pe_ohm": draw.uniform(30, 2000)}))
    if not 12.0 < values[NPE] < 180.0 or shift(values) > 0.04:
        return None
    return Case("earth_displaced", "earth_displaced", values, p.upper())


def earth_lifted(draw: Draw) -> Case | None:
    """Lift the star point by a fault to true earth elsewhere; PE is bonded to true earth, not to the star (TT)."""
    p = _phase(draw)
    feeder = replace(board(draw), source_bond_ohm=OPEN, electrode_ohm=draw.uniform(2, 20))
    feeder = replace(feeder, star_earth_ohm=draw.uniform(1.0, 8.0))
    values = read(replace(feeder, **{f"fault_{p}_earth_ohm": draw.uniform(2, 60)}))
    if not 12.0 < values[NPE] < 180.0 or shift(values) > 0.04:
        return None
    return Case("earth_lifted", "earth_displaced", values, p.upper())


def pe_open(draw: Draw) -> Case | None:
    p = _phase(draw)
    filters = {f"filter_{q}_pe_nf": (draw.uniform(200, 400) if q == p else draw.uniform(0, 30)) for q in PHASES}
    feeder = replace(board(draw), pe_ohm=OPEN, electrode_ohm=OPEN, stray_nf=0.1, **filters)
    values = read(feeder)
    # A real filter sits between two lines and PE: it pulls PE half way to one phase, not onto it.
    return Case("pe_open", "earth_displaced", values) if 15.0 < values[NPE] < 0.85 * NOMINAL_V else None


def earth_fault_solid(draw: Draw) -> Case | None:
    p = _phase(draw)
    feeder = replace(board(draw), source_bond_ohm=OPEN, star_earth_ohm=OPEN)
    values = read(replace(feeder, **{f"leak_{p}_pe_ohm": draw.uniform(0.1, 20)}))
    return Case("earth_fault_solid", "earth_fault_solid", values, p.upper())


def supply_unbalance(draw: Draw) -> Case | None:
    p = _phase(draw)
    feeder = board(draw)
    feeder = replace(feeder, **{f"emf_{p}_v": getattr(feeder, f"emf_{p}_v") * draw.uniform(0.87, 0.915)})
    values = read(replace(feeder, **{f"load_{q}_n_w": 500.0 for q in PHASES}))
    return Case("supply_unbalance", "supply_unbalance", values)


def single_phase_overload(draw: Draw) -> Case | None:
    p = _phase(draw)
    feeder = board(draw)
    loads = {f"load_{q}_n_w": 500.0 for q in PHASES} | {f"load_{p}_n_w": draw.uniform(8000, 20000)}
    line = {f"line_{q}_ohm": 0.25 for q in PHASES}
    values = read(replace(feeder, neutral_ohm=0.25 * draw.uniform(0.9, 1.3), **line, **loads))
    return Case("single_phase_overload", "single_phase_overload", values, p.upper()) if shift(values) > 0.065 else None


def overvoltage(draw: Draw) -> Case | None:
    return _levelled(draw, "overvoltage", 1.125, 1.25)


def undervoltage(draw: Draw) -> Case | None:
    return _levelled(draw, "undervoltage", 0.7, 0.875)


def _levelled(draw: Draw, code: str, low: float, high: float) -> Case:
    level = NOMINAL_V * draw.uniform(low, high)
    quiet = {f"load_{p}_n_w": 500.0 for p in PHASES}
    return Case(code, code, read(replace(board(draw), **quiet, **{f"emf_{p}_v": level for p in PHASES})))


def neutral_swapped(draw: Draw) -> Case | None:
    """Exchange a phase and the neutral at the meter's terminals."""
    values, p = read(board(draw)), _phase(draw)
    i = PHASES.index(p)
    j, k = (i + 1) % 3, (i + 2) % 3
    swapped = dict(values)
    swapped[LN[j]], swapped[LN[k]] = values[LL[i]], values[LL[k]]
    swapped[LL[i]], swapped[LL[k]] = values[LN[j]], values[LN[k]]
    swapped[LPE[i]], swapped[NPE] = values[NPE], values[LPE[i]]
    return Case("neutral_swapped", "neutral_swapped", swapped, p.upper())


def line_in_phase(draw: Draw) -> Case | None:
    values = read(board(draw))
    for phase, line in zip(LN, LL, strict=True):
        values[phase] = values[line]
    return Case("line_in_phase", "line_voltage_in_phase_registers", _without(values, (*LPE, NPE)))


def scale_mismatch(draw: Draw) -> Case | None:
    values, factor = read(board(draw)), draw.choice((draw.uniform(0.8, 0.95), draw.uniform(1.05, 1.2)))
    for name in LN:
        values[name] *= factor
    return Case("scale_mismatch", "scale_mismatch", _without(values, (*LPE, NPE)))


def impossible_triangle(draw: Draw) -> Case | None:
    values = read(board(draw))
    i = draw.randrange(3)
    values[LL[i]] *= draw.uniform(0.1, 0.35)
    values[LL[(i + 1) % 3]] *= draw.uniform(0.1, 0.35)
    return Case("impossible_triangle", "impossible_triangle", values)


def inputs_on_one_phase(draw: Draw) -> Case | None:
    values = read(board(draw))
    values |= dict.fromkeys(LN, values[LN[0]]) | dict.fromkeys(LL, draw.uniform(0.0, 1.0))
    return Case("inputs_on_one_phase", "inputs_on_one_phase", _without(values, (*LPE, NPE)))


def _without(values: Values, names: tuple[str, ...]) -> Values:
    return {name: value for name, value in values.items() if name not in names}


FAULTS: Final[tuple[Maker, ...]] = (
    neutral_open,
    neutral_high_resistance,
    pen_open,
    phase_lost,
    phase_lost_backfed,
    phase_lost_regenerated,
    two_phases_lost,
    interruption,
    mv_phase_lost,
    earth_displaced,
    earth_lifted,
    pe_open,
    earth_fault_solid,
    supply_unbalance,
    single_phase_overload,
    overvoltage,
    undervoltage,
    neutral_swapped,
    line_in_phase,
    scale_mismatch,
    impossible_triangle,
    inputs_on_one_phase,
)

VIEWS: Final[dict[str, tuple[str, ...]]] = {
    "all": (*LN, *LL, *LPE, NPE, *CURRENTS, CURRENT_N),
    "voltages": (*LN, *LL, *LPE, NPE),
    "L-N, L-L": (*LN, *LL),
    "L-N, L-PE": (*LN, *LPE),
    "L-N": LN,
}
"""What a point may see."""


_UNSEEN_EARTH: Final = frozenset(("earth_displaced", "earth_fault_solid"))
_BY_SIZE: Final = ("phase_lost_backfed", "phase_lost_regenerated", "supply_unbalance", "single_phase_overload")
_BY_LINE: Final = ("scale_mismatch", "impossible_triangle", "inputs_on_one_phase")
_LIMITS: Final = frozenset(("normal", "overvoltage", "undervoltage"))


def expected(case: Case, view: str) -> frozenset[str]:
    """Return the verdicts that are right for a case as far as a view shows it."""
    earth, line = "L-PE" in view or view in ("all", "voltages"), "L-L" in view or view in ("all", "voltages")
    if not earth and case.code in _UNSEEN_EARTH:
        return frozenset(("normal",))
    if case.code == "pen_open" and not earth:
        return frozenset(("neutral_open", "neutral_high_resistance")) if line else _LIMITS | {"neutral_open"}
    if line:
        return frozenset((case.code,))
    if case.code == "single_phase_overload" and earth:
        return frozenset((case.code,))
    if case.code in (*_BY_SIZE, *_BY_LINE):
        return _LIMITS
    if case.code in ("pen_open", "neutral_high_resistance"):
        return _LIMITS | {case.code}
    return frozenset((case.code,))


def cases(maker: Maker, draw: Draw) -> Iterator[Case]:
    """Yield cases for ever."""
    while True:
        case = maker(draw)
        if case is not None:
            yield case


def measured(values: Mapping[str, float], names: tuple[str, ...], percent: float, draw: Draw) -> Values:
    """Return what a meter of a class shows: an error evenly spread over the class, rounded to 0.1 V (0.01 A)."""
    return {
        name: round(values[name] * (1.0 + draw.uniform(-percent, percent) / 100.0), 1 if "voltage" in name else 2)
        for name in names
        if name in values
    }
