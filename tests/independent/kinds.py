"""Kinds of circuit, each with what is true of it: codes that are right, and codes that claim less and are not false.

`normal` among the right codes: nothing can show, or nothing is wrong. The phase is judged where the kind states one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from tests.independent.network import OPEN_OHM, PE, PHASES, Load, Motor, N, Network

LESS: Final = frozenset(("overvoltage", "undervoltage", "not_enough_data"))
"""Limits broken: true, and no cause is named."""
SOUNDEST: Final = "!soundest"
NEUTRAL: Final = frozenset(("neutral_open", "neutral_high_resistance"))
EARTH: Final = frozenset(("earth_displaced", "earth_fault_solid"))
LOST: Final = frozenset(("phase_lost", "phase_lost_backfed", "phase_lost_regenerated"))


@dataclass(frozen=True, slots=True)
class Drawn:
    """One circuit of a kind."""

    network: Network
    phase: str | None = None
    """`L1` to `L3`: the phase that a verdict may name; SOUNDEST: any but the highest; None: not judged."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of circuit and its truth."""

    draw: Callable[[Random], Drawn]
    right: frozenset[str]
    less: frozenset[str] = frozenset()
    system: str | None = None
    nominal_v: float = 230.0
    quiet: bool = False
    """Whether `normal` is right as well: the fault may be too small to show."""


def _uneven(random: Random, least: float = 200.0, most: float = 4000.0) -> tuple[Load, ...]:
    return tuple(Load((phase, N), random.uniform(least, most), random.uniform(0.85, 1.0)) for phase in PHASES)


def _one_heavy(random: Random, watts: tuple[float, float] = (3000.0, 6000.0)) -> tuple[tuple[Load, ...], int]:
    heavy = random.choice(PHASES)
    return tuple(
        Load((phase, N), random.uniform(*watts) if phase == heavy else random.uniform(100, 600)) for phase in PHASES
    ), heavy


def _motor(random: Random, amperes: float | None = None) -> Motor:
    """Return a motor of 4 to 40 A: Z1 near full load, Z2 that of the locked rotor, a fifth to a seventh of it."""
    z = 230.0 / (amperes or random.uniform(4.0, 40.0))
    return Motor(z * complex(0.85, 0.5), z / random.uniform(5.0, 7.0) * complex(0.45, 0.9))


def _base(random: Random) -> Network:
    return Network(
        pu=(random.uniform(0.985, 1.01),) * 3,
        feeder=complex(random.uniform(0.03, 0.15), random.uniform(0.01, 0.05)),
        loads=_uneven(random),
    )


def _earthed(random: Random) -> Network:
    """Return a TN-S, TN-C-S or TT network."""
    base = _base(random)
    return random.choice((base, _tn_c_s(base, random), _tt(base, random)))


def _tn_c_s(base: Network, random: Random) -> Network:
    electrode = random.choice((None, random.uniform(5, 100)))
    return replace(base, protective_conductor=False, bond_at_board=True, electrode=electrode)


def _tt(base: Network, random: Random) -> Network:
    return replace(base, protective_conductor=False, electrode=random.uniform(5, 100))


def _healthy(random: Random) -> Drawn:
    return Drawn(_earthed(random))


def _neutral_open(random: Random) -> Drawn:
    base = _base(random)
    return Drawn(random.choice((base, _tt(base, random))).with_joint(N, OPEN_OHM))


def _neutral_weak(random: Random) -> Drawn:
    base = _base(random)
    loads, _ = _one_heavy(random, (4000.0, 7000.0))
    return Drawn(replace(base, feeder=0.05 + 0.02j, loads=loads).with_joint(N, random.uniform(0.8, 3.0)))


def _pen_open(random: Random, least: float, most: float) -> Drawn:
    base = replace(_tn_c_s(_base(random), random), electrode=random.uniform(least, most))
    return Drawn(base.with_joint(N, OPEN_OHM))


def _lost(random: Random, *, motor: Motor | None = None, loads: bool = True) -> Drawn:
    phase = random.choice(PHASES)
    base = replace(_earthed(random), motors=() if motor is None else (motor,))
    network = base if loads else replace(base, loads=())
    return Drawn(network.with_joint(phase, OPEN_OHM), f"L{phase}")


