"""A diagnosis in words: its codes looked up in one language's messages and filled with its numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from phasewatch.electrical.geometry import Triple
from phasewatch.electrical.neutral_faults import NOTABLE_NEUTRAL
from phasewatch.electrical.verdict import Diagnosis
from phasewatch.meters.quantities import PHASES, phase_name

Messages = Mapping[str, Any]
"""One language: group -> code -> text with {placeholders}."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A verdict in the words of one language."""

    summary: str
    causes: tuple[tuple[str, str], ...]
    """(code, text), the likeliest first."""
    cannot_tell: tuple[str, ...]
    next_steps: tuple[str, ...]


def explain(diagnosis: Diagnosis, messages: Messages) -> Explained:
    """Return the words of a diagnosis."""
    fields = _fields(diagnosis, messages)
    told = diagnosis.verdict.explanation
    facts = (messages["facts"][code].format(**fields) for code in _facts(diagnosis))
    return Explained(
        summary=" ".join((messages["verdicts"][diagnosis.verdict.code].format(**fields), *facts)),
        causes=tuple((code, messages["causes"][code].format(**fields)) for code in told.causes),
        cannot_tell=tuple(messages["cannot_tell"][code].format(**fields) for code in told.cannot_tell),
        next_steps=tuple(messages["next_steps"][code].format(**fields) for code in told.next_steps),
    )


UNEXPLAINED: Final = ("normal", "overvoltage", "undervoltage")
UNEVEN_PERCENT: Final = 3.0
"""PVUR that asks for an explanation which only line voltages can give."""


def _facts(diagnosis: Diagnosis) -> Iterator[str]:
    """Yield the codes of the facts worth saying beside the verdict."""
    picture, code = diagnosis.picture, diagnosis.verdict.code
    if code == "not_enough_data":
        return
    direct_v = picture.neutral_earth_measured_v
    apart_v = abs(picture.neutral_earth) if picture.neutral_earth is not None else None
    resolution_v = diagnosis.supply.resolution_v
    if code in ("earth_displaced", "earth_fault_solid") and _supply_normal(diagnosis):
        yield "supply_and_neutral_normal"
    if picture.phase_earth is not None and code.startswith("earth"):
        yield "earth_readings"
    if code in ("earth_displaced", "normal") and (picture.earth_residual_v or 0.0) > resolution_v:
        yield "earth_leftover"
    if picture.neutral_earth_v is None and picture.phase_earth is None:
        yield "earth_not_measured"
    elif code == "normal" and (picture.neutral_earth_v or 0.0) < resolution_v:
        yield "below_resolution"
    if picture.direct_reading_too_low:
        yield "direct_too_low"
    if picture.line is None and code in UNEXPLAINED and (picture.pvur_percent or 0.0) > UNEVEN_PERCENT:
        yield "uneven"
    if direct_v is not None and apart_v is not None and direct_v > apart_v + 2.0 * resolution_v:
        yield "direct_differs"


def _supply_normal(diagnosis: Diagnosis) -> bool:
    """Return whether the phases keep the limits and the neutral is where ordinary load leaves it."""
    v, neutral, supply = diagnosis.picture.phase_neutral, diagnosis.picture.neutral, diagnosis.supply
    if v is None or neutral is None or abs(neutral) > NOTABLE_NEUTRAL * supply.nominal_v:
        return False
    deviations = [100.0 * (phase_v / supply.nominal_v - 1.0) for phase_v in v]
    return supply.low_percent <= min(deviations) and max(deviations) <= supply.high_percent


def _fields(diagnosis: Diagnosis, messages: Messages) -> dict[str, str]:
    """Return every placeholder; what is not known is a dash, a sentence that needs it is not chosen."""
    picture, verdict, supply = diagnosis.picture, diagnosis.verdict, diagnosis.supply
    phase = verdict.phase
    toward, toward_earth = (messages[key].format(phase=phase) if phase else "" for key in ("toward", "toward_earth"))
    percent = None if picture.scale_residual_v is None else 100.0 * picture.scale_residual_v / supply.nominal_v
    return {
        "ln": readings(picture.phase_neutral),
        "line": readings(picture.line),
        "lpe": readings(picture.phase_earth),
        "phase": phase or ", ".join(verdict.phases),
        "phases": ", ".join(verdict.phases),
        "phase_or_a_phase": phase or "/".join(phase_name(slug) for slug in PHASES),
        "toward": toward,
        "toward_earth": toward_earth,
        "and_earth": messages["and_earth"] if picture.earth is not None else "",
        "neutral_shift": _length(picture.neutral),
        "earth_shift": _length(picture.earth) if picture.earth is not None else volts(picture.neutral_earth_v),
        "neutral_earth": volts(picture.neutral_earth_v),
        "direct": volts(picture.neutral_earth_measured_v),
        "pvur": "-" if picture.pvur_percent is None else f"{picture.pvur_percent:.1f}",
        "apart": _length(picture.neutral_earth),
        "u2": "-" if picture.u2_percent is None else f"{picture.u2_percent:.1f}",
        "residual": volts(picture.residual_v),
        "earth_residual": volts(picture.earth_residual_v),
        "scale_residual_percent": "-" if percent is None else f"{percent:.1f}",
        "resolution": volts(supply.resolution_v),
        "missing": ", ".join(picture.missing_phases),
    }


def volts(value: float | None) -> str:
    """Return volts for a sentence: one decimal below 10 V, none above."""
    if value is None:
        return "-"
    return f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}"


def readings(triple: Triple | None) -> str:
    """Return three readings as people write them: 208/254/254."""
    return "-" if triple is None else "/".join(f"{value:.1f}".removesuffix(".0") for value in triple)


def _length(point: complex | None) -> str:
    return volts(None if point is None else abs(point))
