"""Every rule there is, by the name that site files, topics and documents use."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from phasewatch.rules import (
    earth_displacement,
    interruption,
    meter_offline,
    neutral_displacement,
    neutral_earth_voltage,
    phase_loss,
    voltage_deviation,
    voltage_unbalance,
    wiring,
)
from phasewatch.rules.rule import Rule, RuleSettings


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule's settings, and how it is made from them for one point."""

    settings: type[RuleSettings]
    make: Callable[[Any], Rule]


POINT_RULES: Final[dict[str, Entry]] = {
    "interruption": Entry(interruption.Settings, interruption.Interruption),
    "wiring": Entry(wiring.Settings, wiring.Wiring),
    "phase_loss": Entry(phase_loss.Settings, phase_loss.PhaseLoss),
    "neutral_displacement": Entry(neutral_displacement.Settings, neutral_displacement.NeutralDisplacement),
    "earth_displacement": Entry(earth_displacement.Settings, earth_displacement.EarthDisplacement),
    "voltage_unbalance": Entry(voltage_unbalance.Settings, voltage_unbalance.VoltageUnbalance),
    "neutral_earth_voltage": Entry(neutral_earth_voltage.Settings, neutral_earth_voltage.NeutralEarthVoltage),
    "voltage_deviation": Entry(voltage_deviation.Settings, voltage_deviation.VoltageDeviation),
}
"""Rules of a point; a rule that explains others stands before them."""

METER_RULES: Final[dict[str, type[RuleSettings]]] = {"meter_offline": meter_offline.Settings}
"""Rules of a meter."""

RULES: Final[dict[str, type[RuleSettings]]] = {
    **{name: entry.settings for name, entry in POINT_RULES.items()},
    **METER_RULES,
}
"""Every rule with its settings."""
