"""How far N moves with the load: the impedance of the neutral, without a look at one voltage alone.

The currents I_1..3 flow back through the neutral and lift N toward the phase that carries more, while the drop along
the lines moves the corners the other way, so that

    n = (Z_N + Z_ph/3) * (I_1 u_1 + I_2 u_2 + I_3 u_3),    u_i the healthy direction of phase i

A line through (load, n) therefore has the slope Z_N + Z_ph/3 whatever constant error the meter adds to n, whatever the
supply voltage does, and whichever phases carry steps: a phase without any adds nothing and spoils nothing. |n| against
the neutral current is not so forgiving: a class 0.5 meter alone puts N 1 V off, in a direction that the load is not in.
Power factors away from 1 turn the currents and make the slope a lower bound.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Final, NamedTuple

from phasewatch.meters.quantities import CURRENT_N, CURRENTS

LEAST_SAMPLES: Final = 8
LEAST_SPREAD_A: Final = 1.0
"""RMS of the load about its mean, below which nothing can be learned from it: about one step of 2 A."""
TOWARD: Final = (1 + 0j, complex(-0.5, -sqrt(0.75)), complex(-0.5, sqrt(0.75)))
"""Healthy directions of the phases."""
_POWERS: Final = ("active_power_l1", "active_power_l2", "active_power_l3")


def phase_load(values: Mapping[str, float]) -> complex | None:
    """Return the phasor sum of the phase currents at power factor 1, A; None if one is missing.

    A current whose active power is negative is fed back: it counts against its direction.
    """
    total = 0j
    for current, power, toward in zip(CURRENTS, _POWERS, TOWARD, strict=True):
        current_a = values.get(current)
        if current_a is None:
            return None
        total += toward * (-current_a if values.get(power, 0.0) < 0.0 else current_a)
    return total


def sample(values: Mapping[str, float], neutral: complex) -> tuple[complex, complex] | None:
    """Return (load, shift) to put a line through; None without currents.

    Without all phase currents the direction of the load is unknown: then |n| against the neutral current.
    """
    load = phase_load(values)
    if load is not None:
        return load, neutral
    current_a = values.get(CURRENT_N)
    return None if current_a is None else (complex(current_a), complex(abs(neutral)))


class Slope(NamedTuple):
    """What one block says."""

    ohm: float
    """The resistive part of shift over load."""
    weight: float
    """Mean square of the load about its mean, A^2: the more it varied, the better it is known."""


class SlopeBlock:
    """Running sums of one block of samples; its slope is a complex least-squares line with an intercept."""

    __slots__ = ("_load", "_product", "_shift", "_square", "count")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.count = 0
        self._load = self._shift = self._product = 0j
        self._square = 0.0

    def add(self, load: complex, shift: complex) -> None:
        """Take one sample: load in A, shift in V."""
        self.count += 1
        self._load += load
        self._shift += shift
        self._product += load.conjugate() * shift
        self._square += load.real * load.real + load.imag * load.imag

    def slope(self) -> Slope | None:
        """Return the slope; None if the load varied too little to say."""
        if self.count < LEAST_SAMPLES:
            return None
        spread = self._square - abs(self._load) ** 2 / self.count
        if spread < self.count * LEAST_SPREAD_A**2:
            return None
        ohm = (self._product - self._load.conjugate() * self._shift / self.count).real / spread
        return Slope(ohm, spread / self.count)
