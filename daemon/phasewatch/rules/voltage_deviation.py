"""Each phase against the limit preset: its 10-minute mean, and the value itself held for the delay."""

from collections.abc import Iterator
from math import inf
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.electrical.limits import Band
from phasewatch.electrical.severity import RISE_PERCENT, SAG_PERCENT, Severity, band
from phasewatch.meters.quantities import LN, PHASES
from phasewatch.rules import neutral_displacement, phase_loss, wiring
from phasewatch.rules.aggregates import TenMinutes
from phasewatch.rules.rule import (
    Allowed,
    Condition,
    Limit,
    LivePhase,
    PointRule,
    RuleSettings,
    View,
    allowed_band,
    live_phases,
)

TEN_PERCENT: Final = Band(lower_percent=-10, upper_percent=10, source="EN 50160")

FAULTS: Final = phase_loss.CODES | neutral_displacement.CODES | wiring.CODES | {"interruption"}
"""Verdicts on voltages that are not those of the supply in operation."""

Held = tuple[float, float, float]
"""Lower limit, upper limit and margin, V."""


class Settings(RuleSettings):
    """Limits in percent of nominal, signed; None: those of the preset, or 10 %."""

    lower_percent: float | None = Field(default=None, ge=-100, le=0)
    upper_percent: float | None = Field(default=None, ge=0, le=1000)
    hysteresis_percent: float = Field(default=2.0, ge=0)


class VoltageDeviation(PointRule[Settings]):
    """Keeps the running 10-minute block of each phase."""

    name: ClassVar = "voltage_deviation"
    settings_model: ClassVar = Settings
    rank: ClassVar = 80
    root_of: ClassVar = frozenset(("overvoltage", "undervoltage", "single_phase_overload"))
    by_phase: ClassVar = True

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._means = {phase: TenMinutes(quantity) for phase, quantity in zip(PHASES, LN, strict=True)}

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield one condition a phase; a phase that the point does not have has none."""
        allowed, source, _ = self.allowed(view)
        held: dict[float, Held] = {}
        # A mean over a fault would be an alert of its own when the fault is long gone (flagging in IEC 61000-4-30).
        valid = view.diagnosis.verdict.code not in FAULTS
        for phase in live_phases(view):
            mean_v = self._means[phase.slug].add(view.reading, valid)
            if phase.value_v is None:
                yield Condition(None, None, phase.slug)
            else:
                bounds = held.get(phase.nominal_v)
                if bounds is None:
                    bounds = held[phase.nominal_v] = self._held(allowed, phase.nominal_v)
                yield self._condition(phase, phase.value_v, mean_v, bounds, source)

    def _held(self, allowed: Band, nominal_v: float) -> Held:
        low_v, high_v = allowed.bounds(nominal_v)
        lower, upper = -inf if low_v is None else low_v, inf if high_v is None else high_v
        # In a band narrower than the hysteresis an alert could never clear.
        return lower, upper, min(self.settings.hysteresis_percent / 100.0 * nominal_v, (upper - lower) / 4.0)

    def _condition(
        self, phase: LivePhase, value_v: float, mean_v: float | None, bounds: Held, source: str | None
    ) -> Condition:
        nominal_v = phase.nominal_v
        lower, upper, margin_v = bounds
        worst_v = value_v
        if mean_v is not None and max(mean_v - upper, lower - mean_v) > max(value_v - upper, lower - value_v):
            worst_v = mean_v
        high = worst_v - upper > lower - worst_v
        limit_v = upper if high else lower
        clear_v = limit_v - margin_v if high else limit_v + margin_v
        beyond = worst_v > upper or worst_v < lower
        inside = lower + margin_v <= worst_v <= upper - margin_v
        severity = self.settings.severity or _severity(100.0 * (worst_v / nominal_v - 1.0))
        return Condition(beyond, inside, phase.slug, worst_v, limit_v, clear_v, "V", severity, source)

    def limits(self, view: View) -> tuple[Limit, ...]:
        """Return the band of a phase; the high leg of a delta has its own."""
        return (self.allowed(view).limit(view.diagnosis.supply.nominal_v, "V", "L–N"),)

    def allowed(self, view: View) -> Allowed:
        """Return the band of a phase in percent of nominal."""
        preset = view.limits.deviation_band(view.diagnosis.supply.system)
        return allowed_band(preset, TEN_PERCENT, self.settings.lower_percent, self.settings.upper_percent)


def _severity(percent: float) -> Severity:
    return band(percent, RISE_PERCENT) if percent > 0.0 else band(-percent, SAG_PERCENT)
