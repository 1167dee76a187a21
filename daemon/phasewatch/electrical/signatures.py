"""The fault signatures in the order they are checked: the first that holds names the cause.

A moved corner takes the centroid along, so no neutral or earth row tests a shift alone: it tests kappa or the
distance of N from PE. The last rows are limits that hold whatever the cause.
"""

from typing import Final

from phasewatch.electrical.geometry import Triple
from phasewatch.electrical.look import ALL, CORNER_KAPPA, Look, Match, Signature
from phasewatch.electrical.neutral_faults import (
    earth_moved,
    neutral_earth_harmonics,
    neutral_high_resistance,
    neutral_open,
    pen_open,
    single_phase_overload,
)
from phasewatch.electrical.phase_faults import (
    interruption,
    mv_phase_lost,
    phase_lost,
    phase_lost_backfed,
    phase_lost_regenerated,
    phase_lost_two_stages,
    two_phases_lost,
)
from phasewatch.electrical.supply import System
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
    low, high = 1.0 + look.supply.low_percent / 100.0, 1.0 + look.supply.high_percent / 100.0
    over = tuple(i for i in ALL if look.v[i] > high)
    under = tuple(i for i in ALL if look.v[i] < low)
    if not over and not under:
        return None
    if max(look.v) - 1.0 > 1.0 - min(look.v):
        return Match("overvoltage", over)
    return Match("undervoltage", under)


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

_APPLICABLE: Final = {system: tuple(s for s in SIGNATURES if s not in gone) for system, gone in _NOT_THERE.items()}


def applicable(system: System | None) -> tuple[Signature, ...]:
    """Return the signatures that mean something on this kind of supply, in order."""
    return SIGNATURES if system is None else _APPLICABLE.get(system, SIGNATURES)
