"""A standard's limits as data: numbers, what they apply to, and where they come from."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from phasewatch.electrical.supply import System
from phasewatch.meters.profile import Part, Slug

Period = Literal["day", "week", "year", "always"]
Source = Annotated[str, Field(min_length=1)]
Percent = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


class _Share(Part):
    """How long, and how much of the time, a limit has to be kept."""

    window_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Averaging time of the values that are compared; None: not stated here."""
    share_percent: float = Field(default=100.0, gt=0, le=100)
    """Share of the values of a period that have to keep the limit."""
    period: Period = "always"
    source: Source
    """The standard, with its clause where somebody has read it."""


class Band(_Share):
    """How far a quantity may lie from nominal."""

    name: str | None = None
    """What the standard calls it ("range A"); None where it has no name."""
    lower_percent: float | None = Field(default=None, ge=-100, le=0)
    """Lowest deviation, percent of nominal, signed; None: no lower limit."""
    upper_percent: float | None = Field(default=None, ge=0, le=1000)
    """Highest deviation, percent of nominal; None: no upper limit."""
    systems: tuple[System, ...] | None = None
    """Kinds of supply that the band is for; None: all that no other band is for."""

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.lower_percent is None and self.upper_percent is None:
            raise ValueError("a band needs lower_percent, upper_percent or both")
        return self

    def bounds(self, nominal: float) -> tuple[float | None, float | None]:
        """Return the lowest and the highest value allowed, in the unit of nominal; None: no limit."""
        return _bound(self.lower_percent, nominal), _bound(self.upper_percent, nominal)

    def holds(self, value: float, nominal: float) -> bool:
        """Return whether the value lies in the band; its edges belong to it."""
        lower, upper = self.bounds(nominal)
        return (lower is None or value >= lower) and (upper is None or value <= upper)


class UnbalanceLimit(_Share):
    """How uneven the three voltages may be."""

    name: str | None = None
    measure: Literal["u2", "lvur", "pvur"] = "u2"
    """u2 = negative over positive sequence; lvur, pvur = largest deviation from the mean, line or phase voltages."""
    limit_percent: Percent


class Threshold(Part):
    """A share of nominal at which something begins."""

    percent: Percent
    source: Source

    def of(self, nominal: float) -> float:
        """Return the threshold in the unit of nominal."""
        return nominal * self.percent / 100


class VoltageLimit(Part):
    """A voltage that has no nominal value to be a share of."""

    name: str | None = None
    limit_v: float = Field(gt=0, le=1000, allow_inf_nan=False)
    source: Source


class Limits(Part):
    """One standard's limits; what a standard does not limit is empty or None."""

    id: Slug
    standard: str
    title: str
    scope: str | None = None
    """Where the standard applies, and where it is only a reference."""
    voltage_deviation: tuple[Band, ...] = ()
    """From the band of everyday operation to the widest."""
    voltage_unbalance: tuple[UnbalanceLimit, ...] = ()
    frequency_deviation: tuple[Band, ...] = ()
    voltage_dip: Threshold | None = None
    """A dip begins below this share of nominal."""
    voltage_swell: Threshold | None = None
    """A swell begins above this share of nominal."""
    interruption: Threshold | None = None
    """An interruption begins below this share of nominal."""
    hysteresis: Threshold | None = None
    """A dip, swell or interruption ends this far behind its threshold."""
    neutral_earth_v: VoltageLimit | None = None
    """Highest voltage between neutral and earth in operation."""
    touch_voltage_v: tuple[VoltageLimit, ...] = ()
    """Highest lasting touch voltage; the first is that of ordinary places."""
    notes: tuple[str, ...] = ()

    def deviation_band(self, system: System | None) -> Band | None:
        """Return the voltage band of everyday operation on a kind of supply; None where the standard has none."""
        general: Band | None = None
        for band in self.voltage_deviation:
            if band.systems is None:
                general = general or band
            elif system in band.systems:
                return band
        return general

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> Self:
        named = [("interruption", self.interruption), ("voltage_dip", self.voltage_dip)]
        below = [(name, threshold.percent) for name, threshold in named if threshold is not None]
        rising = [*below, ("nominal", 100.0)]
        if self.voltage_swell is not None:
            rising.append(("voltage_swell", self.voltage_swell.percent))
        for (lower_name, lower), (upper_name, upper) in pairwise(rising):
            if lower >= upper:
                raise ValueError(f"{lower_name} ({lower:g} %) must be below {upper_name} ({upper:g} %)")
        return self


def _bound(deviation_percent: float | None, nominal: float) -> float | None:
    return None if deviation_percent is None else nominal * (100 + deviation_percent) / 100
