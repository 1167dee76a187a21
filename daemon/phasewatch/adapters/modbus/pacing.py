"""When a bus may be used again: gaps between requests, and quiet after one that failed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

LEAST_QUIET_S: Final = 0.3
"""Quiet after a failed request on a serial line, at least: late replies end in it."""
SETTLED_S: Final = 0.03
"""Silence that shows, after trouble, that no reply is on its way: USB adapters deliver in batches of 16 ms."""
FIRST_RETRY_S: Final = 0.1
LAST_RETRY_S: Final = 2.0
"""Pause after a connection that failed: doubles from the first to the last."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a bus may be asked."""

    timeout_s: float
    """For connecting, and for the meter's thinking: time on a serial line comes on top."""
    gap_s: float = 0.0
    """Silence before each request; on a serial line at least 3.5 characters."""
    unit_gap_s: float = 0.0
    """Silence before a request to another unit than the last one."""
    gaps_s: Mapping[int, float] = field(default_factory=dict)
    """Unit id -> silence that this meter needs before a request to it."""

    @property
    def quiet_s(self) -> float:
        """Quiet after a failed request on a serial line."""
        return max(self.timeout_s, LEAST_QUIET_S)


class Timing:
    """Knows when the next request may go out. Times are of one monotonic clock, in seconds."""

    def __init__(self, pace: Pace, silence_s: float) -> None:
        """Keep a pace; `silence_s` is what the line needs between frames, 0 where there is no serial line."""
        self._pace, self._silence_s = pace, silence_s
        self._last_unit_id: int | None = None
        self._ended_at: float | None = None
        self._quiet_until = 0.0
        self._trouble = False

    def ended(self, unit_id: int, at: float, *, fits: bool) -> None:
        """Note the end of a request; without an answer that fits, a serial line stays quiet for late ones."""
        self._last_unit_id, self._ended_at = unit_id, at
        self._trouble = not fits and self._silence_s > 0
        if self._trouble:
            self._quiet_until = at + self._pace.quiet_s

    def ready_at(self, unit_id: int, heard_at: float | None) -> float:
        """Return when a request to a unit may go out, given when bytes last came in; 0 = at once."""
        busy = [at for at in (self._ended_at, heard_at) if at is not None]
        return max(self._quiet_until, max(busy) + self._gap_s(unit_id)) if busy else self._quiet_until

    def _gap_s(self, unit_id: int) -> float:
        pace = self._pace
        changed = self._last_unit_id is not None and unit_id != self._last_unit_id
        return max(
            pace.gap_s,
            pace.unit_gap_s if changed else 0.0,
            pace.gaps_s.get(unit_id, 0.0),
            self._silence_s,
            SETTLED_S if self._trouble else 0.0,
        )


def coarse_s(wait_s: float) -> float:
    """Return how long to sleep at first, so as not to oversleep; 0 = the rest is so short that turns of the loop do.

    The loop rounds a sleep up to whole milliseconds, which are ten characters each on a fast line.
    """
    whole_ms = int(wait_s * 1000.0)
    return (whole_ms - 0.5) / 1000.0 if whole_ms else 0.0


class LineBackoff:
    """Spares a peer that cannot be connected: each failure doubles the pause before the next attempt."""

    def __init__(self) -> None:
        """Start without a pause."""
        self._pause_s = 0.0
        self.until = 0.0
        """No attempt before this time of the monotonic clock."""

    def failed(self, at: float) -> None:
        """Note an attempt that failed."""
        self._pause_s = min(max(2 * self._pause_s, FIRST_RETRY_S), LAST_RETRY_S)
        self.until = at + self._pause_s

    def clear(self) -> None:
        """Note an attempt that succeeded."""
        self._pause_s = self.until = 0.0
