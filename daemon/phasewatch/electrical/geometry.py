"""The picture: where the phases, the neutral and the earth stand as points in one plane.

L1, L2, L3 form the line triangle with its centroid at 0; N and PE belong there. Angles in degrees with the
positive sequence of the triangle at L1 = 0, L2 = -120, L3 = +120. Everything is in volts RMS.

Unbalance and symmetrical components from magnitudes alone.

Source: IEC 61000-4-30 (u2 from line-to-line voltages), NEMA MG 1 (LVUR), IEEE (PVUR).
"""

import cmath
from collections.abc import Mapping
from dataclasses import dataclass
from math import cos, degrees, hypot, pi, sin, sqrt
from typing import Final

from phasewatch.electrical.supply import SQRT3
from phasewatch.meters.quantities import LL, LN, LPE, NPE


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


Triple = tuple[float, float, float]
Corners = tuple[complex, complex, complex]

_A: Final = complex(cos(2 * pi / 3), sin(2 * pi / 3))
_A2: Final = _A.conjugate()
_UNIT: Final[Corners] = (1 + 0j, _A2, _A)
DISBELIEF_V: Final = 5.0
"""A direct N-PE reading this far below what the phase-earth voltages show is not believed."""
_FLAT: Final = 0.05
"""Below this q the line triangle gives no position across its own line."""
_HIGHEST_V: Final = 1e7
"""No supply has more; squares of squares of it stay far from overflow."""
_LOWEST_V: Final = 1e-6
"""Less is 0: a length that nothing can be divided by."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The points of one moment and the numbers that follow from them. None: not measured, or not determined."""

    phase_neutral: Triple | None
    line: Triple | None
    phase_earth: Triple | None
    missing_phases: tuple[str, ...]
    """The phase-to-neutral quantities that are not measured."""
    corners: Corners | None
    """L1, L2, L3 with the centroid at 0; None where nothing tells the size of the triangle."""
    triangle_assumed: bool
    """No complete L-L: 120 degrees are taken for granted."""
    neutral: complex | None
    """N: the neutral shift."""
    earth: complex | None
    """PE: the earth shift."""
    neutral_earth: complex | None
    """D = N - PE, fundamental."""
    neutral_earth_measured_v: float | None
    radius_v: float | None
    """RMS radius of the triangle: a healthy phase voltage."""
    u1_v: float | None
    u2_v: float | None
    u2_percent: float | None
    lvur_percent: float | None
    pvur_percent: float | None
    flatness: float | None
    """q of the line triangle; None while it is assumed."""
    scale_residual_v: float | None
    """rho_N: how much the L-N say more than the triangle and the neutral shift explain."""
    residual_v: float | None
    """RMS of what the L-N distances leave over."""
    earth_residual_v: float | None
    """rho_E: the same for L-PE; readings of other moments or scales, or voltage that is not at the fundamental."""

    @property
    def neutral_earth_v(self) -> float | None:
        """Neutral-earth voltage: the direct reading where there is one and it can be believed, else the length of D."""
        if self.neutral_earth_measured_v is not None and not self.direct_reading_too_low:
            return self.neutral_earth_measured_v
        return None if self.neutral_earth is None else abs(self.neutral_earth)

    @property
    def direct_reading_too_low(self) -> bool:
        """Whether the direct reading says clearly less than its own fundamental: its input is elsewhere."""
        direct_v, apart = self.neutral_earth_measured_v, self.neutral_earth
        return direct_v is not None and apart is not None and abs(apart) - direct_v > DISBELIEF_V


def angle_deg(point: complex | None) -> float | None:
    """Return the direction of a point in degrees, (-180, 180]; None without a point or a length."""
    return None if point is None or point == 0 else degrees(cmath.phase(point))


def draw(values: Mapping[str, float]) -> Picture:
    """Place all points that the values determine."""
    v, line, e = _triple(values, LN), _triple(values, LL), _triple(values, LPE)
    corners, assumed = _corners(v, line, e)
    neutral = _locate_neutral(corners, v)
    apart = _apart(corners, v, e)
    earth = neutral - apart if neutral is not None and apart is not None else _locate(corners, e)
    if apart is None and neutral is not None and earth is not None:
        apart = neutral - earth
    radius = None if corners is None else _radius(corners)
    u1, u2 = sequence_voltages(*line) if line is not None else (None, None)
    return Picture(
        phase_neutral=v,
        line=line,
        phase_earth=e,
        missing_phases=() if v is not None else tuple(name for name in LN if _magnitude(values, name) is None),
        corners=corners,
        triangle_assumed=corners is not None and assumed,
        neutral=neutral,
        earth=earth,
        neutral_earth=apart,
        neutral_earth_measured_v=_magnitude(values, NPE),
        radius_v=radius,
        u1_v=u1,
        u2_v=u2,
        u2_percent=100.0 * u2 / u1 if u1 and u2 is not None else None,
        lvur_percent=deviation_percent(*line) if line is not None else None,
        pvur_percent=deviation_percent(*v) if v is not None else None,
        flatness=flatness(*line) if line is not None else None,
        scale_residual_v=None if assumed else _scale_residual(radius, v, neutral),
        residual_v=_residual(corners, v, neutral) if not assumed else None,
        earth_residual_v=_scale_residual(radius, e, earth),
    )


