"""The vocabulary: every quantity a meter can say, once, with its unit.

The field's words, one per idea: site, bus, meter, point, profile, register, word, quantity, reading, window,
picture, verdict, limit, condition, breach, alert, event. A quantity's name is the same string in YAML, code,
topics and documents. Import of power is positive; voltages and currents are RMS magnitudes.
"""

from typing import Final

PHASES: Final = ("l1", "l2", "l3")
"""Slugs of the phases, in order; people and payloads are shown `L1`, `L2`, `L3`."""

LN: Final = ("voltage_l1_n", "voltage_l2_n", "voltage_l3_n")
LL: Final = ("voltage_l1_l2", "voltage_l2_l3", "voltage_l3_l1")
LPE: Final = ("voltage_l1_pe", "voltage_l2_pe", "voltage_l3_pe")
NPE: Final = "voltage_n_pe"
VOLTAGES: Final = (*LN, *LL, *LPE, NPE)
CURRENTS: Final = ("current_l1", "current_l2", "current_l3")
CURRENT_N: Final = "current_n"
FREQUENCY: Final = "frequency"

UNITS: Final[dict[str, str]] = {
    **dict.fromkeys(VOLTAGES, "V"),
    **dict.fromkeys(CURRENTS, "A"),
    CURRENT_N: "A",
    "residual_current": "A",
    FREQUENCY: "Hz",
    "active_power_l1": "W",
    "active_power_l2": "W",
    "active_power_l3": "W",
    "active_power_total": "W",
    "thd_voltage_l1": "%",
    "thd_voltage_l2": "%",
    "thd_voltage_l3": "%",
}
"""Unit of every quantity; its keys are the whole vocabulary."""


def phase_name(slug: str) -> str:
    """Return the name shown to people: `l1` -> `L1`."""
    return slug.upper()
