"""Signatures of a meter or its wiring: readings that no supply makes, and supplies of another kind."""

from phasewatch.electrical.per_unit import ALL, DEAD, GOOD_TRIANGLE, Look, Match, between, near, others
from phasewatch.electrical.supply import SQRT3


def inputs_on_one_phase(look: Look) -> Match | None:
    if look.v is None or look.line is None:
        return None
    return Match("inputs_on_one_phase", ALL) if min(look.v) > 0.8 and max(look.line) < 0.05 * SQRT3 else None


def impossible_triangle(look: Look) -> Match | None:
    line = look.picture.line
    if line is None:
        return None
    supply = look.supply
    tolerance_v = 3.0 * supply.accuracy_percent / 100.0 * supply.line_v + 1.0
    if 0.0 in line:
        tolerance_v = max(tolerance_v, supply.dead_band_v)
    longest = max(line)
    return Match("impossible_triangle") if longest > sum(line) - longest + tolerance_v else None


def neutral_swapped(look: Look) -> Match | None:
    v, line = look.v, look.line
    if v is None:
        return None
    x = v.index(min(v))
    a, b = others(x)
    if not (near(v[x], 1.0, 0.1) and near(v[a], SQRT3 * v[x], 0.04) and near(v[b], SQRT3 * v[x], 0.04)):
        return None
    if line is not None:
        spokes = near(between(line, x, a), v[x], 0.05) and near(between(line, x, b), v[x], 0.05)
        if not (spokes and near(between(line, a, b), v[a], 0.05)):
            return None
    return Match("neutral_swapped", (x,))


def line_voltage_in_phase_registers(look: Look) -> Match | None:
    v, line = look.v, look.line
    if v is None:
        return None
    if line is None:
        return Match("line_voltage_in_phase_registers", ALL) if all(near(x, SQRT3, 0.06) for x in v) else None
    even = min(v) > 0.0 and max(v) < 1.1 * min(v) and min(v) > 0.5
    if not even or not near(min(v), min(line), 0.04):
        return None
    same = all(near(a, b, 0.04) for a, b in zip(sorted(v), sorted(line), strict=True))
    return Match("line_voltage_in_phase_registers", ALL) if same else None


def scale_mismatch(look: Look) -> Match | None:
    rho, q, n = look.picture.scale_residual_v, look.picture.flatness, look.n
    if rho is None or q is None or n is None or look.v is None or q <= GOOD_TRIANGLE or min(look.v) < 0.2:
        return None
    nominal_v = look.supply.nominal_v
    if look.picture.line is not None and 0.0 in look.picture.line:
        return None
    beyond = abs(rho) > max(0.015 * nominal_v, 7.2 * look.supply.sigma_v)
    centred = n <= 0.05
    return Match("scale_mismatch", ALL) if beyond and centred else None


def impossible_point(look: Look) -> Match | None:
    q, residual = look.picture.flatness, look.picture.residual_v
    if (
        residual is None
        or q is None
        or q <= GOOD_TRIANGLE
        or (look.picture.line is not None and 0.0 in look.picture.line)
    ):
        return None
    return (
        Match("impossible_point") if residual > max(0.02 * look.supply.nominal_v, 7.2 * look.supply.sigma_v) else None
    )


def split_phase(look: Look) -> Match | None:
    v, line = look.v, look.line
    if v is None or line is None:
        return None
    x = v.index(min(v))
    if v[x] >= DEAD:
        return None
    a, b = others(x)
    legs = near(v[a], 1.0, 0.08) and near(v[b], 1.0, 0.08)
    across = near(between(line, a, b), v[a] + v[b], 0.04)
    return Match("split_phase", (a, b)) if legs and across else None


def high_leg_delta(look: Look) -> Match | None:
    v, line = look.v, look.line
    if v is None or line is None:
        return None
    x = v.index(max(v))
    if not near(v[x], SQRT3, 0.06):
        return None
    a, b = others(x)
    legs = near(v[a], 1.0, 0.06) and near(v[b], 1.0, 0.06)
    return Match("high_leg_delta", (x,)) if legs and all(near(side, 2.0, 0.06) for side in line) else None
