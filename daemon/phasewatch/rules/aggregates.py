"""The 10-minute mean: RMS over a block aligned to the clock.

Source: IEC 61000-4-30 (10-minute aggregation is aligned to the clock). Deviation: aggregated from polls, not from
contiguous 10/12-cycle values, so it is not a class A or S measurement.

The sliding reference of dips and swells: what the voltage was before the event.

Source: IEC 61000-4-30 §5.4 (first-order low-pass with a time constant of 1 min). Deviation: fed with polls, not with
contiguous 10/12-cycle values.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from math import exp, sqrt
from typing import Final

from phasewatch.meters.reading import Reading
from phasewatch.rules.rule import LivePhase

BLOCK_S: Final = 600
COVERAGE: Final = 0.9
"""Share of a block that valid samples must cover before there is a mean."""
LONGEST_GAP_S: Final = 10.0
"""A sample speaks for the time since the one before it, up to this."""
_BLOCK: Final = timedelta(seconds=BLOCK_S)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class TenMinutes:
    """The running block and the mean of the last complete one, of one quantity."""

    def __init__(self, quantity: str) -> None:
        self._quantity = quantity
        self._block = -1
        self._begin = self._end = _NEVER
        self._last_s: float | None = None
        self._weighted = self._covered_s = 0.0
        self.mean: float | None = None
        """Mean of the last finished block; None until one was covered, and after one that was not."""

    def add(self, reading: Reading, valid: bool = True) -> float | None:
        """Add a sample (or its absence) and return the mean in force; one that is not valid is as good as absent."""
        if not self._begin <= reading.at < self._end:
            self._enter(reading.at)
        value = reading.values.get(self._quantity) if valid else None
        if value is None:
            self._last_s = None
            return self.mean
        if self._last_s is not None:
            weight_s = min(reading.monotonic_s - self._last_s, LONGEST_GAP_S)
            self._weighted += weight_s * value * value
            self._covered_s += weight_s
        self._last_s = reading.monotonic_s
        return self.mean

    def _enter(self, at: datetime) -> None:
        block = int(at.timestamp()) // BLOCK_S
        self._finish(follows=block == self._block + 1)
        self._block, self._begin = block, _EPOCH + block * _BLOCK
        self._end = self._begin + _BLOCK

    def _finish(self, follows: bool) -> None:
        covered = follows and self._covered_s >= COVERAGE * BLOCK_S
        self.mean = sqrt(self._weighted / self._covered_s) if covered else None
        self._weighted = self._covered_s = 0.0


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
