from math import radians, sqrt

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from phasewatch.electrical.geometry import deviation_percent, flatness, sequence_voltages, triangle_area

A = complex(-0.5, sqrt(3.0) / 2.0)


def by_beta(l12: float, l23: float, l31: float) -> float:
    """Return u2 as IEC 61000-4-30 writes it, as a share."""
    beta = (l12**4 + l23**4 + l31**4) / (l12**2 + l23**2 + l31**2) ** 2
    root = sqrt(max(0.0, 3.0 - 6.0 * beta))
    return sqrt(max(0.0, 1.0 - root) / (1.0 + root))


angles = st.floats(radians(-35.0), radians(35.0))
lengths = st.floats(120.0, 350.0)


@given(st.tuples(lengths, lengths, lengths), st.tuples(angles, angles, angles))
def test_u2_is_the_same_by_beta_by_area_and_by_phasors(
    sizes: tuple[float, float, float], turns: tuple[float, float, float]
) -> None:
    healthy = (1 + 0j, A.conjugate(), A)
    p1, p2, p3 = (s * h * complex(1, t) for s, h, t in zip(sizes, healthy, turns, strict=True))
    positive, negative = abs(p1 + A * p2 + A.conjugate() * p3) / 3, abs(p1 + A.conjugate() * p2 + A * p3) / 3
    assume(positive > 1.2 * negative)
    line = abs(p1 - p2), abs(p2 - p3), abs(p3 - p1)
    u1, u2 = sequence_voltages(*line)
    assert u1 == pytest.approx(positive, rel=1e-6)
    assert u2 == pytest.approx(negative, rel=1e-6, abs=1e-3)
    assert u2 / u1 == pytest.approx(by_beta(*line), rel=1e-6, abs=1e-5)


def test_uneven_line_voltages_in_the_three_measures() -> None:
    u1, u2 = sequence_voltages(400.0, 396.0, 404.0)
    assert 100 * u2 / u1 == pytest.approx(1.15, abs=0.005)
    assert deviation_percent(400.0, 396.0, 404.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("sides", "area", "q"),
    [
        ((3.0, 4.0, 5.0), 6.0, 4 * sqrt(3) * 6 / 50),
        ((400.0, 400.0, 400.0), sqrt(3) / 4 * 160000, 1.0),
        ((200.0, 200.0, 400.0), 0.0, 0.0),
        ((1.0, 1.0, 5.0), 0.0, 0.0),
        ((0.0, 0.0, 0.0), 0.0, 0.0),
    ],
)
def test_a_triangle_by_its_sides(sides: tuple[float, float, float], area: float, q: float) -> None:
    assert triangle_area(*sides) == pytest.approx(area)
    assert flatness(*sides) == pytest.approx(q)


def test_sides_of_no_triangle_have_no_positive_sequence_to_spare() -> None:
    u1, u2 = sequence_voltages(398.5, 150.2, 201.3)
    assert u1 == u2


def test_nothing_deviates_from_nothing() -> None:
    assert deviation_percent(0.0, 0.0, 0.0) is None


def test_an_open_neutral_shows_in_pvur_and_not_in_u2() -> None:
    u1, u2 = sequence_voltages(400.0, 400.0, 400.0)
    assert u1 == pytest.approx(400 / sqrt(3))
    assert u2 == pytest.approx(0.0, abs=1e-3)
    assert deviation_percent(107.3, 299.4, 329.0) == pytest.approx(56.3, abs=0.1)
