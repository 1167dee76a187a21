"""Judges by plausible voltages whether words were read with the right profile.

The ways in which a right profile reads a meter wrongly, each as a profile that reads it rightly.

Tells by its readings that two meters answer in turn where one was asked.

Finds leads that are swapped between two meters of one point.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, permutations, product
from math import log, sqrt
from typing import Final, cast

from phasewatch.electrical.supply import COMMON_V
from phasewatch.meters.measuring_point import Member, translation
from phasewatch.meters.profile import Block, FunctionCode, Profile, Register, WordOrder
from phasewatch.meters.quantities import FREQUENCY, LL, LN, LPE, PHASES

NOMINALS_V: Final = tuple(common_v for common_v in COMMON_V if common_v < 400.0)
"""Nominal voltages that a phase may have; 400 V is likelier a line voltage in the wrong register."""

NEAR: Final = (0.8, 1.2)
"""Shares of nominal between which the voltages of a supply in use lie."""

PLAUSIBLE_HZ: Final = (45.0, 65.0)

MANY_V: Final = 1e6
"""Nominal voltage with which to decode what is yet to be judged."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How well values fit the supply that a meter is usually on."""

    nominal_v: float
    """The common nominal voltage that the phase voltages fit."""
    fits: int
    """Voltages and frequency that fit."""
    others: int
    """Other quantities that are there and not 0."""
    values: Mapping[str, float]
    """The voltages and the frequency that fit."""


def likeness(profile: Profile, values: Mapping[str, float], nominal_v: float | None = None) -> Likeness | None:
    """Return how well values fit what the profile says it reads; None where they are not plausible.

    Every phase-to-neutral register of the profile must be plausible, and the frequency if the profile has it.
    `nominal_v` None: of the common ones the nearest.
    """
    phases = [name for name in LN if name in profile.registers]
    read_v = [values.get(name, 0.0) for name in phases]
    nominal_v = nearest_nominal_v(read_v) if nominal_v is None else nominal_v
    if nominal_v is None or not read_v or not all(_near(value, nominal_v) for value in read_v):
        return None
    if FREQUENCY in profile.registers and not _between(values.get(FREQUENCY), PLAUSIBLE_HZ):
        return None
    lines = [name for name in LL if _near(values.get(name, 0.0), sqrt(3.0) * nominal_v)]
    fitting = [*phases, *lines, *([FREQUENCY] if FREQUENCY in profile.registers else [])]
    others = sum(1 for name, value in values.items() if value and name not in fitting)
    return Likeness(nominal_v, len(fitting), others, {name: values[name] for name in fitting})


def nearest_nominal_v(voltages: Iterable[float]) -> float | None:
    """Return the common nominal voltage nearest to the mean of the voltages; None if they are none, or not positive."""
    known = list(voltages)
    if not known or min(known) <= 0.0:
        return None
    mean_v = sum(known) / len(known)
    return min(NOMINALS_V, key=lambda nominal_v: abs(log(mean_v / nominal_v)))


def ranked(found: Mapping[str, Likeness]) -> list[tuple[str, Likeness]]:
    """Return profile ids with their likeness, the best first."""
    return sorted(found.items(), key=lambda item: (-item[1].fits, -item[1].others, item[0]))


def _near(value: float, nominal_v: float) -> bool:
    return _between(value / nominal_v, NEAR)


def _between(value: float | None, limits: tuple[float, float]) -> bool:
    return value is not None and limits[0] <= value <= limits[1]


@dataclass(frozen=True, slots=True)
class Misreading:
    """What has to change in a profile."""

    swapped: bool = False
    """The other word first."""
    offset: int = 0
    """Words to add to every address."""
    other_function: bool = False
    """Function 3 for 4, or 4 for 3."""

    @property
    def changes(self) -> int:
        """How many things are wrong at once."""
        return sum((self.swapped, self.offset != 0, self.other_function))


MISREADINGS: Final = tuple(
    sorted(
        (Misreading(*one) for one in product((False, True), (0, -1, 1), (False, True)) if Misreading(*one).changes),
        key=lambda one: one.changes,
    )
)
"""The simplest first."""


def misreadings(profile: Profile) -> Iterator[tuple[Misreading, Profile]]:
    """Yield each misreading that can be with the profile that corrects it."""
    if profile.sunspec is not None:
        return  # a model that was found says itself how it is read
    for one in MISREADINGS:
        mended = _mended(profile, one)
        if mended is not None:
            yield one, mended


