"""How far N moves with the load: the impedance of the neutral, without a look at one voltage alone.

The currents I_1..3 flow back through the neutral and lift N toward the phase that carries more, while the drop along
the lines moves the corners the other way, so that

    n = (Z_N + Z_ph/3) * (I_1 u_1 + I_2 u_2 + I_3 u_3),    u_i the healthy direction of phase i

A line through (load, n) therefore has the slope Z_N + Z_ph/3 whatever constant error the meter adds to n, whatever the
supply voltage does, and whichever phases carry steps: a phase without any adds nothing and spoils nothing. |n| against
the neutral current is not so forgiving: a class 0.5 meter alone puts N 1 V off, in a direction that the load is not in.
Power factors away from 1 turn the currents and make the slope a lower bound.

Whether a slowly measured value has left what was usual: a learned baseline and a cumulative sum.

One block says more of a busy hour than of a quiet night. So what is learned and summed are medians of as many blocks as
it takes for a given variation of the load, weighted by it: all equally well known. With independent values, k = 0.5
sigma and h = 8 give one false alarm in 18951 and notice a shift of one sigma after 16, of two after 6 (run lengths by a
Markov chain). Real loads are not independent: by day the power factor moves the slope, over the year the temperature
moves the copper. Sigma is therefore never taken for less than a quarter of the baseline, so that lasting drift of an
eighth adds up to nothing.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import median
from typing import Any, Final, NamedTuple

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
        """Begin again."""
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


SLACK: Final = 0.5
"""k, in sigma: what may last without adding up."""
ALARM: Final = 8.0
"""h, in sigma."""
CLIP: Final = 4.0
"""One median counts for no more than this many sigma: an alarm takes several."""
LEAST_SHARE: Final = 0.25
"""Sigma is at least this share of the baseline."""
LEAST_OHM: Final = 0.005
"""Sigma is at least this: less is not resolved."""
LEAST_BLOCKS: Final = 6
"""Blocks whose median is one value, at least."""
ENOUGH: Final = 60.0
"""Variation of the load, summed over the blocks of one value, A^2."""
MOST_BLOCKS: Final = 144
"""Blocks of one value, at most."""
LEAST_LEARNED: Final = 24
"""Values without which there is no baseline, however long was learned."""
MOST_LEARNED: Final = 256
"""Values kept while learning; beyond, every second one is dropped."""


class Drift:
    """The baseline and the sum of one value, ohm."""

    def __init__(self, learning_blocks: int) -> None:
        self.baseline_ohm: float | None = None
        """None: still learning."""
        self.sigma_ohm = 0.0
        self.sum = 0.0
        """Cumulative sum, in sigma; 0 to 2 h."""
        self.present_ohm: float | None = None
        """The last value; None before the first."""
        self._slopes: list[Slope] = []
        self._weight = 0.0
        self._learning_blocks = learning_blocks
        self._blocks = 0
        self._learned: list[float] = []
        self._stride = 1
        self._skipped = 0

    def learn(self, slope: Slope | None) -> None:
        """Take one block of valid data, with its slope if the load varied enough for one."""
        if slope is not None:
            self._slopes.append(slope)
            self._weight += slope.weight
        count = len(self._slopes)
        if (count >= LEAST_BLOCKS and self._weight >= ENOUGH) or count == MOST_BLOCKS:
            self.present_ohm = weighted_median(self._slopes)
            self._slopes.clear()
            self._weight = 0.0
            self._take(self.present_ohm)
        if self.baseline_ohm is None:
            self._blocks += 1
            if self._blocks >= self._learning_blocks and len(self._learned) >= LEAST_LEARNED:
                self._conclude()

    def _take(self, value_ohm: float) -> None:
        if self.baseline_ohm is None:
            self._keep(value_ohm)
            return
        beyond = (value_ohm - self.baseline_ohm) / self.sigma_ohm
        self.sum = min(max(0.0, self.sum + min(max(beyond, -CLIP), CLIP) - SLACK), 2.0 * ALARM)

    def _keep(self, value_ohm: float) -> None:
        self._skipped += 1
        if self._skipped < self._stride:
            return
        self._skipped = 0
        self._learned.append(value_ohm)
        if len(self._learned) == MOST_LEARNED:
            del self._learned[::2]
            self._stride *= 2

    def _conclude(self) -> None:
        baseline_ohm = max(0.0, median(self._learned))
        spread_ohm = 1.4826 * median(abs(one - baseline_ohm) for one in self._learned)
        self.baseline_ohm = baseline_ohm
        self.sigma_ohm = max(spread_ohm, LEAST_SHARE * baseline_ohm, LEAST_OHM)
        self._learned.clear()

    def state(self) -> dict[str, Any]:
        """Return what a restart needs, as JSON can hold it: up to 2 KB while learning, 0.2 KB after."""
        return {
            "baseline_ohm": self.baseline_ohm,
            "sigma_ohm": self.sigma_ohm,
            "sum": round(self.sum, 3),
            "present_ohm": self.present_ohm,
            "slopes": [(round(one.ohm, 4), round(one.weight, 1)) for one in self._slopes],
            "blocks": self._blocks,
            "learned": [round(one, 4) for one in self._learned],
            "stride": self._stride,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.baseline_ohm, self.sigma_ohm, self.sum = state["baseline_ohm"], state["sigma_ohm"], state["sum"]
        self.present_ohm, self._slopes = state["present_ohm"], [Slope(*one) for one in state["slopes"]]
        self._weight = sum(one.weight for one in self._slopes)
        self._blocks, self._learned, self._stride = state["blocks"], list(state["learned"]), state["stride"]


def weighted_median(slopes: Sequence[Slope]) -> float:
    """Return the slope that half of the weight lies below, ohm."""
    half, below = sum(one.weight for one in slopes) / 2.0, 0.0
    for one in sorted(slopes):
        below += one.weight
        if below >= half:
            return one.ohm
    raise ValueError("no slopes")
