"""A quick way to say "normal": where it says so, no signature can hold; where it does not, they are all asked.

Nearly every reading of a year is healthy, and this spares it the table. A test holds it against the whole table.
"""

from typing import Final

from phasewatch.electrical.geometry import Picture
from phasewatch.electrical.neutral_faults import NOTABLE_NEUTRAL
from phasewatch.electrical.supply import Supply

NEAR_PERCENT: Final = 4.9
"""Every voltage within this of nominal: no phase is lost, swapped, or of another kind of supply."""
SMALL_RESIDUAL: Final = 0.015
"""Per unit of nominal: what the scale and the distances may leave over."""
SMALL_DIRECT_V: Final = 2.0
"""A direct N-PE reading below this is neither harmonics nor a displacement."""
_OTHER_SHAPES: Final = ("split_phase", "high_leg", "single_phase")
"""Supplies that three equal phases are not."""


def surely_normal(picture: Picture, supply: Supply) -> bool:
    """Return whether the picture is so healthy that no signature can hold."""
    v, line, neutral = picture.phase_neutral, picture.line, picture.neutral
    if v is None or line is None or neutral is None or picture.u2_percent is None or supply.system in _OTHER_SHAPES:
        return False
    nominal_v, share = supply.nominal_v, NEAR_PERCENT / 100.0
    low_v, high_v = nominal_v * (1.0 - share), nominal_v * (1.0 + share)
    if min(v) < low_v or max(v) > high_v or supply.low_percent > -NEAR_PERCENT or supply.high_percent < NEAR_PERCENT:
        return False
    line_v = supply.line_v
    if min(line) < line_v * (1.0 - share) or max(line) > line_v * (1.0 + share):
        return False
    if picture.u2_percent > supply.u2_limit_percent or abs(neutral) > NOTABLE_NEUTRAL * nominal_v:
        return False
    residual_v, scale_v, small_v = picture.residual_v, picture.scale_residual_v, SMALL_RESIDUAL * nominal_v
    if residual_v is None or residual_v > small_v or scale_v is None or abs(scale_v) > small_v:
        return False
    return _earth_still(picture, nominal_v)


def _earth_still(picture: Picture, nominal_v: float) -> bool:
    apart, direct_v = picture.neutral_earth, picture.neutral_earth_measured_v
    still = apart is None or abs(apart) <= 5.0 * nominal_v / 230.0
    return still and (direct_v is None or direct_v < SMALL_DIRECT_V)