def _triple(values: Mapping[str, float], names: tuple[str, str, str]) -> Triple | None:
    a = _magnitude(values, names[0])
    if a is None:
        return None
    b, c = _magnitude(values, names[1]), _magnitude(values, names[2])
    return None if b is None or c is None else (a, b, c)


def _magnitude(values: Mapping[str, float], name: str) -> float | None:
    """Return a voltage; what cannot be an RMS magnitude (negative, NaN, beyond all supplies) is not measured."""
    value = values.get(name)
    if value is None or not 0.0 <= value <= _HIGHEST_V:
        return None
    return value if value >= _LOWEST_V else 0.0


def _corners(v: Triple | None, line: Triple | None, e: Triple | None) -> tuple[Corners | None, bool]:
    if line is not None:
        return _placed(line, v), False
    sized_by = v or e
    if sized_by is None:
        return None, True
    radius = assumed_radius_v(*sized_by)
    return (None if radius == 0.0 else (_UNIT[0] * radius, _UNIT[1] * radius, _UNIT[2] * radius)), True


def _placed(line: Triple, v: Triple | None) -> Corners | None:
    """Place the corners, by the triple of {L1, L2, L3, N} with the largest area: a flat one has no other side."""
    l12, l23, l31 = line
    best = triangle_area(l12, l23, l31)
    corners = _by_cosine_rule(l12, l23, l31)
    if v is not None:
        for x in range(3):
            j, k = (x + 1) % 3, (x + 2) % 3
            area = triangle_area(v[j], v[k], line[j])
            if area > best * 1.0001:
                best, corners = area, _through_neutral(line, v, x)
    return _turned(_clockwise(corners))


def _clockwise(corners: Corners) -> Corners:
    """Mirror corners that run the other way round: a neutral outside the triangle places them so."""
    a, b, c = corners
    counter = (b - a).real * (c - a).imag - (b - a).imag * (c - a).real > 0.0
    return (a.conjugate(), b.conjugate(), c.conjugate()) if counter and not _is_flat(_centred(corners)) else corners


def _by_cosine_rule(l12: float, l23: float, l31: float) -> Corners:
    """Place L1 at 0, L2 along the real axis, L3 clockwise of them."""
    if l12 == 0.0:
        return 0j, 0j, complex(l31, 0.0)
    x = (l12 * l12 + l31 * l31 - l23 * l23) / (2.0 * l12)
    return 0j, complex(l12, 0.0), complex(x, -sqrt(max(0.0, l31 * l31 - x * x)))


def _through_neutral(line: Triple, v: Triple, x: int) -> Corners:
    """Place N and the two corners other than x, then x from its three distances."""
    j, k = (x + 1) % 3, (x + 2) % 3
    n, at_j, at_k = _by_cosine_rule(v[j], line[j], v[k])
    centre = (n + at_j + at_k) / 3.0
    at_x = _solve((n - centre, at_j - centre, at_k - centre), (v[x], line[x], line[k]))
    corners = [0j, 0j, 0j]
    corners[x], corners[j], corners[k] = at_x + centre, at_j, at_k
    return corners[0], corners[1], corners[2]


def _turned(corners: Corners) -> Corners | None:
    """Move the centroid to 0 and turn the positive sequence to 0 degrees."""
    positive = (corners[0] + _A * corners[1] + _A2 * corners[2]) / 3.0
    size = abs(positive)
    if size == 0.0:
        return None
    turn = positive.conjugate() / size
    centred = _centred(corners)
    return centred[0] * turn, centred[1] * turn, centred[2] * turn


def _centred(corners: Corners) -> Corners:
    centre = (corners[0] + corners[1] + corners[2]) / 3.0
    return corners[0] - centre, corners[1] - centre, corners[2] - centre


