"""The limits in force at a point, in volts, each with where it comes from."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from phasewatch.configuration.site import LoadedSite
from phasewatch.drawing.places import Limits as Circles
from phasewatch.electrical.limits import Limits, Threshold
from phasewatch.electrical.neutral_faults import NOTABLE_NEUTRAL
from phasewatch.electrical.supply import Supply
from phasewatch.rules import (
    frequency_deviation,
    neutral_earth_voltage,
    voltage_deviation,
    voltage_dip,
    voltage_swell,
    voltage_unbalance,
)
from phasewatch.rules.rule import RuleSettings, allowed_band
from phasewatch.service.build import supply_of

OWN: Final = "own"
BUILT_IN: Final = "built_in"
NO_NEUTRAL_EARTH: Final = ("IT", "three_wire")
INTERRUPTION_PERCENT: Final = 5.0
NO_UNBALANCE: Final = ("split_phase", "high_leg", "single_phase")


class LimitInForce(NamedTuple):
    """One limit of one rule."""

    rule: str
    low: float | None
    high: float | None
    unit: str
    source: str
    """The standard with its clause; OWN: the site file; BUILT_IN: the product."""
    detail: str = ""


def limits_in_force(loaded: LoadedSite, point: str) -> Iterator[LimitInForce]:
    """Yield every limit of the enabled rules of a point."""
    rules = {name: rule for name, rule in loaded.site.rules_of(point).items() if rule.enabled}
    supply, preset = supply_of(loaded, point), loaded.limits[loaded.site.supply_of(point).limits]
    for name, make in _MAKERS.items():
        if name in rules:
            yield from make(rules[name], supply, preset)


def circles(loaded: LoadedSite, point: str) -> Circles:
    """Return the limits that a picture of a point shows."""
    found = {limit.rule: limit.high for limit in limits_in_force(loaded, point)}
    return Circles(
        neutral_v=found.get("neutral_displacement"),
        earth_v=found.get("earth_displacement"),
        neutral_earth_v=found.get("neutral_earth_voltage"),
        resolution_v=supply_of(loaded, point).resolution_v,
    )


def _deviation(rule: Any, supply: Supply, preset: Limits) -> Iterator[LimitInForce]:
    band, source = allowed_band(
        preset.deviation_band(supply.system), voltage_deviation.TEN_PERCENT, rule.lower_percent, rule.upper_percent
    )
    low, high = band.bounds(supply.nominal_v)
    own = rule.lower_percent is not None or rule.upper_percent is not None
    yield LimitInForce("voltage_deviation", low, high, "V", _source(source, own=own), "L–N")


def _frequency(rule: Any, supply: Supply, preset: Limits) -> Iterator[LimitInForce]:
    first = next(iter(preset.frequency_deviation), None)
    band, source = allowed_band(first, frequency_deviation.ONE_PERCENT, rule.lower_percent, rule.upper_percent)
    low, high = band.bounds(supply.frequency_hz)
    own = rule.lower_percent is not None or rule.upper_percent is not None
    yield LimitInForce("frequency_deviation", low, high, "Hz", _source(source, own=own))


def _unbalance(rule: Any, supply: Supply, preset: Limits) -> Iterator[LimitInForce]:
    if supply.system in NO_UNBALANCE:
        return
    presets = [limit for limit in preset.voltage_unbalance if rule.measure in (None, limit.measure)]
    measure = rule.measure or (presets[0].measure if presets else "u2")
    percent, source = supply.u2_limit_percent, None
    if rule.limit_percent is not None:
        percent = rule.limit_percent
    elif presets:
        percent, source = presets[0].limit_percent, presets[0].source
    own = rule.limit_percent is not None
    yield LimitInForce(
        "voltage_unbalance", None, percent, "%", _source(source, own=own), voltage_unbalance.NAMES[measure]
    )


def _event(name: str, built_in_percent: float, *, high: bool = False) -> Any:
    def make(rule: Any, supply: Supply, preset: Limits) -> Iterator[LimitInForce]:
        threshold: Threshold | None = getattr(preset, name)
        percent = rule.limit_percent or (built_in_percent if threshold is None else threshold.percent)
        limit_v = percent / 100.0 * supply.nominal_v
        source = None if threshold is None or rule.limit_percent is not None else threshold.source
        low_v, high_v = (None, limit_v) if high else (limit_v, None)
        yield LimitInForce(name, low_v, high_v, "V", _source(source, own=rule.limit_percent is not None), "L–N")

    return make


def _neutral(_rule: RuleSettings, supply: Supply, _preset: Limits) -> Iterator[LimitInForce]:
    yield LimitInForce("neutral_displacement", None, NOTABLE_NEUTRAL * supply.nominal_v, "V", BUILT_IN)


def _earth(_rule: RuleSettings, supply: Supply, _preset: Limits) -> Iterator[LimitInForce]:
    yield LimitInForce("earth_displacement", None, supply.displacement_floor_v, "V", BUILT_IN)


def _neutral_earth(rule: Any, supply: Supply, preset: Limits) -> Iterator[LimitInForce]:
    if supply.system in NO_NEUTRAL_EARTH:
        return
    told = preset.neutral_earth_v
    limit_v = rule.limit_v or (neutral_earth_voltage.LIMIT_V if told is None else told.limit_v)
    source = None if told is None or rule.limit_v is not None else told.source
    yield LimitInForce(
        "neutral_earth_voltage", None, limit_v, "V", _source(source, own=rule.limit_v is not None), "N–PE"
    )


def _source(source: str | None, *, own: bool) -> str:
    return OWN if own else source or BUILT_IN


_MAKERS: Final[Mapping[str, Any]] = {
    "voltage_deviation": _deviation,
    "voltage_dip": _event("voltage_dip", voltage_dip.LIMIT_PERCENT),
    "voltage_swell": _event("voltage_swell", voltage_swell.LIMIT_PERCENT, high=True),
    "interruption": _event("interruption", INTERRUPTION_PERCENT),
    "voltage_unbalance": _unbalance,
    "neutral_displacement": _neutral,
    "earth_displacement": _earth,
    "neutral_earth_voltage": _neutral_earth,
    "frequency_deviation": _frequency,
}
