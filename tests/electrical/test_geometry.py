from cmath import phase, rect
from math import degrees, isclose, radians, sqrt

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from phasewatch.electrical.geometry import Picture, angle_deg, assumed_radius_v, draw
from phasewatch.meters.quantities import LL, LN, LPE, NPE, VOLTAGES
from tests.acceptance import CASES, SEED, WITHIN_DEG, WITHIN_V, Case

A = rect(1.0, radians(120.0))
Corners = tuple[complex, complex, complex]


def point(limit_v: float = 300.0) -> st.SearchStrategy[complex]:
    reach = st.floats(-limit_v, limit_v)
    return st.builds(complex, reach, reach)


def corners_of(moved: Corners) -> Corners:
    """Place the healthy corners plus a move, centroid at 0, positive sequence at 0 degrees."""
    raw = [230.0 * unit + move for unit, move in zip((1.0, A.conjugate(), A), moved, strict=True)]
    centre = sum(raw) / 3.0
    positive = (raw[0] + A * raw[1] + A.conjugate() * raw[2]) / 3.0
    turn = positive.conjugate() / (abs(positive) or 1.0)
    first, second, third = ((corner - centre) * turn for corner in raw)
    return first, second, third


def flatness_of(corners: Corners) -> float:
    a, b, c = corners
    twice = -((b - a).conjugate() * (c - a)).imag
    return 2.0 * sqrt(3.0) * twice / (abs(a - b) ** 2 + abs(b - c) ** 2 + abs(c - a) ** 2)


def measured(corners: Corners, neutral: complex, earth: complex | None) -> dict[str, float]:
    """Return the distances that a meter with every input would read."""
    values = dict(zip(LN, (abs(c - neutral) for c in corners), strict=True))
    values.update(zip(LL, (abs(corners[i] - corners[(i + 1) % 3]) for i in range(3)), strict=True))
    if earth is not None:
        values.update(zip(LPE, (abs(c - earth) for c in corners), strict=True))
        values[NPE] = abs(neutral - earth)
    return values


def near(found: complex | None, truth: complex, within_v: float = 0.01) -> bool:
    return found is not None and abs(found - truth) < within_v


triangles = st.builds(corners_of, st.tuples(point(150.0), point(150.0), point(150.0))).filter(
    lambda corners: abs(corners[0] + A * corners[1] + A.conjugate() * corners[2]) > 90.0
)


@given(triangles, point(), point())
def test_points_are_found_again_from_their_distances(corners: Corners, neutral: complex, earth: complex) -> None:
    assume(flatness_of(corners) > 0.06)
    picture = draw(measured(corners, neutral, earth))
    assert picture.corners is not None
    assert all(near(found, truth) for found, truth in zip(picture.corners, corners, strict=True))
    assert near(picture.neutral, neutral)
    assert near(picture.earth, earth)
    assert near(picture.neutral_earth, neutral - earth)
    for residual_v in (picture.residual_v, picture.scale_residual_v, picture.earth_residual_v):
        assert residual_v == pytest.approx(0.0, abs=0.01)


@given(triangles, point())
def test_the_direct_reading_and_the_phasor_agree(corners: Corners, earth: complex) -> None:
    assume(flatness_of(corners) > 0.06)
    picture = draw(measured(corners, 0j, earth))
    assert picture.neutral_earth is not None
    assert abs(picture.neutral_earth) == pytest.approx(picture.neutral_earth_measured_v, abs=0.01)


@given(st.floats(0.02, 0.98), st.floats(100.0, 460.0), st.floats(0.0, 1.0), st.floats(60.0, 250.0))
def test_a_flat_triangle_is_placed_through_the_neutral_off_its_line(
    share: float, length_v: float, along: float, away_v: float
) -> None:
    ends = (-length_v / 2 + 0j, length_v / 2 + 0j)
    corners = (length_v * (share - 0.5) + 0j, *ends)
    neutral = complex(length_v * (along - 0.5), away_v)
    picture = draw(measured(corners, neutral, None))
    assert picture.neutral is not None
    assert picture.corners is not None
    for corner, at in zip(picture.corners, corners, strict=True):
        assert abs(corner - picture.neutral) == pytest.approx(abs(at - neutral), abs=0.5)