def _two_lost(random: Random) -> Drawn:
    first, second = random.sample(PHASES, 2)
    return Drawn(_earthed(random).with_joint(first, OPEN_OHM).with_joint(second, OPEN_OHM))


def _primary_lost(random: Random, connection: str, *, motors: int = 0) -> Drawn:
    motor = [_motor(random, random.uniform(15, 50)) for _ in range(motors)]
    base = replace(_earthed(random), connection=connection, motors=motor)
    return Drawn(replace(base, primary_open=random.choice(PHASES)))


def _weak_primary(random: Random) -> Drawn:
    """Return a Dyn transformer with one low primary phase: two secondary phases fall, one is sound."""
    weak = random.choice(PHASES)
    pu = tuple(random.uniform(0.86, 0.93) if phase == weak else 1.0 for phase in PHASES)
    return Drawn(replace(_earthed(random), pu=(pu[0], pu[1], pu[2])), SOUNDEST)


def _level(random: Random, least: float, most: float) -> Drawn:
    return Drawn(replace(_earthed(random), pu=(random.uniform(least, most),) * 3, loads=_uneven(random, 100, 800)))


def _tt_fault(random: Random, share: tuple[float, float]) -> Drawn:
    """Return an earth fault in TT; its resistance is a share of the electrode's."""
    base = replace(_tt(_base(random), random), electrode=random.uniform(20, 100))
    phase = random.choice(PHASES)
    ohm = (base.electrode or 1.0) * random.uniform(*share)
    return Drawn(replace(base, leaks={(phase, PE): ohm}), f"L{phase}")


def _it(random: Random, *, fault: bool) -> Drawn:
    farad = random.uniform(50e-9, 300e-9)
    filters = {(phase, PE): farad * random.uniform(0.95, 1.05) for phase in PHASES}
    base = replace(
        _base(random),
        earth_at_source=None,
        bond_at_source=False,
        electrode=random.uniform(1, 10),
        filters_farad=filters,
    )
    phase = random.choice(PHASES)
    leaks = {(phase, PE): random.uniform(0.1, 500.0)} if fault else {}
    return Drawn(replace(base, leaks=leaks), f"L{phase}" if fault else None)


def _pe_open(random: Random) -> Drawn:
    phase = random.choice(PHASES)
    filters = {(phase, PE): random.uniform(2e-9, 20e-9), (N, PE): random.uniform(2e-9, 20e-9)}
    return Drawn(replace(_base(random), filters_farad=filters).with_joint(PE, OPEN_OHM))


def _two_joints(random: Random) -> Drawn:
    loads, heavy = _one_heavy(random)
    ohm = random.uniform(0.5, 1.2)
    network = replace(_base(random), loads=loads).with_joint(N, ohm * random.uniform(0.8, 1.2)).with_joint(heavy, ohm)
    return Drawn(network)


def _bad_joint(random: Random) -> Drawn:
    loads, heavy = _one_heavy(random, (4000, 7000))
    return Drawn(replace(_earthed(random), loads=loads).with_joint(heavy, random.uniform(1.0, 2.5)), f"L{heavy}")


def _neutral_and_phase(random: Random) -> Drawn:
    return Drawn(_base(random).with_joint(N, OPEN_OHM).with_joint(random.choice(PHASES), OPEN_OHM))


def _neutral_and_earth(random: Random) -> Drawn:
    filters = {(phase, PE): random.uniform(1e-9, 20e-9) for phase in PHASES} | {(N, PE): random.uniform(1e-9, 20e-9)}
    network = replace(_base(random), filters_farad=filters)
    return Drawn(network.with_joint(N, OPEN_OHM).with_joint(PE, OPEN_OHM))


def _split(random: Random, **joints: float) -> Drawn:
    """Return a North American service: two legs of 120 V, loads on each and between them."""
    loads = tuple(Load((leg, N), random.uniform(150, 3000), volts=120.0) for leg in (1, 2))
    between = (Load((1, 2), random.uniform(500, 5000), volts=240.0),) if random.random() < 0.7 else ()
    network = Network(
        legs={1: (random.uniform(118, 123), 0.0), 2: (random.uniform(118, 123), 180.0)},
        feeder=complex(random.uniform(0.02, 0.06), 0.02),
        loads=(*loads, *between),
        joints={int(name[1:]): ohm for name, ohm in joints.items()},
    )
    return Drawn(network)


