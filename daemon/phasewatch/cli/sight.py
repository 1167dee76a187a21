"""What was last heard of a daemon, and how old that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

GRACE_S: Final = 3.0
"""So much longer than the interval may pass before what was heard is taken as old."""


@dataclass(frozen=True, slots=True)
class Told:
    """One answer of the daemon."""

    at: datetime
    status: Mapping[str, Any]
    points: Sequence[Mapping[str, Any]]
    alerts: Sequence[Mapping[str, Any]]
    """Those that stand, the worst first."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of the daemon."""

    interval_s: float
    told: Told | None = None
    heard_s: float = 0.0
    """When that was, of the monotonic clock."""
    trouble: str | None = None
    """Why nothing is heard any more; None: the last answer came."""
    since: datetime | None = None
    """Since when; None: it is heard."""

    def after(self, told: Told, now_s: float) -> "Sight":
        """Return the sight after an answer."""
        return Sight(self.interval_s, told, now_s)

    def lost(self, why: str, now: datetime) -> "Sight":
        """Return the sight when no answer came."""
        return replace(self, trouble=why, since=self.since or now)

    def silent_s(self, now_s: float) -> float:
        """Return how long ago the last answer was."""
        return now_s - self.heard_s

    def old(self, now_s: float) -> bool:
        """Return whether what was told must not be taken as what is."""
        return self.trouble is not None or self.silent_s(now_s) > self.interval_s + GRACE_S
