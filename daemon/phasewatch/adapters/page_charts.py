"""Charts of trends and of evidence, from the columns that the page is told."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from phasewatch.drawing.plot import Chart, Series
from phasewatch.meters.quantities import CURRENT_N, CURRENTS, LL, LN, LPE, NPE, PHASES

SHIFTS: Final = ("neutral_shift_v", "earth_shift_v")
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "voltages": LN,
    "lines": LL,
    "earth": LPE,
    "shifts": (*SHIFTS, NPE),
    "currents": (*CURRENTS, CURRENT_N),
}
"""What can be drawn in one chart."""
_UNITS: Final = {"currents": "A"}
_OF_RULE: Final[Mapping[str, tuple[str, ...]]] = {
    "neutral_displacement": ("voltages", "shifts"),
    "neutral_impedance": ("shifts", "currents"),
    "earth_displacement": ("earth", "shifts"),
    "neutral_earth_voltage": ("earth", "shifts"),
    "voltage_unbalance": ("lines", "voltages"),
    "phase_loss": ("voltages", "currents"),
}
_MARKS: Final = {
    **dict(zip((*LN, *LL, *LPE, *CURRENTS), PHASES * 4, strict=True)),
    "neutral_shift_v": "n",
    "earth_shift_v": "pe",
}
_NAMES: Final = {"neutral_shift_v": "N", "earth_shift_v": "PE"}


def kinds(evidence: Mapping[str, Any]) -> list[str]:
    """Return what of evidence is worth a chart: for its rule what it judges, and only what was sampled."""
    samples = evidence["samples"]
    wanted = (*_OF_RULE.get(str(evidence["rule"]), ("voltages",)), *KINDS)
    sampled = [kind for kind in wanted if any(name in samples for name in KINDS[kind])]
    return list(dict.fromkeys(sampled))[:2]


def evidence_chart(evidence: Mapping[str, Any], kind: str, zone: tzinfo) -> Chart:
    """Return the chart of one kind around the onset of an alert."""
    samples = evidence["samples"]
    series = _series(kind, {name: samples[name] for name in KINDS[kind] if name in samples})
    at = datetime.fromisoformat(str(evidence["at"])).astimezone(zone)
    return Chart(at, samples.get("offset_s", ()), series, _UNITS.get(kind, "V"), onset_s=0.0)


def trend_chart(trend: Mapping[str, Any], kind: str, zone: tzinfo) -> Chart:
    """Return the chart of one kind over the last hour or day: each slot from its lowest to its highest value."""
    width_s, quantities = trend["slot_s"], trend["quantities"]
    times_s = [t_s + side * width_s / 4.0 for t_s in trend["t_s"] for side in (-1, 1)]
    found = {name: quantities[name] for name in KINDS[kind] if name in quantities}
    series = _series(kind, {name: list(_between(parts["low"], parts["high"])) for name, parts in found.items()})
    at = datetime.fromisoformat(str(trend["at"])).astimezone(zone)
    span_s = trend["t_s"][0] - width_s / 2.0, 0.0
    return Chart(at, times_s, series, _UNITS.get(kind, "V"), gap_s=1.5 * width_s, span_s=span_s)


def _between(lows: Iterable[float | None], highs: Iterable[float | None]) -> Iterable[float | None]:
    for pair in zip(lows, highs, strict=True):
        yield from pair


def _series(kind: str, columns: Mapping[str, Sequence[float | None]]) -> list[Series]:
    return [Series(_name(name, kind), values, _MARKS.get(name, "other")) for name, values in columns.items()]


def _name(quantity: str, kind: str) -> str:
    if quantity in _NAMES:
        return _NAMES[quantity]
    of = quantity.split("_", 1)[1].upper()
    return of.replace("_", "–") if kind != "currents" else f"I {of}"
