"""Neutral to earth, measured directly or from the two sets of phase voltages, against a limit."""

from collections.abc import Iterator
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.electrical.severity import NOTABLE_NEUTRAL_EARTH_V, Bands, band
from phasewatch.rules.rule import TO_EARTH, UNKNOWN, Condition, Limit, PointRule, RuleSettings, View, margin_v

TOUCH_VOLTAGE_V: Final = 50.0
NOT_JUDGED: Final = ("IT", "three_wire")
"""Systems without a bonded neutral."""


class Settings(RuleSettings):
    """Limits in volts; None: those of the preset, or 5 V and a touch voltage of 50 V."""

    limit_v: float | None = Field(default=None, gt=0)
    touch_voltage_v: float | None = Field(default=None, gt=0)
    """From here on it is critical, from half of it high."""
    on_delay_s: float = Field(default=5.0, ge=0)
    off_delay_s: float = Field(default=30.0, ge=0)
    on_polls: int = Field(default=3, ge=1)


class NeutralEarthVoltage(PointRule[Settings]):
    """Judges the neutral-earth voltage; supplies without a bonded neutral have no such limit."""

    name: ClassVar = "neutral_earth_voltage"
    settings_model: ClassVar = Settings
    rank: ClassVar = 70
    root_of: ClassVar = frozenset(("neutral_earth_harmonics",))
    needs: ClassVar = TO_EARTH

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield the one condition of the point; unknown where neither N-PE nor L-PE is read."""
        supply = view.diagnosis.supply
        if supply.system in NOT_JUDGED:
            return
        value_v = view.diagnosis.picture.neutral_earth_v
        if value_v is None:
            yield UNKNOWN
            return
        limit_v, source, _ = self._limit(view)
        clear_v = limit_v - margin_v(limit_v)
        severity = self.settings.severity or band(value_v, self._bands(view))
        yield Condition(value_v > limit_v, value_v <= clear_v, None, value_v, limit_v, clear_v, "V", severity, source)

    def limits(self, view: View) -> tuple[Limit, ...]:
        """Return the highest voltage allowed; () without a bonded neutral."""
        if view.diagnosis.supply.system in NOT_JUDGED:
            return ()
        limit_v, source, own = self._limit(view)
        return (Limit(None, limit_v, "V", source, own, "N–PE"),)

    def _limit(self, view: View) -> tuple[float, str | None, bool]:
        """Return the limit in volts, its source, and whether it is the user's own."""
        own_v, preset, diagnosis = self.settings.limit_v, view.limits.neutral_earth_v, view.diagnosis
        limit_v, source = (NOTABLE_NEUTRAL_EARTH_V, None) if preset is None else (preset.limit_v, preset.source)
        if own_v is not None:
            limit_v, source = own_v, None
        if diagnosis.picture.neutral_earth_measured_v is None:
            # What is only calculated cannot break a limit that its own noise reaches.
            limit_v = max(limit_v, diagnosis.supply.displacement_floor_v)
        return limit_v, source, own_v is not None

    def _bands(self, view: View) -> Bands:
        preset = next((limit.limit_v for limit in view.limits.touch_voltage_v), TOUCH_VOLTAGE_V)
        touch_v = self.settings.touch_voltage_v or preset
        return (touch_v, "critical"), (touch_v / 2.0, "high"), (0.0, "medium")
