"""Signatures of a lost supply: a corner of the triangle left its place."""

from phasewatch.electrical.per_unit import ALL, CORNER_KAPPA, DEAD, GOOD_TRIANGLE, Look, Match, between, near, others
from phasewatch.electrical.supply import SQRT3


def interruption(look: Look) -> Match | None:
    v = look.v
    if v is None or max(v) >= 0.05:
        return None
    if (look.line is not None and max(look.line) >= 0.1) or (look.e is not None and max(look.e) >= 0.5):
        return None
    return Match("interruption", ALL)


def mv_phase_lost(look: Look) -> Match | None:
    v, line = look.v, look.line
    if v is None:
        return None
    k = v.index(max(v))
    i, j = others(k)
    if not (v[k] > 0.85 and v[i] > DEAD and v[j] > DEAD and near(v[i] + v[j], v[k], 0.05)):
        return None
    if line is None:
        # A moved neutral alone leaves the size of the triangle at nominal.
        radius = look.picture.radius_v
        flat = radius is not None and radius < 0.8 * look.supply.nominal_v
        return Match("mv_phase_lost", (i, j)) if flat else None
    q = look.picture.flatness
    along = near(between(line, k, i), v[k] + v[i], 0.06) and near(between(line, k, j), v[k] + v[j], 0.06)
    across = abs(between(line, i, j) - abs(v[i] - v[j])) < 0.1
    return Match("mv_phase_lost", (i, j)) if q is not None and q < GOOD_TRIANGLE and along and across else None


def _one_dead(look: Look) -> tuple[int, int, int] | None:
    """Return (dead, live, live) where exactly one phase carries nothing."""
    v = look.v
    if v is None or sum(x < DEAD for x in v) != 1:
        return None
    x = v.index(min(v))
    return (x, *others(x))


def phase_lost_two_stages(look: Look) -> Match | None:
    dead = _one_dead(look)
    if dead is None or look.v is None or look.line is None:
        return None
    x, a, b = dead
    v, across = look.v, between(look.line, a, b)
    low = 0.75 <= v[a] <= 0.95 and 0.75 <= v[b] <= 0.95
    return Match("phase_lost_two_stages", (x,)) if low and near(across, v[a] + v[b], 0.05) else None


def phase_lost(look: Look) -> Match | None:
    dead = _one_dead(look)
    if dead is None or look.v is None:
        return None
    x, a, b = dead
    v, line = look.v, look.line
    if min(v[a], v[b]) < 0.7 or max(v[a], v[b]) > 1.3:
        return None  # where N moved onto the dead phase, the others stand at line voltage
    if line is not None:
        pair = near(between(line, a, b), SQRT3 * (v[a] + v[b]) / 2.0, 0.15)
        spokes = abs(between(line, x, a) - v[a]) < 0.15 and abs(between(line, x, b) - v[b]) < 0.15
        if not (pair and spokes):
            return None
    return Match("phase_lost", (x,))


def two_phases_lost(look: Look) -> Match | None:
    v = look.v
    if v is None or sum(x < DEAD for x in v) != 2 or max(v) < 0.5:
        return None
    live = v.index(max(v))
    if look.line is not None and min(between(look.line, live, x) for x in others(live)) < 0.5 * max(v):
        return None
    dead = tuple(i for i in ALL if i != live)
    if look.history is not None and not any(look.history.seen_live[i] for i in dead):
        return Match("single_phase", (live,))
    return Match("two_phases_lost", dead)


def projection(look: Look, x: int) -> float | None:
    """Return phase x along its healthy direction, -(Uj + Uk), per unit of nominal."""
    corners, n = look.picture.corners, look.picture.neutral
    if corners is None or n is None or look.picture.triangle_assumed:
        return None
    a, b = others(x)
    healthy = -(corners[a] + corners[b] - 2.0 * n)
    size = abs(healthy)
    return None if size == 0.0 else ((corners[x] - n) * healthy.conjugate()).real / size / look.supply.nominal_v


def _odd_one(look: Look) -> tuple[int, float] | None:
    """Return the one phase that left a healthy pair (v and l near 1), and its projection."""
    v, line = look.v, look.line
    if v is None or line is None:
        return None
    if near(line[0], SQRT3, 0.05) and near(line[1], SQRT3, 0.05) and near(line[2], SQRT3, 0.05):
        return None  # whichever phase it were, its spokes are healthy
    for x in ALL:
        a, b = others(x)
        pair = near(v[a], 1.0, 0.12) and near(v[b], 1.0, 0.12) and near(between(line, a, b), SQRT3, 0.1)
        if pair and not (near(between(line, x, a), SQRT3, 0.05) and near(between(line, x, b), SQRT3, 0.05)):
            proj = projection(look, x)
            if proj is not None:
                return x, proj
    return None


def phase_lost_backfed(look: Look) -> Match | None:
    odd = _odd_one(look)
    return Match("phase_lost_backfed", (odd[0],)) if odd is not None and odd[1] <= 0.05 else None


def phase_lost_regenerated(look: Look) -> Match | None:
    odd = _odd_one(look)
    u2, u1 = look.picture.u2_v, look.picture.u1_v
    if odd is None or u2 is None or not u1 or u2 / u1 <= 0.05 or not 0.4 <= odd[1] <= 0.95:
        return None
    if look.kappa is not None and look.kappa >= CORNER_KAPPA:
        return None
    x, current = odd[0], look.currents[odd[0]]
    fed = current is not None and current > 0.05 * max((i for i in look.currents if i is not None), default=0.0)
    brief = look.history is not None and (look.history.lasted_s is None or look.history.lasted_s < 10.0)
    if fed or (current is None and brief):
        return None
    return Match("phase_lost_regenerated", (x,))
