"""Neutral to earth, measured directly or from the two sets of phase voltages, against a limit."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from phasewatch.electrical.severity import NEUTRAL_EARTH_V, band
from phasewatch.rules.rule import UNKNOWN, Condition, RuleSettings, View, margin_v


class Settings(RuleSettings):
    """More than 5 V between neutral and earth is worth a look in practice; no standard limits it."""

    limit_v: float = Field(default=5.0, gt=0)
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
        limit_v = self.settings.limit_v if direct else max(self.settings.limit_v, supply.displacement_floor_v)
        clear_v = limit_v - margin_v(limit_v)
        severity = self.settings.severity or band(value_v, NEUTRAL_EARTH_V)
        yield Condition(value_v > limit_v, value_v <= clear_v, None, value_v, limit_v, clear_v, "V", severity)
