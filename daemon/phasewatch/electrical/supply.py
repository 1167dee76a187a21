"""What a point should see: its nominal voltage, its earthing system, and how finely its meters resolve."""

from dataclasses import dataclass
from math import sqrt
from typing import Final, Literal

System = Literal["TN-S", "TN-C-S", "TT", "IT", "three_wire", "split_phase", "high_leg", "single_phase"]

SQRT3: Final = sqrt(3.0)


@dataclass(frozen=True, slots=True)
class Supply:
    """The supply of a point as configured, with the limits a single look is held against."""

    nominal_v: float = 230.0
    """Phase to neutral, RMS."""
    system: System | None = None
    """Earthing system or winding; None: not stated, and nothing is gated by it."""
    accuracy_percent: float = 0.5
    """Error class of the voltages, percent of reading."""
    low_percent: float = -10.0
    high_percent: float = 10.0
    u2_limit_percent: float = 2.0
    frequency_hz: float = 50.0
    dead_band_v: float = 28.0
    """An L-L register that reads exactly 0 may hide up to this (28.3 V was seen on a real meter)."""

    @property
    def line_v(self) -> float:
        """Nominal line-to-line voltage, V RMS."""
        return SQRT3 * self.nominal_v

    @property
    def sigma_v(self) -> float:
        """Standard deviation of one phase voltage: errors spread evenly over the class."""
        return self.accuracy_percent / 100.0 * self.nominal_v / SQRT3

    @property
    def resolution_v(self) -> float:
        """Smallest neutral-earth phasor that is surely real: 4.3 sigma of one voltage."""
        return 4.3 * self.sigma_v

    @property
    def displacement_floor_v(self) -> float:
        """Smallest displacement of PE that is called one: three times its 99.9 % noise floor, and 5 V."""
        return max(5.0 * self.nominal_v / 230.0, 10.8 * self.sigma_v)

    @property
    def direction_floor_v(self) -> float:
        """Below this no phase is named: 5 V in class 0.5, 10 V in class 1."""
        return 7.5 * self.sigma_v


COMMON_V: Final = (100.0, 110.0, 115.0, 120.0, 127.0, 200.0, 220.0, 230.0, 240.0, 254.0, 277.0, 347.0, 400.0)
"""Nominal phase-to-neutral voltages in use."""


def likelier_nominal_v(phases_v: tuple[float, float, float], nominal_v: float) -> float | None:
    """Return the common nominal voltage that all phases fit when they are far from the one configured; None if none."""
    mean_v = sum(phases_v) / 3.0
    if abs(mean_v / nominal_v - 1.0) < 0.25 or max(phases_v) - min(phases_v) > 0.1 * mean_v:
        return None
    nearest_v = min(COMMON_V, key=lambda common_v: abs(common_v - mean_v))
    return nearest_v if abs(mean_v / nearest_v - 1.0) < 0.1 else None
