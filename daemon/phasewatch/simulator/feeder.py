"""A five-wire feeder as a circuit: source, conductors, earths and loads, solved for the phasors at the board.

    source            supply side                     board
    EMF, source Z  -> bus_l1..l3   -- line        ->  l1, l2, l3   loads, motor, leaks to pe
    star           -- pen -> split -- neutral     ->  n
                             split -- bond + pe   ->  pe           electrode to true earth
    star           -- star earthing (R_B) -> true earth

TN-S: `pen_ohm` is a short link. TN-C-S: it is the supply cable. TT: `source_bond_ohm` is open. IT: `star_earth_ohm`
is open too.

Nodal analysis of a linear circuit at one frequency.
"""

import cmath
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Final

from phasewatch.meters.quantities import CURRENT_N, CURRENTS, FREQUENCY, LL, LN, LPE, NPE, PHASES

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


OPEN: Final = math.inf
"""Resistance of a conductor that is cut or was never there."""

SMALLEST_OHM: Final = 1e-4
"""No joint is better than this; it also keeps the equations well conditioned."""

PAIRS: Final = (("l1", "l2"), ("l2", "l3"), ("l3", "l1"))
NODES: Final = ("bus_l1", "bus_l2", "bus_l3", "star", "split", "l1", "l2", "l3", "n", "pe")


@dataclass(frozen=True, slots=True)
class Feeder:
    """Every parameter of the circuit; the defaults are a healthy TN-S board at 230 V.

    Raises: ValueError, naming the parameter, if a value is not physical.
    """

    nominal_v: float = 230.0
    """Phase voltage at which loads take their nominal power."""
    frequency_hz: float = 50.0
    emf_l1_v: float = 231.0
    emf_l2_v: float = 231.0
    emf_l3_v: float = 231.0
    emf_l1_deg: float = 0.0
    emf_l2_deg: float = -120.0
    emf_l3_deg: float = 120.0
    source_ohm: float = 0.004
    source_reactance_ohm: float = 0.012
    line_l1_ohm: float = 0.02
    line_l2_ohm: float = 0.02
    line_l3_ohm: float = 0.02
    neutral_ohm: float = 0.02
    pe_ohm: float = 0.02
    cable_reactance_ohm: float = 0.005
    """In every line, the neutral, PE and PEN conductor alike."""
    pen_ohm: float = 0.001
    """What N and PE share on the way to the star point."""
    source_bond_ohm: float = 0.001
    """Where PE starts: from the end of the shared part to the PE conductor."""
    board_bond_ohm: float = OPEN
    """A second N-PE bond, at the board."""
    star_earth_ohm: float = 1.0
    """Earthing of the star point, R_B."""
    electrode_ohm: float = 30.0
    """Local earth electrode on PE, R_A."""
    load_l1_n_w: float = 4500.0
    load_l2_n_w: float = 4000.0
    load_l3_n_w: float = 5000.0
    load_l1_n_power_factor: float = 0.95
    load_l2_n_power_factor: float = 0.97
    load_l3_n_power_factor: float = 0.93
    load_l1_l2_w: float = 0.0
    load_l2_l3_w: float = 0.0
    load_l3_l1_w: float = 0.0
    load_line_power_factor: float = 0.85
    """Of the three loads between lines."""
    leak_l1_pe_ohm: float = OPEN
    leak_l2_pe_ohm: float = OPEN
    leak_l3_pe_ohm: float = OPEN
    filter_l1_pe_nf: float = 100.0
    """Capacitance of interference filters to PE."""
    filter_l2_pe_nf: float = 100.0
    filter_l3_pe_nf: float = 100.0
    fault_l1_earth_ohm: float = OPEN
    """A fault to true earth elsewhere on the supply: its current returns over R_B and lifts the star point."""
    fault_l2_earth_ohm: float = OPEN
    fault_l3_earth_ohm: float = OPEN
    motor_ohm: float = OPEN
    """Per winding of a motor with a free star point; a lost phase is fed back through it."""
    motor_reactance_ohm: float = 1.0
    motor_emf_v: float = 215.0
    motor_lag_deg: float = 5.0
    """How far the motor's EMF lags the healthy supply."""
    insulation_ohm: float = 2e7
    """Of every node against true earth; never open, so that no node floats without a potential."""
    stray_nf: float = 1.0
    """Of every node against true earth."""

    def __post_init__(self) -> None:
        """Refuse what no circuit can be."""
        for name in PARAMETERS:
            _check(name, getattr(self, name))


