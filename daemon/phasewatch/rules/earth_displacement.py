"""PE left the centroid while the neutral stayed: a leak into a weak earth, a missing bond, an earth fault."""

from collections.abc import Iterator
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.electrical.neutral_faults import direct_earth_limit_v, earth_limit_v
from phasewatch.rules.rule import TO_EARTH, UNKNOWN, Condition, Limit, PointRule, RuleSettings, View, margin_v

CODES: Final = frozenset(("earth_displaced", "earth_fault_solid"))


class Settings(RuleSettings):
    """The bands of neutral-earth voltage are slow: 5 s in, 30 s out."""

    on_delay_s: float = Field(default=5.0, ge=0)
    off_delay_s: float = Field(default=30.0, ge=0)
    on_polls: int = Field(default=3, ge=1)


class EarthDisplacement(PointRule[Settings]):
    """Judges by the verdict; clears when PE is back at the centroid, or with the neutral."""

    name: ClassVar = "earth_displacement"
    settings_model: ClassVar = Settings
    rank: ClassVar = 50
    root_of: ClassVar = CODES
    by_verdict: ClassVar = True
    holds: ClassVar = frozenset(("neutral_earth_voltage",))
    needs: ClassVar = TO_EARTH

    def limits(self, view: View) -> tuple[Limit, ...]:
        """Return the largest shift of PE that is no displacement; () where no verdict can find one."""
        limit_v = _limit_v(view)
        return () if limit_v is None else (Limit(None, limit_v, "V"),)

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield the one condition of the point; unknown where earth is not seen."""
        picture, verdict = view.diagnosis.picture, view.diagnosis.verdict
        displaced = verdict.code in CODES
        apart_v = abs(picture.neutral_earth) if picture.neutral_earth is not None else picture.neutral_earth_v
        limit_v = _limit_v(view)
        if apart_v is None or limit_v is None:
            yield UNKNOWN
            return
        shift_v = abs(picture.earth) if picture.earth is not None else apart_v
        clear_v = limit_v - margin_v(limit_v)
        yield Condition(
            displaced,
            not displaced and min(shift_v, apart_v) <= clear_v,
            value=shift_v,
            limit=limit_v,
            clear_limit=clear_v,
            unit="V",
            severity=self.settings.severity or (verdict.severity if displaced else None) or "medium",
        )


def _limit_v(view: View) -> float | None:
    """Return the limit of the verdict; None where it is not looked for: N-PE alone means nothing on IT."""
    picture, supply = view.diagnosis.picture, view.diagnosis.supply
    if picture.neutral_earth is not None or picture.neutral_earth_measured_v is None:
        return earth_limit_v(supply)
    return None if supply.system == "IT" else direct_earth_limit_v(supply)