KINDS: Final[Mapping[str, Kind]] = {
    "healthy": Kind(_healthy, frozenset(("normal",))),
    "healthy_it": Kind(lambda r: _it(r, fault=False), frozenset(("normal",)), system="IT"),
    "neutral_open": Kind(_neutral_open, NEUTRAL, LESS | {"single_phase_overload"}, quiet=True),
    "neutral_high_resistance": Kind(_neutral_weak, NEUTRAL, LESS, quiet=True),
    "pen_open": Kind(lambda r: _pen_open(r, 8, 200), frozenset(("pen_open",)), LESS | NEUTRAL, quiet=True),
    "pen_open_good_electrode": Kind(
        lambda r: _pen_open(r, 0.5, 3.0), frozenset(("pen_open",)) | NEUTRAL, LESS, quiet=True
    ),
    "phase_lost": Kind(_lost, LOST),
    "phase_lost_motor": Kind(lambda r: _lost(r, motor=_motor(r), loads=False), LOST, LESS),
    "phase_lost_motor_and_loads": Kind(lambda r: _lost(r, motor=_motor(r)), LOST, LESS),
    "phase_lost_small_motor": Kind(lambda r: _lost(r, motor=_motor(r, r.uniform(1.0, 4.0))), LOST, LESS),
    "two_phases_lost": Kind(_two_lost, frozenset(("two_phases_lost",))),
    "mv_phase_lost": Kind(
        lambda r: _primary_lost(r, "delta"), frozenset(("mv_phase_lost", "phase_lost_two_stages")), LESS | LOST
    ),
    "mv_phase_lost_motor": Kind(
        lambda r: _primary_lost(r, "delta", motors=1), frozenset(("mv_phase_lost",)) | LOST, LESS
    ),
    "mv_phase_lost_yyn": Kind(
        lambda r: _primary_lost(r, "wye"), frozenset(("mv_phase_lost", "phase_lost_two_stages")) | LOST, LESS
    ),
    "weak_primary_phase": Kind(_weak_primary, frozenset(("supply_unbalance",)), LESS, quiet=True),
    "overvoltage": Kind(lambda r: _level(r, 1.12, 1.2), frozenset(("overvoltage",))),
    "undervoltage": Kind(lambda r: _level(r, 0.75, 0.87), frozenset(("undervoltage",))),
    "tt_earth_fault": Kind(lambda r: _tt_fault(r, (1.0, 5.0)), EARTH, system="TT", quiet=True),
    "tt_solid_fault": Kind(lambda r: _tt_fault(r, (0.0, 0.05)), EARTH, system="TT", quiet=True),
    "it_first_fault": Kind(lambda r: _it(r, fault=True), EARTH, system="IT", quiet=True),
    "pe_open_filters": Kind(_pe_open, EARTH, quiet=True),
    "joints_phase_and_neutral": Kind(_two_joints, NEUTRAL | {"supply_unbalance"}, LESS, quiet=True),
    "bad_phase_joint": Kind(
        _bad_joint, frozenset(("undervoltage", "single_phase_overload", "supply_unbalance")), LESS, quiet=True
    ),
    "neutral_open_and_phase_lost": Kind(_neutral_and_phase, frozenset(("neutral_open",)) | LOST, LESS),
    "neutral_and_earth_open": Kind(_neutral_and_earth, NEUTRAL | {"pen_open"}, LESS | {"earth_displaced"}, quiet=True),
    "split_phase": Kind(_split, frozenset(("normal",)), system="split_phase", nominal_v=120.0),
    "split_phase_neutral_open": Kind(
        lambda r: _split(r, n4=OPEN_OHM), NEUTRAL, LESS, system="split_phase", nominal_v=120.0, quiet=True
    ),
    "split_phase_neutral_weak": Kind(
        lambda r: _split(r, n4=r.uniform(0.5, 3.0)), NEUTRAL, LESS, system="split_phase", nominal_v=120.0, quiet=True
    ),
    "split_phase_leg_lost": Kind(lambda r: _split(r, n2=OPEN_OHM), LOST, LESS, system="split_phase", nominal_v=120.0),
}