def _radius(corners: Corners) -> float:
    return sqrt(_squares(corners) / 3.0)


def _squares(points: Corners) -> float:
    a, b, c = points
    return a.real * a.real + a.imag * a.imag + (b.real * b.real + b.imag * b.imag) + (c.real * c.real + c.imag * c.imag)


def _locate(corners: Corners | None, distances: Triple | None) -> complex | None:
    """Return the point at these distances from the corners; None if the triangle is too flat to say."""
    if corners is None or distances is None or _is_flat(corners):
        return None
    return _solve(corners, distances)


def _locate_neutral(corners: Corners | None, v: Triple | None) -> complex | None:
    """Return N; across a flat triangle its side follows from the distances themselves."""
    if corners is None or v is None:
        return None
    if not _is_flat(corners):
        return _solve(corners, v)
    sides = [corners[(j + 1) % 3] - corners[j] for j in range(3)]
    longest = max(sides, key=abs)
    if longest == 0:
        return None
    axis = longest / abs(longest)
    along = _along(corners, v, axis)
    height = sum(d * d - abs(c - along * axis) ** 2 for c, d in zip(corners, v, strict=True)) / 3.0
    return axis * complex(along, -sqrt(max(0.0, height)))  # N, Lj, Lk run clockwise like L1, L2, L3


def _along(corners: Corners, v: Triple, axis: complex) -> float:
    spread = sum(abs(c) ** 2 for c in corners)
    squares = [abs(c) ** 2 - d * d for c, d in zip(corners, v, strict=True)]
    return sum((c * axis.conjugate()).real * s for c, s in zip(corners, squares, strict=True)) / (2.0 * spread)


def _is_flat(corners: Corners) -> bool:
    a, b, c = corners
    cross = (b - a).real * (c - a).imag - (b - a).imag * (c - a).real
    squares = 3.0 * _squares(corners)
    return squares == 0.0 or 2.0 * SQRT3 * abs(cross) / squares < _FLAT


def _solve(points: Corners, distances: Triple) -> complex:
    """Return the point by linear trilateration; the points' centroid must be 0."""
    (p1, p2, p3), (d1, d2, d3) = points, distances
    return _least_squares(
        points,
        p1.real * p1.real + p1.imag * p1.imag - d1 * d1,
        p2.real * p2.real + p2.imag * p2.imag - d2 * d2,
        p3.real * p3.real + p3.imag * p3.imag - d3 * d3,
    )


def _least_squares(points: Corners, c1: float, c2: float, c3: float) -> complex:
    """Solve 2 Re(conj(p_i) x) = c_i - mean(c) for x; the mean falls out because the points sum to 0."""
    p1, p2, p3 = points
    xx = p1.real * p1.real + p2.real * p2.real + p3.real * p3.real
    yy = p1.imag * p1.imag + p2.imag * p2.imag + p3.imag * p3.imag
    xy = p1.real * p1.imag + p2.real * p2.imag + p3.real * p3.imag
    bx = (p1.real * c1 + p2.real * c2 + p3.real * c3) / 2.0
    by = (p1.imag * c1 + p2.imag * c2 + p3.imag * c3) / 2.0
    determinant = xx * yy - xy * xy
    if determinant <= 0.0:
        return 0j
    return complex((yy * bx - xy * by) / determinant, (xx * by - xy * bx) / determinant)


def _apart(corners: Corners | None, v: Triple | None, e: Triple | None) -> complex | None:
    """Return D = N - PE: linear, and blind to what all three L-PE share beside the fundamental."""
    if corners is None or v is None or e is None or _is_flat(corners):
        return None
    return _least_squares(corners, e[0] ** 2 - v[0] ** 2, e[1] ** 2 - v[1] ** 2, e[2] ** 2 - v[2] ** 2)


def _scale_residual(radius: float | None, distances: Triple | None, point: complex | None) -> float | None:
    """Return rho = (mean of squared distances - R^2 - |point|^2) / 2R, volts (Leibniz)."""
    if not radius or distances is None or point is None:
        return None
    mean = (distances[0] ** 2 + distances[1] ** 2 + distances[2] ** 2) / 3.0
    return (mean - radius * radius - abs(point) ** 2) / (2.0 * radius)


def _residual(corners: Corners | None, v: Triple | None, neutral: complex | None) -> float | None:
    if corners is None or v is None or neutral is None:
        return None
    total = 0.0
    for corner, distance in zip(corners, v, strict=True):
        away = corner - neutral
        total += (hypot(away.real, away.imag) - distance) ** 2
    return sqrt(total / 3.0)