PARAMETERS: Final = tuple(field.name for field in fields(Feeder))
"""Names of all parameters, in order."""

MAY_BE_OPEN: Final = frozenset(
    name for name in PARAMETERS if name.endswith("_ohm") and "reactance" not in name and name != "insulation_ohm"
)
_POSITIVE: Final = frozenset({"nominal_v", "frequency_hz", "insulation_ohm"})


def _check(name: str, value: float) -> None:
    if value == OPEN and name not in MAY_BE_OPEN:
        raise ValueError(f"{name}: cannot be open; only a resistance can")
    if math.isnan(value) or value == -math.inf:
        raise ValueError(f"{name}: {value} is not a number")
    if name.endswith("_power_factor"):
        if not 0 < value <= 1:
            raise ValueError(f"{name}: {value} is not in (0, 1]")
    elif not name.endswith("_deg") and (value < 0 or (value == 0 and name in _POSITIVE)):
        raise ValueError(f"{name}: {value} is too small")


@dataclass(frozen=True, slots=True)
class Potentials:
    """Phasors at the board (RMS): volts against true earth; amperes into the board, through the meter."""

    l1: complex
    l2: complex
    l3: complex
    n: complex
    pe: complex
    current_l1: complex
    current_l2: complex
    current_l3: complex
    current_n: complex
    frequency_hz: float


def solve(feeder: Feeder) -> Potentials:
    """Solve the circuit for what stands at the board."""
    parts = dict(branches(feeder))
    nodes = solve_nodes(tuple(parts.values()))

    def through(part: str) -> complex:
        return flow(parts[part], nodes) if part in parts else 0j

    return Potentials(
        l1=nodes["l1"],
        l2=nodes["l2"],
        l3=nodes["l3"],
        n=nodes["n"],
        pe=nodes["pe"],
        current_l1=through("line_l1"),
        current_l2=through("line_l2"),
        current_l3=through("line_l3"),
        current_n=through("neutral"),
        frequency_hz=feeder.frequency_hz,
    )


def magnitudes(board: Potentials) -> dict[str, float]:
    """Return every quantity of the vocabulary as a perfect instrument at the board reads it.

    Active power is positive when taken from the supply. The circuit is sinusoidal: its distortion is 0.
    """
    phases = dict(zip(PHASES, (board.l1, board.l2, board.l3), strict=True))
    currents = (board.current_l1, board.current_l2, board.current_l3)
    powers_w = [((u - board.n) * i.conjugate()).real for u, i in zip(phases.values(), currents, strict=True)]
    return {
        **{name: abs(u - board.n) for name, u in zip(LN, phases.values(), strict=True)},
        **{name: abs(phases[a] - phases[b]) for name, (a, b) in zip(LL, PAIRS, strict=True)},
        **{name: abs(u - board.pe) for name, u in zip(LPE, phases.values(), strict=True)},
        NPE: abs(board.n - board.pe),
        **{name: abs(i) for name, i in zip(CURRENTS, currents, strict=True)},
        CURRENT_N: abs(board.current_n),
        "residual_current": abs(sum(currents) + board.current_n),
        FREQUENCY: board.frequency_hz,
        **{f"active_power_{phase}": power_w for phase, power_w in zip(PHASES, powers_w, strict=True)},
        "active_power_total": sum(powers_w),
        **{f"thd_voltage_{phase}": 0.0 for phase in PHASES},
    }


def branches(feeder: Feeder) -> Iterator[tuple[str, Branch]]:
    """Yield the named branches of the circuit; what is open is left out."""
    yield from _stray(feeder)
    yield from _supply(feeder)
    yield from _earthing(feeder)
    yield from _loads(feeder)
    yield from _leaks(feeder)
    yield from _motor(feeder)


def _stray(feeder: Feeder) -> Iterator[tuple[str, Branch]]:
    admittance_s = 1 / feeder.insulation_ohm + _capacitance_s(feeder, feeder.stray_nf)
    for node in NODES:
        yield f"stray_{node}", Branch(node, EARTH, admittance_s)


