"""Where the points of a picture stand, from the numbers that a point publishes.

The limits that a picture shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import cos, isfinite, radians, sin
from typing import Any, Final

from phasewatch.electrical.geometry import Corners, draw
from phasewatch.meters.quantities import LN

IDEAL: Final[Corners] = (
    1 + 0j,
    complex(cos(radians(-120)), sin(radians(-120))),
    complex(cos(radians(120)), sin(radians(120))),
)
"""L1, L2, L3 of a healthy supply, for a radius of 1."""


@dataclass(frozen=True, slots=True)
class Places:
    """Points in volts, the centroid of the phases at 0. None: not measured, or not determined."""

    corners: Corners | None
    triangle_assumed: bool
    """The corners are those of a healthy supply: no line voltages are read."""
    neutral: complex | None
    earth: complex | None
    neutral_earth_v: float | None
    """Known without `earth` where only neutral-earth is measured: its direction is not."""
    phases_v: tuple[float | None, float | None, float | None]
    radius_v: float | None

    @property
    def shifts_v(self) -> tuple[float, ...]:
        """How far N and PE stand from the centroid, those that are known."""
        return tuple(abs(point) for point in (self.neutral, self.earth) if point is not None)


def places(readings: Mapping[str, float], numbers: Mapping[str, Any]) -> Places:
    """Return the places of `readings` and `picture` of a point's state; shifts are those that `picture` tells."""
    drawn = draw(readings)
    first, second, third = (_finite(readings.get(name)) for name in LN)
    neutral = _place(numbers, "neutral", drawn.neutral)
    earth = _place(numbers, "earth", drawn.earth)
    return Places(
        corners=drawn.corners,
        triangle_assumed=drawn.triangle_assumed,
        neutral=neutral,
        earth=earth,
        neutral_earth_v=_finite(numbers.get("neutral_earth_v", drawn.neutral_earth_v)),
        phases_v=(first, second, third),
        radius_v=drawn.radius_v,
    )


def _finite(value: float | None) -> float | None:
    return None if value is None or not isfinite(value) else value


def _place(numbers: Mapping[str, Any], point: str, drawn: complex | None) -> complex | None:
    if f"{point}_shift_v" not in numbers:
        return drawn
    shift_v, shift_deg = numbers[f"{point}_shift_v"], numbers.get(f"{point}_shift_deg")
    if shift_v is None or not isfinite(shift_v):
        return None
    if shift_deg is None:
        return 0j
    angle = radians(shift_deg)
    return complex(shift_v * cos(angle), shift_v * sin(angle))


def ideal_centre(found: Places, nominal_v: float) -> complex:
    """Return where the ideal triangle is drawn: at the centroid, or at N where more points then fit.

    A corner that moved takes the centroid with it, though nothing else moved.
    """
    if found.corners is None or found.neutral is None:
        return 0j

    def misfit(centre: complex, neutral: complex, corners: Corners) -> float:
        away = sum(abs(a - centre - b * nominal_v) for a, b in zip(corners, IDEAL, strict=True))
        return away + abs(neutral - centre)

    at_neutral = misfit(found.neutral, found.neutral, found.corners)
    return found.neutral if at_neutral < misfit(0j, found.neutral, found.corners) else 0j


@dataclass(frozen=True, slots=True)
class Limits:
    """Radii in volts; None: no such limit in force."""

    neutral_v: float | None = None
    """How far N may stand from the centroid."""
    earth_v: float | None = None
    """How far PE may stand from the centroid."""
    neutral_earth_v: float | None = None
    """How far PE may stand from N."""
    resolution_v: float | None = None
    """What is nearer to the centroid than this is not resolved by the meters."""
