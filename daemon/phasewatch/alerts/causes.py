"""Which verdict is whose: one cause, one alert.

Each verdict has a root rule; while the root's alert is pending or standing, the rules it explains are held. A held
rule waits; one that was already active becomes suppressed; one that was never raised says nothing.
"""

from typing import Final

from phasewatch.rules import earth_displacement, neutral_displacement, phase_loss
from phasewatch.rules.catalogue import POINT_RULES
from phasewatch.rules.wiring import CODES as WIRING_CODES

_EVERY_VOLTAGE_RULE: Final = frozenset(POINT_RULES)
"""All rules of a point judge voltages."""

HOLDS: Final[dict[str, frozenset[str]]] = {
    "interruption": _EVERY_VOLTAGE_RULE - {"interruption"},
    "wiring": _EVERY_VOLTAGE_RULE - {"wiring", "interruption"},
    "phase_loss": _EVERY_VOLTAGE_RULE - {"phase_loss", "interruption", "wiring"},
    "neutral_displacement": frozenset(
        ("neutral_earth_voltage", "earth_displacement", "voltage_deviation", "voltage_dip", "voltage_swell")
    ),
    "earth_displacement": frozenset(("neutral_earth_voltage",)),
}
"""Root rule -> the rules it explains."""

ROOT: Final[dict[str, str]] = {
    "interruption": "interruption",
    **dict.fromkeys(WIRING_CODES, "wiring"),
    **dict.fromkeys(phase_loss.CODES, "phase_loss"),
    **dict.fromkeys(neutral_displacement.CODES, "neutral_displacement"),
    **dict.fromkeys(earth_displacement.CODES, "earth_displacement"),
    "supply_unbalance": "voltage_unbalance",
    "neutral_earth_harmonics": "neutral_earth_voltage",
    **dict.fromkeys(("overvoltage", "undervoltage", "single_phase_overload"), "voltage_deviation"),
}
"""Verdict code -> the rule that raises it."""
