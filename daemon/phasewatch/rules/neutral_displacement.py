"""N left the centroid while the line triangle is intact: an open or loosening neutral, an open PEN."""

from collections.abc import Iterator
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.electrical.neutral_faults import LOOSE_KAPPA, neutral_limit_v
from phasewatch.rules.rule import UNKNOWN, Condition, Limit, PointRule, RuleSettings, View, margin_v

CODES: Final = frozenset(("neutral_open", "pen_open", "neutral_high_resistance"))


class Settings(RuleSettings):
    """A gross fault: short delays."""

    on_delay_s: float = Field(default=1.0, ge=0)
    off_delay_s: float = Field(default=5.0, ge=0)
    on_polls: int = Field(default=3, ge=1)


class NeutralDisplacement(PointRule[Settings]):
    """Judges by the verdict; clears by the shift or by the triangle."""

    name: ClassVar = "neutral_displacement"
    settings_model: ClassVar = Settings
    rank: ClassVar = 40
    root_of: ClassVar = CODES
    by_verdict: ClassVar = True
    holds: ClassVar = frozenset(
        (
            "neutral_earth_voltage",
            "earth_displacement",
            "voltage_deviation",
            "voltage_dip",
            "voltage_swell",
            "neutral_impedance",
        )
    )

    def limits(self, view: View) -> tuple[Limit, ...]:
        """Return the largest shift of N that is no displacement."""
        return (Limit(None, neutral_limit_v(view.diagnosis.supply), "V"),)

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield the one condition of the point; unknown where N cannot be placed."""
        picture, verdict = view.diagnosis.picture, view.diagnosis.verdict
        if picture.neutral is None:
            yield UNKNOWN
            return
        shift_v = abs(picture.neutral)
        limit_v = neutral_limit_v(view.diagnosis.supply)
        clear_v = limit_v - margin_v(limit_v)
        displaced = verdict.code in CODES
        # Ordinary load moves N too, but moves the corners with it.
        ordinary = picture.u2_v is not None and shift_v < LOOSE_KAPPA / 2.0 * picture.u2_v
        yield Condition(
            displaced,
            not displaced and (shift_v <= clear_v or ordinary),
            value=shift_v,
            limit=limit_v,
            clear_limit=clear_v,
            unit="V",
            severity=self.settings.severity or (verdict.severity if displaced else None) or "high",
        )
