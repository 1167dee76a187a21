"""What delivery counts in one run, for the metrics."""

from bisect import bisect_left
from collections.abc import Iterable

from phasewatch.adapters.journal.types import LATENCY_BOUNDS_S, Latency


class Tally:
    """Counts that only grow."""

    def __init__(self) -> None:
        self.connects = 0
        self.delivered = 0
        self._buckets = [0] * len(LATENCY_BOUNDS_S)
        self._sum_s = 0.0

    def acknowledged(self, latencies_s: Iterable[float]) -> None:
        """Count rows that a broker acknowledged, each by its time since the commit."""
        for latency_s in latencies_s:
            self.delivered += 1
            self._sum_s += latency_s
            self._buckets[bisect_left(LATENCY_BOUNDS_S, latency_s)] += 1

    def latency(self) -> Latency:
        """Return the histogram so far."""
        return Latency(tuple(self._buckets), round(self._sum_s, 6))
