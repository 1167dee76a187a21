"""A simulated meter: what its terminals are on, how well it measures, and the words in its registers."""

import math
import random
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Literal

from phasewatch.meters.profile import Profile, Register
from phasewatch.meters.quantities import CURRENT_N, CURRENTS, FREQUENCY, LN, LPE, NPE, PHASES
from phasewatch.simulator.feeder import Potentials, magnitudes

Wiring = Literal["three_phase", "neutral_on_pe", "n_pe", "l1", "l2", "l3"]

INPUTS: Final = (*LN, *LPE, NPE, *CURRENTS, CURRENT_N, "residual_current")
"""Inputs with an amplifier of their own; what a meter works out from several inherits their errors."""

EXPONENTS: Final = range(-3, 7)
"""Powers of ten that a meter with exponent registers uses."""


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter of one model at the board."""

    profile: Profile
    wiring: Wiring = "three_phase"
    gains: Mapping[str, float] = field(default_factory=dict)
    """Input (see INPUTS) -> its fixed gain; 1 where none is given."""
    start_v: float = 0.23
    """Below this a voltage reads 0."""
    start_a: float = 0.02
    """Below this a current reads 0."""
    frequency_start_v: float = 20.0
    """With no phase voltage above this the frequency reads 0."""

    def readings(self, board: Potentials) -> dict[str, float]:
        """Return what the meter measures, under the names that its own registers have."""
        return _with_dead_band(self, WIRINGS[self.wiring](board, self.gains))

    def words(self, board: Potentials, function_code: int | None = None) -> dict[int, int]:
        """Return the words of its registers; see `registers`."""
        return registers(self.profile, self.readings(board), function_code)


def drawn_gains(profile: Profile, chance: random.Random, accuracy_percent: float = 0.5) -> dict[str, float]:
    """Draw the gain of every input within the profile's class, or within the one given if it states none."""
    spread = (profile.accuracy_percent or accuracy_percent) / 100
    return {name: 1 + chance.uniform(-spread, spread) for name in INPUTS}


def _three_phase(board: Potentials, gains: Mapping[str, float]) -> dict[str, float]:
    """Measure all terminals; line voltages and powers come from the same samples as the phase voltages."""
    phases = {
        phase: board.n + gains.get(name, 1.0) * (getattr(board, phase) - board.n)
        for phase, name in zip(PHASES, LN, strict=True)
    }
    currents = {name: gains.get(name, 1.0) * getattr(board, name) for name in (*CURRENTS, CURRENT_N)}
    apart = magnitudes(board)
    return {
        **magnitudes(replace(board, **phases, **currents)),
        **{name: gains.get(name, 1.0) * apart[name] for name in (*LPE, NPE, "residual_current")},
    }


def _neutral_on_pe(board: Potentials, gains: Mapping[str, float]) -> dict[str, float]:
    """Measure against PE at the neutral terminal; a fourth voltage input, where there is one, is on N."""
    values = _three_phase(replace(board, n=board.pe), gains)
    return {**values, NPE: gains.get(NPE, 1.0) * abs(board.n - board.pe)}


def _n_pe(board: Potentials, gains: Mapping[str, float]) -> dict[str, float]:
    """Measure N against PE, whether the register is called so or is that of a first phase."""
    between_v = abs(board.n - board.pe)
    return {
        NPE: gains.get(NPE, 1.0) * between_v,
        LN[0]: gains.get(LN[0], 1.0) * between_v,
        FREQUENCY: board.frequency_hz,
    }


def _single_phase(phase: str, board: Potentials, gains: Mapping[str, float]) -> dict[str, float]:
    """Measure one phase with the first input of each kind."""
    there = {"l1": getattr(board, phase), "current_l1": getattr(board, f"current_{phase}")}
    values = _three_phase(replace(board, **there), gains)
    power_w = values["active_power_l1"]
    kept = (LN[0], LPE[0], NPE, CURRENTS[0], "residual_current", FREQUENCY, "active_power_l1", "thd_voltage_l1")
    return {**{name: values[name] for name in kept}, "active_power_total": power_w}


