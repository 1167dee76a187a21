"""How much a dip or swell matters: what equipment is built to ride through, and how often it happens.

Source: ITI (CBEMA) curve 2000; SEMI F47. Counts begin anew with each start of the daemon.
"""

from collections import deque
from typing import Final

from phasewatch.electrical.severity import Severity

Curve = tuple[tuple[float, float], ...]
"""(percent of nominal, tolerated seconds), the most severe first."""

DIP: Final[Curve] = ((70.0, 0.02), (80.0, 0.5), (90.0, 10.0))
"""Below this share of nominal, equipment rides through this long (ITIC)."""
DIP_INDUSTRY: Final[Curve] = ((50.0, 0.0), (70.0, 0.2), (80.0, 0.5), (90.0, 1.0))
"""The same by SEMI F47."""
SWELL: Final[Curve] = ((140.0, 0.0), (120.0, 0.003), (110.0, 0.5))
"""Above this share of nominal, equipment rides through this long (ITIC)."""

DAY_S: Final = 86_400.0
WEEK_S: Final = 7.0 * DAY_S
MANY_A_DAY: Final = 10
MANY_A_WEEK: Final = 5


def outside_dip(percent: float, lasted_s: float, curve: Curve = DIP) -> bool:
    """Return whether a dip to this share of nominal has lasted longer than a curve tolerates."""
    return next((lasted_s > longest_s for below, longest_s in curve if percent < below), False)


def outside_swell(percent: float, lasted_s: float) -> bool:
    """Return whether a swell to this share of nominal has lasted longer than equipment tolerates."""
    return next((lasted_s > longest_s for above, longest_s in SWELL if percent > above), False)


class Tally:
    """The events of the last week at one point."""

    def __init__(self) -> None:
        self._begun: deque[float] = deque(maxlen=MANY_A_WEEK + 1)
        self._outside: deque[float] = deque(maxlen=MANY_A_DAY + 1)

    def begin(self, at_s: float) -> None:
        """Count an event."""
        self._begun.append(at_s)

    def went_outside(self, at_s: float) -> None:
        """Count an event, once, that equipment need not ride through."""
        self._outside.append(at_s)

    def severity(self, at_s: float, outside: bool, harmful: bool) -> Severity:
        """Return how urgent an event is: one alone that equipment rides through asks nothing of anybody.

        `outside`: beyond any curve; `harmful`: beyond that of ITIC.
        """
        if outside and sum(at_s - one < DAY_S for one in self._outside) > MANY_A_DAY:
            return "critical"
        if harmful:
            return "high"
        return "medium" if sum(at_s - one < WEEK_S for one in self._begun) > MANY_A_WEEK else "low"
