"""Every rule there is, by the name that site files, topics and documents use."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from phasewatch.rules import (
    bus_overloaded,
    clock_unsynchronised,
    delivery_rejected,
    earth_displacement,
    frequency_deviation,
    frozen_readings,
    interruption,
    meter_offline,
    neutral_displacement,
    neutral_earth_voltage,
    neutral_impedance,
    outbox_overflow,
    phase_loss,
    storage_degraded,
    voltage_deviation,
    voltage_dip,
    voltage_swell,
    voltage_unbalance,
    wiring,
)
from phasewatch.rules.rule import BusRule, DaemonRule, MeterRule, Rule, RuleSettings

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Entry(Generic[Made]):
    """A rule's settings, and how it is made from them for one subject."""

    settings: type[RuleSettings]
    make: Callable[[Any], Made]


POINT_RULES: Final[dict[str, Entry[Rule]]] = {
    "interruption": Entry(interruption.Settings, interruption.Interruption),
    "wiring": Entry(wiring.Settings, wiring.Wiring),
    "phase_loss": Entry(phase_loss.Settings, phase_loss.PhaseLoss),
    "neutral_displacement": Entry(neutral_displacement.Settings, neutral_displacement.NeutralDisplacement),
    "earth_displacement": Entry(earth_displacement.Settings, earth_displacement.EarthDisplacement),
    "voltage_unbalance": Entry(voltage_unbalance.Settings, voltage_unbalance.VoltageUnbalance),
    "neutral_earth_voltage": Entry(neutral_earth_voltage.Settings, neutral_earth_voltage.NeutralEarthVoltage),
    "voltage_deviation": Entry(voltage_deviation.Settings, voltage_deviation.VoltageDeviation),
    "voltage_dip": Entry(voltage_dip.Settings, voltage_dip.VoltageDip),
    "voltage_swell": Entry(voltage_swell.Settings, voltage_swell.VoltageSwell),
    "frequency_deviation": Entry(frequency_deviation.Settings, frequency_deviation.FrequencyDeviation),
    "neutral_impedance": Entry(neutral_impedance.Settings, neutral_impedance.NeutralImpedance),
}
"""Rules of a point; a rule that explains others stands before them."""

METER_RULES: Final[dict[str, Entry[MeterRule]]] = {
    "meter_offline": Entry(meter_offline.Settings, meter_offline.MeterOffline),
    "frozen_readings": Entry(frozen_readings.Settings, frozen_readings.FrozenReadings),
}
"""Rules of a meter, in the same order."""

BUS_RULES: Final[dict[str, Entry[BusRule]]] = {
    "bus_overloaded": Entry(bus_overloaded.Settings, bus_overloaded.BusOverloaded),
}
"""Rules of a bus."""

DAEMON_RULES: Final[dict[str, Entry[DaemonRule]]] = {
    "storage_degraded": Entry(storage_degraded.Settings, storage_degraded.StorageDegraded),
    "outbox_overflow": Entry(outbox_overflow.Settings, outbox_overflow.OutboxOverflow),
    "delivery_rejected": Entry(delivery_rejected.Settings, delivery_rejected.DeliveryRejected),
    "clock_unsynchronised": Entry(clock_unsynchronised.Settings, clock_unsynchronised.ClockUnsynchronised),
}
"""Rules of the daemon itself."""

RULES: Final[dict[str, type[RuleSettings]]] = {
    **{name: entry.settings for name, entry in POINT_RULES.items()},
    **{name: entry.settings for name, entry in METER_RULES.items()},
    **{name: entry.settings for name, entry in BUS_RULES.items()},
    **{name: entry.settings for name, entry in DAEMON_RULES.items()},
}
"""Every rule with its settings."""
