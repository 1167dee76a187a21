"""The frequency against the band of the limit preset.

Severity bands and delays are design choices; the limits are the preset's, such as EN 50160 §4.2.1 or GB/T 15945.
"""

from collections.abc import Iterator
from math import inf
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.electrical.limits import Band
from phasewatch.electrical.severity import Bands, band
from phasewatch.meters.quantities import FREQUENCY
from phasewatch.rules.rule import UNKNOWN, Allowed, Condition, Limit, PointRule, RuleSettings, View, allowed_band

ONE_PERCENT: Final = Band(lower_percent=-1, upper_percent=1, source="EN 50160")
RISE_PERCENT: Final[Bands] = ((4.0, "critical"), (2.0, "high"), (1.0, "medium"))
FALL_PERCENT: Final[Bands] = ((6.0, "critical"), (2.0, "high"), (1.0, "medium"))


class Settings(RuleSettings):
    """Limits in percent of nominal, signed; None: those of the preset, or 1 %."""

    lower_percent: float | None = Field(default=None, ge=-100, le=0)
    upper_percent: float | None = Field(default=None, ge=0, le=100)
    hysteresis_percent: float = Field(default=0.1, ge=0)
    on_delay_s: float = Field(default=10.0, ge=0)
    off_delay_s: float = Field(default=30.0, ge=0)
    on_polls: int = Field(default=3, ge=1)


class FrequencyDeviation(PointRule[Settings]):
    """Judges the frequency as the meter gives it."""

    name: ClassVar = "frequency_deviation"
    settings_model: ClassVar = Settings
    rank: ClassVar = 110
    judges: ClassVar = "frequency"
    needs: ClassVar = (frozenset((FREQUENCY,)),)

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield the one condition of the point; unknown where no frequency is read, as on a dead supply."""
        value_hz = view.reading.values.get(FREQUENCY)
        if value_hz is None:
            yield UNKNOWN
            return
        nominal_hz = view.diagnosis.supply.frequency_hz
        allowed = self._allowed(view)
        low_hz, high_hz = allowed.band.bounds(nominal_hz)
        lower, upper = -inf if low_hz is None else low_hz, inf if high_hz is None else high_hz
        margin_hz = min(self.settings.hysteresis_percent / 100.0 * nominal_hz, (upper - lower) / 4.0)
        high = value_hz - upper > lower - value_hz
        percent = 100.0 * (value_hz / nominal_hz - 1.0)
        severity = band(percent, RISE_PERCENT) if percent > 0.0 else band(-percent, FALL_PERCENT)
        yield Condition(
            value_hz < lower or value_hz > upper,
            lower + margin_hz <= value_hz <= upper - margin_hz,
            value=value_hz,
            limit=upper if high else lower,
            clear_limit=upper - margin_hz if high else lower + margin_hz,
            unit="Hz",
            severity=self.settings.severity or severity,
            source=allowed.source,
        )

    def limits(self, view: View) -> tuple[Limit, ...]:
        """Return the band of the frequency."""
        return (self._allowed(view).limit(view.diagnosis.supply.frequency_hz, "Hz"),)

    def _allowed(self, view: View) -> Allowed:
        preset = next(iter(view.limits.frequency_deviation), None)
        return allowed_band(preset, ONE_PERCENT, self.settings.lower_percent, self.settings.upper_percent)
