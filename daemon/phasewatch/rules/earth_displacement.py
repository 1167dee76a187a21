"""PE left the centroid while the neutral stayed: a leak into a weak earth, a missing bond, an earth fault."""

from collections.abc import Iterator
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.rules.rule import UNKNOWN, Condition, RuleSettings, View, margin_v

CODES: Final = frozenset(("earth_displaced", "earth_fault_solid"))


class Settings(RuleSettings):
    """The bands of neutral-earth voltage are slow: 5 s in, 30 s out."""

    on_delay_s: float = Field(default=5.0, ge=0)
    off_delay_s: float = Field(default=30.0, ge=0)
    on_polls: int = Field(default=3, ge=1)


class EarthDisplacement:
    """Judges by the verdict; clears when PE is back at the centroid, or with the neutral."""

    name: ClassVar = "earth_displacement"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield the one condition of the point; unknown where earth is not seen."""
        picture, verdict, supply = view.diagnosis.picture, view.diagnosis.verdict, view.diagnosis.supply
        displaced = verdict.code in CODES
        apart_v = abs(picture.neutral_earth) if picture.neutral_earth is not None else picture.neutral_earth_v
        if apart_v is None:
            yield UNKNOWN
            return
        shift_v = abs(picture.earth) if picture.earth is not None else apart_v
        limit_v = supply.displacement_floor_v
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
