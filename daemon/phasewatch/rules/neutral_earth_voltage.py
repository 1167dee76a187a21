"""Neutral to earth, measured directly or from the two sets of phase voltages, against a limit."""

from collections.abc import Iterator
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.electrical.severity import Bands, band
from phasewatch.rules.rule import UNKNOWN, Condition, RuleSettings, View, margin_v

LIMIT_V: Final = 5.0
"""More between neutral and earth is worth a look in practice; no international standard limits it."""
TOUCH_VOLTAGE_V: Final = 50.0


class Settings(RuleSettings):
    """Limits in volts; None: those of the preset, or 5 V and a touch voltage of 50 V."""

    limit_v: float | None = Field(default=None, gt=0)
    touch_voltage_v: float | None = Field(default=None, gt=0)
    """From here on it is critical, from half of it high."""
    on_delay_s: float = Field(default=5.0, ge=0)
    off_delay_s: float = Field(default=30.0, ge=0)
    on_polls: int = Field(default=3, ge=1)


class NeutralEarthVoltage:
    """Judges the neutral-earth voltage; supplies without a bonded neutral have no such limit."""

    name: ClassVar = "neutral_earth_voltage"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield the one condition of the point; unknown where neither N-PE nor L-PE is read."""
        supply = view.diagnosis.supply
        if supply.system in ("IT", "three_wire"):
            return
        value_v = view.diagnosis.picture.neutral_earth_v
        if value_v is None:
            yield UNKNOWN
            return
        # What is only calculated cannot break a limit that its own noise reaches.
        direct = view.diagnosis.picture.neutral_earth_measured_v is not None
        limit_v, source = self._limit(view)
        limit_v = limit_v if direct else max(limit_v, supply.displacement_floor_v)
        clear_v = limit_v - margin_v(limit_v)
        severity = self.settings.severity or band(value_v, self._bands(view))
        yield Condition(value_v > limit_v, value_v <= clear_v, None, value_v, limit_v, clear_v, "V", severity, source)

    def _limit(self, view: View) -> tuple[float, str | None]:
        preset = view.limits.neutral_earth_v
        if self.settings.limit_v is not None:
            return self.settings.limit_v, None
        return (LIMIT_V, None) if preset is None else (preset.limit_v, preset.source)

    def _bands(self, view: View) -> Bands:
        preset = next((limit.limit_v for limit in view.limits.touch_voltage_v), TOUCH_VOLTAGE_V)
        touch_v = self.settings.touch_voltage_v or preset
        return (touch_v, "critical"), (touch_v / 2.0, "high"), (0.0, "medium")
