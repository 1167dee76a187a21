"""A low-voltage network solved by EPRI OpenDSS: five explicit conductors, and nothing of our own simulator.

Buses: `mv` -> transformer -> `lv` -> feeder -> `joint` -> `meter` -> `board`. Nodes 1 to 3 are the phases, 4 is N, 5 is
PE, and 0 is remote earth. Currents are those through the meter, positive toward the board.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import acos, cos, sin
from typing import Final

from opendssdirect import dss

OPEN_OHM: Final = 5e6
SOUND_OHM: Final = 1e-3
METER_OHM: Final = 1e-4
PHASES: Final = (1, 2, 3)
N, PE = 4, 5

Ohm = complex


@dataclass(frozen=True, slots=True)
class Load:
    """One load of the board between two nodes: a constant impedance."""

    nodes: tuple[int, int]
    watts: float
    power_factor: float = 1.0
    volts: float = 230.0

    @property
    def impedance(self) -> complex:
        """Impedance in ohm, inductive."""
        phi = acos(self.power_factor)
        return self.volts**2 * self.power_factor / self.watts * complex(cos(phi), sin(phi))


@dataclass(frozen=True, slots=True)
class Motor:
    """An induction motor at one slip, by its sequence impedances; the star point floats."""

    positive: Ohm
    negative: Ohm


@dataclass(frozen=True, slots=True)
class Network:
    """What is between the medium voltage and a board; resistances in ohm."""

    connection: str = "delta"
    """Primary of the transformer: `delta` (Dyn) or `wye` (Yyn)."""
    pu: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Primary phase voltages."""
    primary_open: int | None = None
    """Primary line that is open."""
    phase_v: float = 230.9
    earth_at_source: float | None = 1.0
    """Electrode of the transformer's star point; None: isolated (IT)."""
    protective_conductor: bool = True
    """Whether PE comes with the feeder (TN-S)."""
    bond_at_source: bool = True
    bond_at_board: bool = False
    """Whether N is joined to PE at the board (TN-C-S: the feeder's conductor 4 is a PEN)."""
    electrode: float | None = None
    """Electrode of the board's PE."""
    feeder: Ohm = 0.08 + 0.02j
    """Each conductor."""
    joints: Mapping[int, float] = field(default_factory=dict)
    """Conductor -> resistance of its joint before the meter."""
    loads: Sequence[Load] = ()
    motors: Sequence[Motor] = ()
    filters_farad: Mapping[tuple[int, int], float] = field(default_factory=dict)
    leaks: Mapping[tuple[int, int], float] = field(default_factory=dict)
    """Faults at the board: pair of nodes -> resistance."""
    legs: Mapping[int, tuple[float, float]] | None = None
    """Node -> volts and degrees against N of a supply without the three-phase transformer (split-phase)."""

    def with_joint(self, conductor: int, ohm: float) -> "Network":
        """Return the network with another joint."""
        return replace(self, joints={**self.joints, conductor: ohm})


@dataclass(frozen=True, slots=True)
class Solved:
    """Potentials at the meter against remote earth, V; currents, A."""

    potentials: Mapping[int, complex]
    currents: Mapping[int, complex]

    def between(self, first: int, second: int) -> float:
        """Return the voltage between two nodes, V RMS."""
        return abs(self.potentials.get(first, 0j) - self.potentials.get(second, 0j))


def solve(network: Network) -> Solved:
    """Return the solution. Raises: RuntimeError where OpenDSS finds none."""
    for line in script(network):
        dss.Text.Command(line)
    if not dss.Solution.Converged():
        raise RuntimeError("OpenDSS did not converge")
    dss.Circuit.SetActiveBus("meter")
    potentials = dict(zip(dss.Bus.Nodes(), _complex(dss.Bus.Voltages()), strict=True))
    currents = {}
    for node in (*PHASES, N):
        dss.Circuit.SetActiveElement(f"reactor.meter_{node}")
        currents[node] = _complex(dss.CktElement.Currents())[0]
    return Solved(potentials, currents)


def script(network: Network) -> Iterator[str]:
    """Yield the commands of a network."""
    yield "clear"
    yield from _source(network) if network.legs is None else _legs(network.legs)
    yield from _conductors(network)
    yield from _at_board(network)
    yield "set maxiterations=300"
    yield "set tolerance=1e-7"
    yield "solve"


