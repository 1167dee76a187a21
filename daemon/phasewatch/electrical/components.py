"""Unbalance and symmetrical components from magnitudes alone.

Source: IEC 61000-4-30 (u2 from line-to-line voltages), NEMA MG 1 (LVUR), IEEE (PVUR).
"""

from math import sqrt

from phasewatch.electrical.supply import SQRT3


def triangle_area(a: float, b: float, c: float) -> float:
    """Return the area of a triangle by its sides; 0 where no triangle has them."""
    s = (a + b + c) / 2.0
    return sqrt(max(0.0, s * (s - a) * (s - b) * (s - c)))


def assumed_radius_v(a: float, b: float, c: float) -> float:
    """Return the radius of the equilateral triangle that a point inside sees at distances a, b, c.

    s^2 = (a^2 + b^2 + c^2)/2 + 2 sqrt3 K, K the area of the triangle with sides a, b, c; radius s/sqrt3.
    """
    side_squared = (a * a + b * b + c * c) / 2.0 + 2.0 * SQRT3 * triangle_area(a, b, c)
    return sqrt(side_squared / 3.0)


def flatness(l12: float, l23: float, l31: float) -> float:
    """Return q = 4 sqrt3 area / sum of squared sides: 1 equilateral, 0 collinear (or all zero)."""
    squares = l12 * l12 + l23 * l23 + l31 * l31
    return 4.0 * SQRT3 * triangle_area(l12, l23, l31) / squares if squares > 0.0 else 0.0


def sequence_voltages(l12: float, l23: float, l31: float) -> tuple[float, float]:
    """Return positive and negative sequence phase voltage (U1, U2) in volts from the line-to-line voltages."""
    sixth = (l12 * l12 + l23 * l23 + l31 * l31) / 6.0
    area = 2.0 * triangle_area(l12, l23, l31) / SQRT3
    return sqrt((sixth + area) / 3.0), sqrt(max(0.0, (sixth - area) / 3.0))


def deviation_percent(a: float, b: float, c: float) -> float | None:
    """Return the largest deviation from the mean in percent of it (LVUR of L-L, PVUR of L-N); None if all are 0."""
    mean = (a + b + c) / 3.0
    return 100.0 * max(abs(a - mean), abs(b - mean), abs(c - mean)) / mean if mean > 0.0 else None