def _mended(profile: Profile, one: Misreading) -> Profile | None:
    """Return the profile changed; None where an address would leave the range, or no value has two words."""
    registers = profile.registers.values()
    lowest = min(register.address for register in registers) + one.offset
    highest = max(register.address + register.words for register in registers) + one.offset
    if lowest < 0 or highest > 0x10000 or (one.swapped and all(register.words == 1 for register in registers)):
        return None
    changes: dict[str, object] = {
        "registers": {name: _register(register, one) for name, register in profile.registers.items()},
        "function_code": _function(profile.function_code, one),
        "word_order": _order(profile.word_order, one),
        "blocks": _moved(profile.blocks, one.offset),
        "holes": _moved(profile.holes, one.offset),
    }
    if one.offset % profile.align_words:
        changes["align_words"] = 1
    return profile.model_copy(update=changes)


def _register(register: Register, one: Misreading) -> Register:
    at = register.exponent_at
    changes = {
        "address": register.address + one.offset,
        "function_code": register.function_code and _function(register.function_code, one),
        "word_order": register.word_order and _order(register.word_order, one),
        "exponent_at": None if at is None else max(at + one.offset, 0),
    }
    return register.model_copy(update=changes)


def _function(code: FunctionCode, one: Misreading) -> FunctionCode:
    return cast("FunctionCode", 7 - code) if one.other_function else code


def _order(order: WordOrder, one: Misreading) -> WordOrder:
    if not one.swapped:
        return order
    return "little" if order == "big" else "big"


def _moved(blocks: tuple[Block, ...], offset: int) -> tuple[Block, ...]:
    moved = (block.model_copy(update={"address": block.address + offset}) for block in blocks)
    return tuple(block for block in moved if block.address >= 0)


TURN_READINGS: Final = 8
"""Readings that are needed."""
TURNS: Final = 4
"""Changes from one meter to the other; a load that is switched makes one or two meanwhile."""
TURN_CLEARER: Final = 10.0
"""The two must differ so many times more than each changes by itself."""


def alternates(readings: Sequence[Mapping[str, float]], names: Sequence[str], least_v: float) -> bool:
    """Return whether some voltage goes to and fro between two values that are at least `least_v` apart."""
    return any(_two_valued([one[name] for one in readings if name in one], least_v) for name in names)


def _two_valued(values: Sequence[float], least_v: float) -> bool:
    if len(values) < TURN_READINGS:
        return False
    ordered = sorted(values)
    gap_v, middle_v = max((high - low, (high + low) / 2.0) for low, high in pairwise(ordered))
    low, high = ([value for value in ordered if (value > middle_v) == above] for above in (False, True))
    spread_v = max(low[-1] - low[0], high[-1] - high[0]) if low and high else gap_v
    turns = sum((before > middle_v) != (after > middle_v) for before, after in pairwise(values))
    return gap_v >= least_v and gap_v >= TURN_CLEARER * spread_v and turns >= TURNS


SHARED_VOLTAGES: Final = 3
"""Voltages that both meters must see."""
ORDER_CLEARER: Final = 3.0
"""The right order must fit this many times better."""


def at_point(member: Member, values: Mapping[str, float]) -> dict[str, float]:
    """Return what a meter says in the names of its point."""
    table = translation(member)
    return {table[name][0]: value * table[name][1] for name, value in values.items() if name in table}


def swapped_phases(
    first: Mapping[str, float], member: Member, values: Mapping[str, float], step_v: float
) -> tuple[str, str, str] | None:
    """Return the `phases` with which a second meter agrees with the first; None where it agrees, or none fits.

    `first` is what the first meter says in the names of the point; below `step_v` two voltages are equal.
    """
    orders = [(a, b, c) for a, b, c in permutations(PHASES)]
    apart_v = {phases: _apart_v(first, replace(member, phases=phases), values) for phases in orders}
    now_v = apart_v[member.phases]
    best = min(apart_v, key=lambda phases: (apart_v[phases] or 0.0, phases))
    best_v = apart_v[best]
    if now_v is None or best_v is None or now_v <= step_v or best_v > step_v or now_v < ORDER_CLEARER * best_v:
        return None
    return best


def _apart_v(first: Mapping[str, float], member: Member, values: Mapping[str, float]) -> float | None:
    """Return the largest difference between two meters, phase to phase by the root of 3; None: too little in common.

    Meters are wrong in proportion, and by more volts where there are more.
    """
    second = at_point(member, values)
    both = [name for name in (*LN, *LL, *LPE) if name in first and name in second]
    if len(both) < SHARED_VOLTAGES:
        return None
    return max(abs(first[name] - second[name]) / (sqrt(3.0) if name in LL else 1.0) for name in both)
