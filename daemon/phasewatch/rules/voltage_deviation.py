"""Each phase against the limit preset: its 10-minute mean, and the value itself held for the delay."""

from collections.abc import Iterator
from math import inf, isinf
from typing import ClassVar

from pydantic import Field

from phasewatch.electrical.severity import RISE_PERCENT, SAG_PERCENT, Severity, band
from phasewatch.meters.quantities import LN, PHASES
from phasewatch.rules.rule import Condition, RuleSettings, View
from phasewatch.rules.ten_minutes import TenMinutes


class Settings(RuleSettings):
    """Limits in percent of nominal, signed; None: those of the preset."""

    lower_percent: float | None = Field(default=None, ge=-100, le=0)
    upper_percent: float | None = Field(default=None, ge=0, le=1000)
    hysteresis_percent: float = Field(default=2.0, ge=0)


class VoltageDeviation:
    """Keeps the running 10-minute block of each phase."""

    name: ClassVar = "voltage_deviation"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._means = tuple(TenMinutes(quantity) for quantity in LN)

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield one condition a phase; a phase that the point does not have has none."""
        lower, upper, source = self._bounds(view)
        if isinf(lower) and isinf(upper):
            return
        nominal_v = view.diagnosis.supply.nominal_v
        # In a band narrower than the hysteresis an alert could never clear.
        margin_v = min(self.settings.hysteresis_percent / 100.0 * nominal_v, (upper - lower) / 4.0)
        for phase, quantity, live, block in zip(PHASES, LN, view.live_from_start, self._means, strict=True):
            mean_v = block.add(view.reading)
            value_v = view.reading.values.get(quantity)
            if value_v is None:
                yield Condition(None, None, phase)
                continue
            if not live:
                continue
            worst_v = value_v if mean_v is None else max(value_v, mean_v, key=lambda v: max(v - upper, lower - v))
            high = worst_v - upper > lower - worst_v
            limit_v = upper if high else lower
            clear_v = limit_v - margin_v if high else limit_v + margin_v
            beyond = worst_v > upper or worst_v < lower
            inside = lower + margin_v <= worst_v <= upper - margin_v
            severity = self.settings.severity or _severity(100.0 * (worst_v / nominal_v - 1.0))
            yield Condition(beyond, inside, phase, worst_v, limit_v, clear_v, "V", severity, source)

    def _bounds(self, view: View) -> tuple[float, float, str | None]:
        nominal_v = view.diagnosis.supply.nominal_v
        preset = view.limits.voltage_deviation[0] if view.limits.voltage_deviation else None
        lower, upper = preset.bounds(nominal_v) if preset is not None else (None, None)
        source = preset.source if preset is not None else None
        if self.settings.lower_percent is not None:
            lower, source = nominal_v * (1.0 + self.settings.lower_percent / 100.0), None
        if self.settings.upper_percent is not None:
            upper, source = nominal_v * (1.0 + self.settings.upper_percent / 100.0), None
        return -inf if lower is None else lower, inf if upper is None else upper, source


def _severity(percent: float) -> Severity:
    return band(percent, RISE_PERCENT) if percent > 0.0 else band(-percent, SAG_PERCENT)
