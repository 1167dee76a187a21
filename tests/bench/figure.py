"""What a measurement gives: figures with their spread, their goal and their unit."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    bench: str
    what: str
    unit: str
    value: float
    """Median of the samples, unless `what` names another quantile."""
    low: float | None = None
    high: float | None = None
    """Least and greatest sample; None where there is but one."""
    samples: int = 1
    goal: float | None = None
    """At most this; None: only to be known."""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        return None if self.goal is None else self.value <= self.goal


def spread(bench: str, what: str, unit: str, samples: Sequence[float], goal: float | None = None) -> Figure:
    """Return the median of samples with their least and greatest."""
    return Figure(bench, what, unit, median(samples), min(samples), max(samples), len(samples), goal)


def quantile(samples: Sequence[float], share: float) -> float:
    """Return the sample that this share of the samples does not exceed."""
    ordered = sorted(samples)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def say(text: str) -> None:
    """Show progress."""
    print(text, file=sys.stderr, flush=True)
