"""The sliding reference of dips and swells: what the voltage was before the event.

Source: IEC 61000-4-30 §5.4 (first-order low-pass with a time constant of 1 min). Deviation: fed with polls, not with
contiguous 10/12-cycle values.
"""

from collections.abc import Iterable
from math import exp
from typing import Final

from phasewatch.rules.live_phases import LivePhase

TIME_CONSTANT_S: Final = 60.0


class SlidingReference:
    """One reference a phase; begins at nominal."""

    def __init__(self) -> None:
        self._volts: dict[str, float] = {}
        self._at_s: float | None = None

    def of(self, phase: LivePhase) -> float:
        """Return the reference of a phase in volts."""
        return self._volts.get(phase.slug, phase.nominal_v)

    def follow(self, phases: Iterable[LivePhase], at_s: float, frozen: bool) -> None:
        """Take the next values; a frozen reference lets the time pass and stays."""
        elapsed_s, self._at_s = 0.0 if self._at_s is None else at_s - self._at_s, at_s
        if frozen:
            return
        share = 1.0 - exp(-elapsed_s / TIME_CONSTANT_S)
        for phase in phases:
            if phase.value_v is not None:
                before_v = self.of(phase)
                self._volts[phase.slug] = before_v + share * (phase.value_v - before_v)
