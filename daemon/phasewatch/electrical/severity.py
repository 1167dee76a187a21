"""How urgent a verdict is: bands by volts and percent.

Bands are design choices after touch voltage limits (IEC 60364-4-41: 50 V) and open-PEN practice (BS 7671: 70 V);
a band that quotes no standard may be tuned.
"""

from collections.abc import Callable
from typing import Final, Literal, get_args

from phasewatch.electrical.per_unit import Look, Match

Severity = Literal["critical", "high", "medium", "low"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
"""The most urgent first."""
RANK: Final[dict[str, int]] = {severity: n for n, severity in enumerate(reversed(SEVERITIES))}
"""Severity -> 0 for the least urgent."""

Bands = tuple[tuple[float, Severity], ...]
"""(at least, severity), the worst first."""

NOTABLE_NEUTRAL_EARTH_V: Final = 5.0
"""More between neutral and earth is worth a look in practice; no international standard limits it."""
NEUTRAL_EARTH_V: Final[Bands] = ((50.0, "critical"), (25.0, "high"), (NOTABLE_NEUTRAL_EARTH_V, "medium"))
UNBALANCE_PERCENT: Final[Bands] = ((5.0, "critical"), (4.0, "high"), (0.0, "medium"))
RISE_PERCENT: Final[Bands] = ((20.0, "critical"), (15.0, "high"), (0.0, "medium"))
SAG_PERCENT: Final[Bands] = ((30.0, "critical"), (15.0, "high"), (0.0, "medium"))
OPEN_NEUTRAL_V: Final = 70.0
FIRST_FAULT: Final = 0.3
"""Per unit of nominal: in an isolated supply a phase this near to earth has an earth fault."""


def band(value: float, bands: Bands) -> Severity:
    """Return the severity of the first band that the value reaches; `low` below all."""
    for at_least, severity in bands:
        if value >= at_least:
            return severity
    return "low"


def severity_of(match: Match, look: Look) -> Severity:
    """Return the severity of a match."""
    return _BY_CODE.get(match.code, _medium)(look)


def _medium(_look: Look) -> Severity:
    return "medium"


def _high(_look: Look) -> Severity:
    return "high"


def _neutral(look: Look) -> Severity:
    shift_v = 0.0 if look.n is None else look.n * look.supply.nominal_v
    risen = look.v is not None and max(look.v) > 1.2
    gross = look.n is not None and look.n >= 0.3
    return "critical" if shift_v >= OPEN_NEUTRAL_V or risen or gross else "high"


def _earth(look: Look) -> Severity:
    if look.supply.system == "IT":
        return _isolated(look)
    return band(look.picture.neutral_earth_v or 0.0, NEUTRAL_EARTH_V)


def _isolated(look: Look) -> Severity:
    """Return the severity of an earth that is free to move: a first earth fault, or a drift."""
    return "high" if look.e is None or min(look.e) < FIRST_FAULT else "medium"


def _unbalance(look: Look) -> Severity:
    return band(look.picture.u2_percent or 0.0, UNBALANCE_PERCENT)


def _deviation(look: Look) -> Severity:
    if look.v is None:
        return "medium"
    rise, sag = 100.0 * (max(look.v) - 1.0), 100.0 * (1.0 - min(look.v))
    return band(rise, RISE_PERCENT) if rise > sag else band(sag, SAG_PERCENT)


_BY_CODE: Final[dict[str, Callable[[Look], Severity]]] = {
    "interruption": _high,
    "mv_phase_lost": _high,
    "phase_lost": _high,
    "phase_lost_backfed": _high,
    "phase_lost_regenerated": _high,
    "phase_lost_two_stages": _high,
    "two_phases_lost": _high,
    "neutral_open": _neutral,
    "pen_open": _neutral,
    "neutral_high_resistance": _neutral,
    "single_phase_overload": _deviation,
    "earth_displaced": _earth,
    "earth_fault_solid": _earth,
    "neutral_earth_harmonics": _earth,
    "supply_unbalance": _unbalance,
    "overvoltage": _deviation,
    "undervoltage": _deviation,
}