def test_on_a_flat_triangle_nothing_is_said_of_the_side_that_earth_is_on() -> None:
    picture = draw(measured((-200 + 0j, 0j, 200 + 0j), 115j, 110j))
    assert picture.earth is None
    assert picture.neutral_earth is None
    assert picture.neutral_earth_v == pytest.approx(5.0)


def _turned(values: dict[str, float]) -> dict[str, float]:
    """Call L1 what was L3, L2 what was L1, L3 what was L2."""
    turned = dict(values)
    for names in (LN, LL, LPE):
        for i in range(3):
            if names[i] in values:
                turned[names[(i + 1) % 3]] = values[names[i]]
    return turned


@given(triangles, point(), point())
def test_other_phase_names_turn_the_picture(corners: Corners, neutral: complex, earth: complex) -> None:
    assume(flatness_of(corners) > 0.06)
    values = measured(corners, neutral, earth)
    before, after = draw(values), draw(_turned(values))
    turn = A.conjugate()
    assert before.neutral is not None
    assert before.earth is not None
    assert near(after.neutral, before.neutral * turn)
    assert near(after.earth, before.earth * turn)
    assert after.u2_percent == pytest.approx(before.u2_percent, rel=1e-6, abs=1e-4)


@given(triangles, point(), point(), st.floats(0.01, 100.0))
def test_other_units_scale_the_picture(corners: Corners, neutral: complex, earth: complex, factor: float) -> None:
    assume(flatness_of(corners) > 0.06)
    values = measured(corners, neutral, earth)
    picture = draw({name: value * factor for name, value in values.items()})
    assert near(picture.neutral, neutral * factor, 0.01 * factor)
    assert near(picture.earth, earth * factor, 0.01 * factor)


distances = st.floats(100.0, 350.0)


@given(st.tuples(distances, distances, distances), st.tuples(distances, distances, distances))
def test_the_closed_form_for_120_degrees_is_the_least_squares_of_a_balanced_triangle(
    ln: tuple[float, float, float], lpe: tuple[float, float, float]
) -> None:
    radius = 230.0
    values = {**dict(zip(LN, ln, strict=True)), **dict(zip(LPE, lpe, strict=True))}
    picture = draw({**values, **dict.fromkeys(LL, radius * sqrt(3.0))})
    d1, d2, d3 = (e * e - v * v for e, v in zip(lpe, ln, strict=True))
    closed = (d1 + A.conjugate() * d2 + A * d3) / (3.0 * radius)
    assert picture.radius_v == pytest.approx(radius)
    assume(picture.flatness is not None and picture.flatness > 0.99)
    assert near(picture.neutral_earth, closed, 0.05)


@given(point(200.0))
def test_without_line_voltages_the_triangle_is_sized_by_the_neutral(neutral: complex) -> None:
    assume(abs(neutral) < 110.0)
    corners = (230.0 + 0j, 230.0 * A.conjugate(), 230.0 * A)
    a, b, c = (abs(corner - neutral) for corner in corners)
    assert assumed_radius_v(a, b, c) == pytest.approx(230.0)
    picture = draw(dict(zip(LN, (a, b, c), strict=True)))
    assert picture.triangle_assumed
    assert near(picture.neutral, neutral)
    assert picture.residual_v is None
    assert picture.scale_residual_v is None


def test_the_founding_case_in_numbers() -> None:
    picture = draw(SEED.values)
    assert picture.radius_v == pytest.approx(234.0)
    assert picture.neutral is not None
    assert abs(picture.neutral) < 1e-9
    assert near(picture.neutral_earth, -30.27)
    assert near(picture.earth, 30.27)
    assert picture.earth_residual_v == pytest.approx(3.76, abs=0.005)
    assert picture.pvur_percent == 0.0
    assert picture.u2_percent is None


