"""The limits that a picture shows."""

from dataclasses import dataclass


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
