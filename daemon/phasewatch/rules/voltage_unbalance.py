"""Negative over positive sequence of the line voltages (u2) against the limit."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from phasewatch.electrical.severity import UNBALANCE_PERCENT, band
from phasewatch.rules.rule import UNKNOWN, Condition, RuleSettings, View


class Settings(RuleSettings):
    """The limit in percent; None: that of the preset."""

    limit_percent: float | None = Field(default=None, gt=0)
    hysteresis_percent: float = Field(default=0.3, ge=0)


class VoltageUnbalance:
    """Judges u2."""

    name: ClassVar = "voltage_unbalance"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield the one condition of the point; unknown without line voltages, none without three phases."""
        if view.diagnosis.supply.system in ("split_phase", "single_phase"):
            return
        u2 = view.diagnosis.picture.u2_percent
        if u2 is None:
            yield UNKNOWN
            return
        limit, source = self._limit(view)
        clear = max(limit / 2.0, limit - self.settings.hysteresis_percent)
        severity = self.settings.severity or band(u2, UNBALANCE_PERCENT)
        yield Condition(u2 > limit, u2 <= clear, None, u2, limit, clear, "%", severity, source)

    def _limit(self, view: View) -> tuple[float, str | None]:
        if self.settings.limit_percent is not None:
            return self.settings.limit_percent, None
        preset = next((limit for limit in view.limits.voltage_unbalance if limit.measure == "u2"), None)
        if preset is None:
            return view.diagnosis.supply.u2_limit_percent, None
        return preset.limit_percent, preset.source
