"""How uneven the three voltages are, by the measure of the limit preset.

u2 is negative over positive sequence of the line voltages (EN 50160, GB/T 15543); LVUR the largest deviation from the
mean of the line voltages (NEMA MG 1, ANSI C84.1), PVUR that of the phase voltages.
"""

from collections.abc import Iterator
from typing import ClassVar, Final, Literal

from pydantic import Field

from phasewatch.electrical.geometry import Picture
from phasewatch.electrical.severity import UNBALANCE_PERCENT, band
from phasewatch.rules.rule import UNKNOWN, Condition, Limit, PointRule, RuleSettings, View

Measure = Literal["u2", "lvur", "pvur"]

U2: Final = "u2"
NAMES: Final[dict[Measure, str]] = {"u2": U2, "lvur": "LVUR", "pvur": "PVUR"}
NOT_JUDGED: Final = ("split_phase", "high_leg", "single_phase")
"""Systems without three equal phases."""
HARMLESS_PERCENT: Final = 2.0
"""Up to here a stricter limit is advice: networks may deliver as much."""


class Settings(RuleSettings):
    """The limit in percent; None: that of the preset, or u2 2 %."""

    measure: Measure | None = None
    """None: that of the preset."""
    limit_percent: float | None = Field(default=None, gt=0)
    hysteresis_percent: float = Field(default=0.3, ge=0)


class VoltageUnbalance(PointRule[Settings]):
    """Judges one measure."""

    name: ClassVar = "voltage_unbalance"
    settings_model: ClassVar = Settings
    rank: ClassVar = 60
    root_of: ClassVar = frozenset(("supply_unbalance",))

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield the one condition of the point; unknown without its voltages, none without three phases."""
        if view.diagnosis.supply.system in NOT_JUDGED:
            return
        measure, limit, source, _ = self._limit(view)
        value = _value(view.diagnosis.picture, measure)
        if value is None:
            yield UNKNOWN
            return
        clear = max(limit / 2.0, limit - self.settings.hysteresis_percent)
        severity = self.settings.severity or ("low" if value <= HARMLESS_PERCENT else band(value, UNBALANCE_PERCENT))
        yield Condition(
            value > limit, value <= clear, None, value, limit, clear, "%", severity, source, detail=NAMES[measure]
        )

    def limits(self, view: View) -> tuple[Limit, ...]:
        """Return the highest unbalance allowed, by its measure; () without three phases."""
        if view.diagnosis.supply.system in NOT_JUDGED:
            return ()
        measure, percent, source, own = self._limit(view)
        return (Limit(None, percent, "%", source, own, NAMES[measure]),)

    def _limit(self, view: View) -> tuple[Measure, float, str | None, bool]:
        """Return measure, limit in percent, source, and whether it is the user's own.

        The preset's limit holds for its own measure only.
        """
        own, wanted = self.settings.limit_percent, self.settings.measure
        presets = [limit for limit in view.limits.voltage_unbalance if wanted in (None, limit.measure)]
        measure: Measure = wanted or (presets[0].measure if presets else "u2")
        if own is not None:
            return measure, own, None, True
        if presets:
            return measure, presets[0].limit_percent, presets[0].source, False
        return measure, view.diagnosis.supply.u2_limit_percent, None, False


def _value(picture: Picture, measure: Measure) -> float | None:
    values = {"u2": picture.u2_percent, "lvur": picture.lvur_percent, "pvur": picture.pvur_percent}
    return values[measure]
