"""The throttle of an alert that comes and goes too fast to act on.

Raised three times within a minute, an alert is chattering. From then on it stands, whatever its condition does, until
the condition has been clear for ten minutes of valid time, or for twice its off-delay if that is longer. Nothing is
lost meanwhile: the alert is active, it grows worse and changes its verdict as any other, and it explains others only
while its condition is there.

Who acknowledged the coming and going has not taken note of a fault that then stays: an acknowledgement ends, once a
return, when the condition comes back after it had been clear and lasts for a minute of valid time.

Source: ISA-18.2 / IEC 62682 (chattering alarm: three or more in a minute); the quiet time is a design choice.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from phasewatch.alerts.lifecycle import Delays, Life, State, step
from phasewatch.rules.rule import Truth

RAISES: Final = 3
WINDOW_S: Final = 60.0
"""Raised this often within this time, an alert is chattering."""
QUIET_S: Final = 600.0
"""Clear for this long, it is not."""


def begun(raises_s: Sequence[float]) -> Life | None:
    """Return the hold that begins with the last of some raises; None if they do not chatter."""
    if len(raises_s) < RAISES or raises_s[-1] - raises_s[-RAISES] > WINDOW_S:
        return None
    return Life(State.ACTIVE)


def held(hold: Life, truth: Truth, at_s: float, delays: Delays) -> Life | None:
    """Return the hold after one sample; None once it has been quiet for long enough."""
    quiet = replace(delays, off_s=max(QUIET_S, 2.0 * delays.off_s))
    after = step(hold, truth, at_s, quiet)
    return after if after.standing else None


def back(at_s: float) -> Life:
    """Return how long a condition has been back that comes back now."""
    return Life(State.PENDING, polls=1, valid_at_s=at_s)


def lasting(life: Life, truth: Truth, at_s: float, delays: Delays) -> Life:
    """Return how long a condition has been back after one sample; standing once it lasts."""
    return step(life, truth, at_s, replace(delays, on_s=WINDOW_S, on_polls=1))
