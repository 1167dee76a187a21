"""The fault signatures in the order they are checked: the first that holds names the cause.

A moved corner takes the centroid along, so no neutral or earth row tests a shift alone: it tests kappa or the
distance of N from PE. The last rows are limits that hold whatever the cause.
"""

from typing import Final

from phasewatch.electrical.geometry import Triple
from phasewatch.electrical.neutral_faults import (
    earth_moved,
    neutral_earth_harmonics,
    neutral_high_resistance,
    neutral_open,
    pen_open,
    single_phase_overload,
)
from phasewatch.electrical.per_unit import ALL, CORNER_KAPPA, DEAD, Look, Match, Signature
from phasewatch.electrical.phase_faults import (
    interruption,
    mv_phase_lost,
    phase_lost,
    phase_lost_backfed,
    phase_lost_regenerated,
    phase_lost_two_stages,
    two_phases_lost,
)
from phasewatch.electrical.supply import SQRT3, Supply, System
from phasewatch.electrical.wiring_faults import (
    high_leg_delta,
    impossible_point,
    impossible_triangle,
    inputs_on_one_phase,
    line_voltage_in_phase_registers,
    neutral_swapped,
    scale_mismatch,
    split_phase,
)

_ROUNDING: Final = 1e-9


def supply_unbalance(look: Look) -> Match | None:
    u2 = look.picture.u2_percent
    if u2 is None or u2 <= look.supply.u2_limit_percent:
        return None
    return (
        Match("supply_unbalance", _farthest(look.line)) if look.kappa is None or look.kappa < CORNER_KAPPA * 2 else None
    )


def _farthest(line: Triple | None) -> tuple[int, ...]:
    """Return the phase opposite the line voltage that differs most: the corner that moved."""
    if line is None:
        return ()
    mean = sum(line) / 3.0
    odd = max(ALL, key=lambda i: abs(line[i] - mean))
    ordered = sorted(abs(side - mean) for side in line)
    return ((odd + 2) % 3,) if ordered[2] > 1.2 * ordered[1] else ()


def beyond_limits(look: Look) -> Match | None:
    """Hold the phases against the limits, whatever the cause: overvoltage, undervoltage."""
    if look.v is None:
        return None
    return _beyond(look.v, ALL, look.supply)


def legs_beyond_limits(look: Look) -> Match | None:
    """Hold the legs of a supply that is not three equal phases against the limits; a dead input is no leg."""
    if look.v is None:
        return None
    seen = look.history.seen_live if look.history is not None else (False, False, False)
    legs = tuple(i for i in ALL if look.v[i] >= DEAD or seen[i])
    v = look.v
    if look.supply.system == "high_leg":
        high_leg = v.index(max(v))
        v = (
            v[0] / SQRT3 if high_leg == 0 else v[0],
            v[1] / SQRT3 if high_leg == 1 else v[1],
            v[2] / SQRT3 if high_leg == 2 else v[2],
        )
    return _beyond(v, legs, look.supply)


def _beyond(v: Triple, judged: tuple[int, ...], supply: Supply) -> Match | None:
    """Return the limit that is broken further; its edge, whatever rounding makes of it, belongs to the inside."""
    high, low = 1.0 + supply.high_percent / 100.0 + _ROUNDING, 1.0 + supply.low_percent / 100.0 - _ROUNDING
    if low <= min(v) and max(v) <= high:
        return None
    rise, sag = max((v[i] - high for i in judged), default=0.0), max((low - v[i] for i in judged), default=0.0)
    if rise <= 0.0 and sag <= 0.0:
        return None
    if rise > sag:
        return Match("overvoltage", tuple(i for i in judged if v[i] > high))
    return Match("undervoltage", tuple(i for i in judged if v[i] < low))


SIGNATURES: Final[tuple[Signature, ...]] = (
    interruption,
    inputs_on_one_phase,
    impossible_triangle,
    neutral_swapped,
    line_voltage_in_phase_registers,
    split_phase,
    high_leg_delta,
    two_phases_lost,
    scale_mismatch,
    mv_phase_lost,
    phase_lost_two_stages,
    phase_lost,
    phase_lost_backfed,
    phase_lost_regenerated,
    impossible_point,
    pen_open,
    neutral_open,
    neutral_high_resistance,
    single_phase_overload,
    earth_moved,
    neutral_earth_harmonics,
    supply_unbalance,
    beyond_limits,
)

_NO_NEUTRAL: Final = (
    neutral_swapped,
    scale_mismatch,
    pen_open,
    neutral_open,
    neutral_high_resistance,
    single_phase_overload,
)
_NOT_THERE: Final[dict[System, tuple[Signature, ...]]] = {
    "IT": (pen_open, neutral_earth_harmonics),
    "TT": (pen_open,),
    "three_wire": (*_NO_NEUTRAL, earth_moved, neutral_earth_harmonics),
}
"""Signatures that a kind of supply cannot show, or shows in health."""

_OTHER_KINDS: Final = (interruption, legs_beyond_limits)
"""What means something where there are not three equal phases: the picture is not drawn for it."""

_APPLICABLE: Final[dict[System, tuple[Signature, ...]]] = {
    **{system: tuple(s for s in SIGNATURES if s not in gone) for system, gone in _NOT_THERE.items()},
    "split_phase": _OTHER_KINDS,
    "high_leg": _OTHER_KINDS,
    "single_phase": _OTHER_KINDS,
}


def applicable(system: System | None) -> tuple[Signature, ...]:
    """Return the signatures that mean something on this kind of supply, in order."""
    return SIGNATURES if system is None else _APPLICABLE.get(system, SIGNATURES)
