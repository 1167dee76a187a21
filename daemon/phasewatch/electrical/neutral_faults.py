"""Signatures of a moved neutral and of a moved earth: the triangle itself is intact."""

from typing import Final

from phasewatch.electrical.geometry import angle_deg
from phasewatch.electrical.per_unit import CORNER_KAPPA, Look, Match, near
from phasewatch.electrical.supply import Supply

OPEN_NEUTRAL: Final = 0.30
NOTABLE_NEUTRAL: Final = 0.05
"""Neutral shift per unit of nominal: below it, it is what ordinary single-phase load does."""
LOOSE_KAPPA: Final = 10.0
"""kappa = (neutral shift)/U2 above this: the return path, not the phases, makes the shift (Z_N/Z_ph > 3)."""
DRIFT: Final = 0.15
"""Earth shift per unit of nominal that is news on an isolated supply."""
RISEN: Final = 1.07
"""Per unit of nominal: without L-L, a phase this high beside a low one says that N moved."""


def neutral_limit_v(supply: Supply) -> float:
    """Return the shift of N, V, up to which it is ordinary load."""
    return NOTABLE_NEUTRAL * supply.nominal_v


def earth_limit_v(supply: Supply) -> float:
    """Return the shift of PE, V, up to which it is none: noise, and on IT what its capacitances make."""
    drift_v = DRIFT * supply.nominal_v if supply.system == "IT" else 0.0
    return max(supply.displacement_floor_v, drift_v)


def direct_earth_limit_v(supply: Supply) -> float:
    """Return the same for a direct N-PE reading alone, whose harmonics nothing else tells."""
    return max(25.0 * supply.nominal_v / 230.0, 2.0 * supply.displacement_floor_v)


def _intact(look: Look) -> bool:
    """Return whether the line triangle kept its shape, so that a shift is not a moved corner."""
    if look.kappa is not None:
        return look.kappa > LOOSE_KAPPA
    radius = look.picture.radius_v
    size_holds = radius is not None and near(radius, look.supply.nominal_v, 0.1)
    # One low phase alone is a moved corner; where N moved, a neighbour rises.
    return size_holds and look.v is not None and max(look.v) >= RISEN


def pen_open(look: Look) -> Match | None:
    apart = look.picture.neutral_earth
    if look.n is None or apart is None or look.n <= NOTABLE_NEUTRAL or not _intact(look):
        return None
    return Match("pen_open", _lowest(look)) if abs(apart) < 0.25 * look.n * look.supply.nominal_v else None


def neutral_open(look: Look) -> Match | None:
    if look.n is None or look.n < OPEN_NEUTRAL or not _intact(look):
        return None
    return Match("neutral_open", _lowest(look))


def neutral_high_resistance(look: Look) -> Match | None:
    if look.n is None or look.kappa is None or look.n <= NOTABLE_NEUTRAL or not _intact(look):
        return None  # without kappa uneven load looks the same
    return Match("neutral_high_resistance", _lowest(look))


def _lowest(look: Look) -> tuple[int, ...]:
    """Return the phase that N moved toward, if it stands out."""
    return _toward(angle_deg(look.picture.neutral), 30.0)


def _toward(direction_deg: float | None, within_deg: float) -> tuple[int, ...]:
    """Return the phase whose healthy direction lies within an angle."""
    if direction_deg is None:
        return ()
    for x, phase_deg in enumerate((0.0, -120.0, 120.0)):
        if abs((direction_deg - phase_deg + 180.0) % 360.0 - 180.0) <= within_deg:
            return (x,)
    return ()


def single_phase_overload(look: Look) -> Match | None:
    if look.n is None or look.kappa is None or look.v is None or look.n <= NOTABLE_NEUTRAL:
        return None
    toward = _lowest(look)
    if look.kappa < CORNER_KAPPA or not toward or look.v.index(min(look.v)) != toward[0]:
        return None
    return Match("single_phase_overload", toward)


def earth_moved(look: Look) -> Match | None:
    """Only PE left its place: earth_fault_solid on a phase, earth_displaced anywhere else."""
    picture, supply = look.picture, look.supply
    apart_v = abs(picture.neutral_earth) if picture.neutral_earth is not None else None
    if apart_v is None:
        return _earth_moved_unseen(look)
    earth_v = abs(picture.earth) if picture.earth is not None else apart_v
    if apart_v <= supply.displacement_floor_v or earth_v <= max(earth_limit_v(supply), 2.0 * _n_v(look)):
        return None
    toward = _toward(angle_deg(picture.earth), 30.0) if apart_v > supply.direction_floor_v else ()
    if earth_v > 0.9 * supply.nominal_v and toward and look.e is not None and look.e[toward[0]] < 0.2:
        return Match("earth_fault_solid", toward)
    return Match("earth_displaced", toward)


def _earth_moved_unseen(look: Look) -> Match | None:
    """Judge by a direct N-PE reading alone: how far, not where to."""
    direct_v = look.picture.neutral_earth_measured_v
    if direct_v is None or look.n is None or look.supply.system == "IT":
        return None
    limit_v = max(direct_earth_limit_v(look.supply), 2.0 * _n_v(look))
    return Match("earth_displaced") if direct_v > limit_v else None


def _n_v(look: Look) -> float:
    return 0.0 if look.n is None else look.n * look.supply.nominal_v


def neutral_earth_harmonics(look: Look) -> Match | None:
    direct_v, apart = look.picture.neutral_earth_measured_v, look.picture.neutral_earth
    if direct_v is None or apart is None or not 2.0 <= direct_v <= 0.1 * look.supply.nominal_v:
        return None
    if look.n is None or look.n > NOTABLE_NEUTRAL:
        return None
    rest = direct_v * direct_v - abs(apart) ** 2
    # Noise can shorten D by 3.6 sigma (99.9 %): what is left must not be made of it.
    beyond_noise = direct_v > abs(apart) + 3.6 * look.supply.sigma_v
    surely = beyond_noise and rest > max(4.0, abs(apart) ** 2, 6.0 * look.supply.sigma_v * abs(apart))
    return Match("neutral_earth_harmonics") if surely else None