def _shift_is(found: complex | None, expected: tuple[float, float | None] | None) -> bool:
    if expected is None:
        return True
    volts, direction = expected
    if found is None or abs(abs(found) - volts) > WITHIN_V:
        return False
    return direction is None or abs((degrees(phase(found)) - direction + 180) % 360 - 180) <= WITHIN_DEG


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_acceptance_cases_in_numbers(case: Case) -> None:
    picture = draw(case.values)
    assert _shift_is(picture.neutral, case.neutral_shift)
    assert _shift_is(picture.earth, case.earth_shift)
    if case.neutral_earth_v is not None:
        assert picture.neutral_earth is not None
        assert abs(picture.neutral_earth) == pytest.approx(case.neutral_earth_v, abs=WITHIN_V)
    _numbers_match(case, picture)


def _numbers_match(case: Case, picture: Picture) -> None:
    for expected, found, within in (
        (case.u2_percent, picture.u2_percent, 0.1),
        (case.pvur_percent, picture.pvur_percent, 0.1),
        (case.flatness, picture.flatness, 0.01),
        (case.scale_residual_v, picture.scale_residual_v, WITHIN_V),
    ):
        assert expected is None or found == pytest.approx(expected, abs=within)
    if case.kappa is not None:
        assert picture.neutral is not None
        assert picture.u2_v is not None
        assert picture.u1_v is not None
        least, greatest = case.kappa
        assert least <= abs(picture.neutral) / max(picture.u2_v, 0.003 * picture.u1_v) <= greatest


@pytest.mark.parametrize("value", [-230.0, -0.1, 1e30, 1e308, float("inf"), float("nan")])
@pytest.mark.parametrize("quantity", VOLTAGES)
def test_what_cannot_be_a_magnitude_is_not_measured(quantity: str, value: float) -> None:
    values = measured((230.0 + 0j, 230.0 * A.conjugate(), 230.0 * A), 0j, 5 + 0j)
    left = {name: held for name, held in values.items() if name != quantity}
    assert draw({**values, quantity: value}) == draw(left)


@pytest.mark.parametrize("value", [0.0, 5e-324, 1e-9])
def test_next_to_nothing_is_nothing(value: float) -> None:
    assert draw(dict.fromkeys(VOLTAGES, value)).radius_v in (None, 0.0)


def test_what_is_missing_is_named() -> None:
    assert draw({LN[0]: 230.0, LN[2]: 230.0}).missing_phases == (LN[1],)
    assert draw(SEED.values).missing_phases == ()


@given(st.floats(-180.0, 180.0, exclude_min=True), st.floats(0.1, 400.0))
@settings(max_examples=30)
def test_a_direction_is_told_in_degrees(direction: float, length_v: float) -> None:
    found = angle_deg(rect(length_v, radians(direction)))
    assert found is not None
    assert isclose(rect(1, radians(found)).real, rect(1, radians(direction)).real, abs_tol=1e-9)


@pytest.mark.parametrize("nothing", [None, 0j])
def test_no_shift_has_no_direction(nothing: complex | None) -> None:
    assert angle_deg(nothing) is None


def test_a_direct_reading_stands_before_a_calculated_one() -> None:
    assert draw({**SEED.values, NPE: 52.0}).neutral_earth_v == 52.0
    assert draw(SEED.values).neutral_earth_v == pytest.approx(30.27, abs=0.01)
    assert draw(dict.fromkeys(LN, 230.0)).neutral_earth_v is None


def test_a_neutral_outside_the_triangle_does_not_mirror_it() -> None:
    corners = corners_of((-76j, 108 + 91j, -1 - 133j))
    picture = draw(measured(corners, 97 + 130j, 0j))
    assert picture.corners is not None
    assert all(near(found, truth) for found, truth in zip(picture.corners, corners, strict=True))
    assert near(picture.neutral, 97 + 130j)
