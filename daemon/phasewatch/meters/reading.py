"""What one meter said in one poll, and when."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple


class Moment(NamedTuple):
    """A moment by the wall clock, for people and messages, and by the monotonic clock, for every duration."""

    at: datetime
    """Aware UTC."""
    monotonic_s: float


@dataclass(frozen=True, slots=True)
class Reading:
    """The quantities of one meter (or, joined, of one point) at one moment."""

    source: str
    """Name of the meter, or of the point once joined."""
    at: datetime
    """Wall clock, aware UTC: for people and messages only."""
    monotonic_s: float
    """Monotonic clock: for every duration."""
    values: dict[str, float]
    """Quantity -> finite value in its unit. What is missing is not in here."""
    missing: dict[str, str] = field(default_factory=dict)
    """Quantity -> why it was asked for and is not there."""

    @property
    def moment(self) -> Moment:
        """When that was, by both clocks."""
        return Moment(self.at, self.monotonic_s)