WIRINGS: Final[Mapping[Wiring, Callable[[Potentials, Mapping[str, float]], dict[str, float]]]] = {
    "three_phase": _three_phase,
    "neutral_on_pe": _neutral_on_pe,
    "n_pe": _n_pe,
    "l1": partial(_single_phase, "l1"),
    "l2": partial(_single_phase, "l2"),
    "l3": partial(_single_phase, "l3"),
}


def _with_dead_band(meter: Meter, values: dict[str, float]) -> dict[str, float]:
    alive = any(values.get(name, 0.0) >= meter.frequency_start_v for name in LN)
    starts = {"voltage": meter.start_v, "current": meter.start_a, "residual": meter.start_a}
    starts["frequency"] = 0.0 if alive else math.inf
    return {name: 0.0 if abs(value) < starts.get(name.split("_")[0], 0.0) else value for name, value in values.items()}


def registers(profile: Profile, values: Mapping[str, float], function_code: int | None = None) -> dict[int, int]:
    """Return address -> word for the registers that a function code reads (None: the profile's).

    A quantity without a value stands as the register's "not available" number, or 0 if it has none. A value
    out of range stands as the largest or smallest number that is not "not available".
    """
    code = function_code or profile.function_code
    chosen = {name: r for name, r in profile.registers.items() if (r.function_code or profile.function_code) == code}
    words: dict[int, int] = {}
    for place, exponent in (exponents := dict(_exponents(chosen, values))).items():
        words[place] = exponent & 0xFFFF
    for name, register in chosen.items():
        exponent = 0 if register.exponent_at is None else exponents[register.exponent_at]
        raw = _raw(register, values.get(name), exponent)
        order = register.word_order or profile.word_order
        words.update(enumerate(_words(register.type, raw, order), start=register.address))
    return words


def _exponents(chosen: Mapping[str, Register], values: Mapping[str, float]) -> Iterator[tuple[int, int]]:
    """Yield the finest exponent that holds all values which share it."""
    for place in {register.exponent_at for register in chosen.values() if register.exponent_at is not None}:
        sharing = [
            (r, abs(values[name] / r.scale)) for name, r in chosen.items() if r.exponent_at == place and name in values
        ]
        fitting = (e for e in EXPONENTS if all(size / 10.0**e <= _largest(r) for r, size in sharing))
        yield place, next(fitting, EXPONENTS[-1]) if sharing else 0


INTEGERS: Final = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q"}
FLOATS: Final = {"f32": "f", "f64": "d"}


def _range(register: Register) -> tuple[int, int]:
    bits = 16 * register.words
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if register.type[0] == "i" else (0, (1 << bits) - 1)


def _largest(register: Register) -> float:
    return 1.0 if register.type in FLOATS else _range(register)[1]


def _raw(register: Register, value: float | None, exponent: int) -> int | float:
    if value is None or math.isnan(value):
        return register.unavailable[0] if register.unavailable else 0
    raw = value / register.scale / 10.0**exponent
    return _fitting_float(register, raw) if register.type in FLOATS else _fitting_integer(register, raw)


def _fitting_float(register: Register, raw: float) -> float:
    largest = 3.4028234663852886e38 if register.type == "f32" else 1.7976931348623157e308
    return min(max(raw, -largest), largest)


def _fitting_integer(register: Register, raw: float) -> int:
    lowest, highest = _range(register)
    number = round(min(max(raw, lowest), highest))
    forbidden = {_unsigned(register, marker) for marker in register.unavailable if math.isfinite(marker)}
    inward = 1 if number < (lowest + highest) / 2 else -1
    while _unsigned(register, number) in forbidden:
        number += inward
    return number


def _unsigned(register: Register, number: float) -> int:
    return int(number) & ((1 << 16 * register.words) - 1)


def _words(kind: str, raw: float, order: str) -> tuple[int, ...]:
    """Return the words of a raw number in their order in the registers."""
    if kind in FLOATS:
        packed = struct.pack(f">{FLOATS[kind]}", raw)
    else:
        size = struct.calcsize(INTEGERS[kind])
        packed = (int(raw) & ((1 << 8 * size) - 1)).to_bytes(size, "big")
    words = struct.unpack(f">{len(packed) // 2}H", packed)
    return words if order == "big" else words[::-1]