def _supply(feeder: Feeder) -> Iterator[tuple[str, Branch]]:
    source_s = _admittance_s(feeder.source_ohm, feeder.source_reactance_ohm)
    for phase in PHASES:
        emf_v = cmath.rect(getattr(feeder, f"emf_{phase}_v"), math.radians(getattr(feeder, f"emf_{phase}_deg")))
        if source_s:
            yield f"source_{phase}", Branch("star", f"bus_{phase}", source_s, emf_v)
        yield from _cable(f"line_{phase}", f"bus_{phase}", phase, getattr(feeder, f"line_{phase}_ohm"), feeder)
    yield from _cable("pen", "star", "split", feeder.pen_ohm, feeder)
    yield from _cable("neutral", "split", "n", feeder.neutral_ohm, feeder)
    yield from _cable("pe", "split", "pe", feeder.source_bond_ohm + feeder.pe_ohm, feeder)


def _earthing(feeder: Feeder) -> Iterator[tuple[str, Branch]]:
    yield from _resistor("board_bond", "n", "pe", feeder.board_bond_ohm)
    yield from _resistor("star_earth", "star", EARTH, feeder.star_earth_ohm)
    yield from _resistor("electrode", "pe", EARTH, feeder.electrode_ohm)
    for phase in PHASES:
        yield from _resistor(f"fault_{phase}", f"bus_{phase}", EARTH, getattr(feeder, f"fault_{phase}_earth_ohm"))


def _loads(feeder: Feeder) -> Iterator[tuple[str, Branch]]:
    for phase in PHASES:
        power_w, factor = (getattr(feeder, f"load_{phase}_n_{what}") for what in ("w", "power_factor"))
        yield from _load(f"load_{phase}_n", phase, "n", power_w, factor, feeder.nominal_v)
    for a, b in PAIRS:
        power_w = getattr(feeder, f"load_{a}_{b}_w")
        yield from _load(f"load_{a}_{b}", a, b, power_w, feeder.load_line_power_factor, math.sqrt(3) * feeder.nominal_v)


def _leaks(feeder: Feeder) -> Iterator[tuple[str, Branch]]:
    for phase in PHASES:
        yield from _resistor(f"leak_{phase}", phase, "pe", getattr(feeder, f"leak_{phase}_pe_ohm"))
        filter_s = _capacitance_s(feeder, getattr(feeder, f"filter_{phase}_pe_nf"))
        if filter_s:
            yield f"filter_{phase}", Branch(phase, "pe", filter_s)


def _motor(feeder: Feeder) -> Iterator[tuple[str, Branch]]:
    winding_s = _admittance_s(feeder.motor_ohm, feeder.motor_reactance_ohm)
    if not winding_s:
        return
    yield "stray_motor", Branch("motor", EARTH, complex(1 / feeder.insulation_ohm))
    for phase, place_deg in zip(PHASES, (0.0, -120.0, 120.0), strict=True):
        emf_v = cmath.rect(feeder.motor_emf_v, math.radians(place_deg - feeder.motor_lag_deg))
        yield f"motor_{phase}", Branch("motor", phase, winding_s, emf_v)


def _cable(name: str, start: str, end: str, ohm: float, feeder: Feeder) -> Iterator[tuple[str, Branch]]:
    admittance_s = _admittance_s(ohm, feeder.cable_reactance_ohm)
    if admittance_s:
        yield name, Branch(start, end, admittance_s)


def _resistor(name: str, start: str, end: str, ohm: float) -> Iterator[tuple[str, Branch]]:
    admittance_s = _admittance_s(ohm)
    if admittance_s:
        yield name, Branch(start, end, admittance_s)


def _load(name: str, start: str, end: str, power_w: float, factor: float, at_v: float) -> Iterator[tuple[str, Branch]]:
    if power_w:
        reactive_w = power_w * math.tan(math.acos(factor))
        yield name, Branch(start, end, complex(power_w, -reactive_w) / at_v**2)


def _admittance_s(ohm: float, reactance_ohm: float = 0.0) -> complex:
    return 0j if math.isinf(ohm) else 1 / complex(max(ohm, SMALLEST_OHM), reactance_ohm)


def _capacitance_s(feeder: Feeder, capacitance_nf: float) -> complex:
    return complex(0, 2 * math.pi * feeder.frequency_hz * capacitance_nf * 1e-9)