def _source(network: Network) -> Iterator[str]:
    yield "new circuit.c basekv=10 pu=1 phases=3 bus1=source.1.2.3 mvasc3=500 mvasc1=500 angle=30"
    yield "edit vsource.source enabled=no"
    for phase, pu in zip(PHASES, network.pu, strict=True):
        angle = 30 - 120 * (phase - 1)
        base_kv = 10 / 3**0.5
        yield f"new vsource.v{phase} phases=1 basekv={base_kv} pu={pu} angle={angle} bus1=source.{phase} r1=0.05 x1=0.4"
    for phase in PHASES:
        ohm = OPEN_OHM if phase == network.primary_open else SOUND_OHM
        yield _resistor(f"mv_{phase}", f"source.{phase}", f"mv.{phase}", ohm)
    wye = "mv.1.2.3" if network.connection == "delta" else "mv.1.2.3.4"
    yield (
        f"new transformer.t phases=3 windings=2 buses=[{wye} lv.1.2.3.4] conns=[{network.connection} wye]"
        f" kvs=[10 {network.phase_v * 3**0.5 / 1000}] kvas=[250 250] %rs=[0.6 0.6] xhl=4"
    )
    if network.connection != "delta":
        yield _resistor("mv_star", "mv.4", "mv.0", OPEN_OHM)
    star = OPEN_OHM if network.earth_at_source is None else network.earth_at_source
    yield _resistor("rb", "lv.4", "lv.0", star)


def _legs(legs: Mapping[int, tuple[float, float]]) -> Iterator[str]:
    """Yield a supply of single-phase windings with a common, earthed point; nodes without a leg are dead."""
    yield "new circuit.c basekv=0.24 pu=1 phases=1 bus1=unused.1"
    for node, (volts, degrees) in legs.items():
        kv = volts / 1000
        yield f"new vsource.leg{node} phases=1 basekv={kv} angle={degrees} bus1=lv.{node} bus2=lv.4 r1=0.01 x1=0.02"
    for node in set(PHASES) - set(legs):
        yield _resistor(f"dead_{node}", f"lv.{node}", "lv.4", SOUND_OHM)
    yield _resistor("rb", "lv.4", "lv.0", 1.0)


def _conductors(network: Network) -> Iterator[str]:
    yield _resistor("bond_source", "lv.4", "lv.5", SOUND_OHM if network.bond_at_source else OPEN_OHM)
    for node in (*PHASES, N, PE):
        series = network.feeder
        if node == PE and not network.protective_conductor:
            series = OPEN_OHM + 0j
        yield _resistor(f"feeder_{node}", f"lv.{node}", f"joint.{node}", series)
        yield _resistor(f"joint_{node}", f"joint.{node}", f"meter.{node}", network.joints.get(node, SOUND_OHM))
        yield _resistor(f"meter_{node}", f"meter.{node}", f"board.{node}", METER_OHM)
    for first, second in pairwise((1, 2, 3, 4, 5)):
        yield _capacitor(f"cable_{first}{second}", f"joint.{first}", f"joint.{second}", 5e-9)


def _at_board(network: Network) -> Iterator[str]:
    if network.bond_at_board:
        yield _resistor("bond_board", "meter.4", "meter.5", SOUND_OHM)
    if network.electrode is not None:
        yield _resistor("electrode", "meter.5", "meter.0", network.electrode)
    for number, load in enumerate(network.loads):
        first, second = load.nodes
        yield _resistor(f"load_{number}", f"board.{first}", f"board.{second}", load.impedance)
    for number, motor in enumerate(network.motors):
        positive, negative = (f"[{z.real} {z.imag}]" for z in (motor.positive, motor.negative))
        yield (
            f"new reactor.motor{number} phases=3 bus1=board.1.2.3 bus2=motor{number}.4.4.4"
            f" Z1={positive} Z2={negative} Z0={negative}"
        )
    for (first, second), farad in network.filters_farad.items():
        yield _capacitor(f"filter_{first}{second}", f"board.{first}", f"board.{second}", farad)
    for (first, second), ohm in network.leaks.items():
        yield _resistor(f"leak_{first}{second}", f"board.{first}", f"board.{second}", ohm)


def _resistor(name: str, first: str, second: str, ohm: complex) -> str:
    return f"new reactor.{name} phases=1 bus1={first} bus2={second} R={complex(ohm).real} X={complex(ohm).imag}"


def _capacitor(name: str, first: str, second: str, farad: float) -> str:
    reactance = 1.0 / (314.159265 * farad)
    return f"new reactor.{name} phases=1 bus1={first} bus2={second} R=0 X={-reactance}"


def _complex(pairs: Sequence[float]) -> list[complex]:
    return [complex(pairs[n], pairs[n + 1]) for n in range(0, len(pairs), 2)]
