"""Whether a slowly measured value has left what was usual: a learned baseline and a cumulative sum.

One block says more of a busy hour than of a quiet night. So what is learned and summed are medians of as many blocks as
it takes for a given variation of the load, weighted by it: all equally well known. With independent values, k = 0.5
sigma and h = 8 give one false alarm in 18951 and notice a shift of one sigma after 16, of two after 6 (run lengths by a
Markov chain). Real loads are not independent: by day the power factor moves the slope, over the year the temperature
moves the copper. Sigma is therefore never taken for less than a quarter of the baseline, so that lasting drift of an
eighth adds up to nothing.
"""

from collections.abc import Sequence
from statistics import median
from typing import Any, Final

from phasewatch.electrical.neutral import Slope

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
