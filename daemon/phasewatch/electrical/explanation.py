"""A diagnosis in words: its codes looked up in one language's messages and filled with its numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from phasewatch.electrical.causes import CONTRADICTION, UNJUDGED_EARTH, Explanation
from phasewatch.electrical.diagnosis import OTHER_KINDS, Diagnosis
from phasewatch.electrical.geometry import Triple
from phasewatch.electrical.neutral_faults import NOTABLE_NEUTRAL
from phasewatch.electrical.severity import NOTABLE_NEUTRAL_EARTH_V
from phasewatch.electrical.supply import likelier_nominal_v
from phasewatch.meters.quantities import LN, LPE, NPE, PHASES, phase_name

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
    reasons = _behind(diagnosis)
    facts = (messages["facts"][code].format(**fields) for code in _facts(diagnosis))
    return Explained(
        summary=str(messages["between_sentences"]).join((_headline(diagnosis, messages).format(**fields), *facts)),
        causes=tuple((code, messages["causes"][code].format(**fields)) for code in reasons.causes),
        cannot_tell=tuple(messages["cannot_tell"][code].format(**fields) for code in reasons.cannot_tell),
        next_steps=tuple(messages["next_steps"][code].format(**fields) for code in reasons.next_steps),
    )


def _headline(diagnosis: Diagnosis, messages: Messages) -> str:
    code, system = diagnosis.verdict.code, diagnosis.supply.system
    if _by_contradiction(diagnosis):
        return str(messages["facts"]["meters_contradict"])
    if code == "normal" and system in OTHER_KINDS:
        return str(messages["normal_legs"])
    if code == "normal" and system == "three_wire":
        return str(messages["normal_three_wire"])
    if (
        code == "normal"
        and system == "IT"
        and (shift := diagnosis.picture.earth) is not None
        and abs(shift) > NOTABLE_NEUTRAL_EARTH_V
    ):
        return str(messages["normal_isolated"])
    if code == "neutral_open" and diagnosis.picture.line is None:
        return str(messages["neutral_open_by_phases"])
    return str(messages["verdicts"][code])


def _behind(diagnosis: Diagnosis) -> Explanation:
    """Return what stands behind the verdict, as far as these readings leave it open."""
    reasons, picture = diagnosis.verdict.explanation, diagnosis.picture
    if "neutral_or_pen" in reasons.cannot_tell:
        if picture.neutral_earth is not None or diagnosis.supply.system in ("TT", "IT"):
            reasons = replace(
                reasons,
                cannot_tell=tuple(code for code in reasons.cannot_tell if code != "neutral_or_pen"),
                next_steps=tuple(code for code in reasons.next_steps if code != "treat_housings_as_live"),
            )
        else:
            reasons = replace(reasons, causes=(*reasons.causes, "pen_open_upstream"))
    if _by_contradiction(diagnosis):
        reasons = CONTRADICTION
    elif diagnosis.contradiction is not None:
        reasons = replace(reasons, cannot_tell=(*reasons.cannot_tell, *CONTRADICTION.cannot_tell))
    if _unjudged_earth(diagnosis) is not None:
        reasons = replace(reasons, cannot_tell=(*reasons.cannot_tell, *UNJUDGED_EARTH.cannot_tell))
    if picture.neutral_earth_measured_v is not None and not picture.direct_reading_too_low:
        reasons = replace(
            reasons, next_steps=tuple(code for code in reasons.next_steps if code != "measure_neutral_earth")
        )
    return reasons


def _by_contradiction(diagnosis: Diagnosis) -> bool:
    """Return whether it is two meters that do not agree which make the point impossible."""
    return diagnosis.contradiction is not None and diagnosis.verdict.code == "impossible_point"


def _unjudged_earth(diagnosis: Diagnosis) -> str | None:
    """Return why the earth is not judged although it is measured; None where it is judged, or not measured."""
    picture, unjudged = diagnosis.picture, diagnosis.unjudged
    if not unjudged or picture.phase_earth is not None or picture.neutral_earth_v is not None:
        return None
    return next((unjudged[name] for name in (*LPE, NPE) if name in unjudged), None)


UNEXPLAINED: Final = ("normal", "overvoltage", "undervoltage")
UNEVEN_PERCENT: Final = 3.0
"""PVUR that asks for an explanation which only line voltages can give."""


def _facts(diagnosis: Diagnosis) -> Iterator[str]:
    """Yield the codes of the facts worth saying beside the verdict."""
    code, system = diagnosis.verdict.code, diagnosis.supply.system
    if diagnosis.contradiction is not None and not _by_contradiction(diagnosis):
        yield "meters_contradict"
    if code == "not_enough_data":
        yield from ("phases_not_judged",) if any(name in diagnosis.unjudged for name in LN) else ()
        return
    if code in ("overvoltage", "undervoltage") and _likelier_v(diagnosis) is not None:
        yield "nominal_doubtful"
    if code != "normal" or system not in (*OTHER_KINDS, "three_wire"):
        yield from _earth_facts(diagnosis)
        yield from _direct_facts(diagnosis)


def _earth_facts(diagnosis: Diagnosis) -> Iterator[str]:
    picture, code = diagnosis.picture, diagnosis.verdict.code
    resolution_v = diagnosis.supply.resolution_v
    if code in ("earth_displaced", "earth_fault_solid") and _supply_normal(diagnosis):
        yield "supply_and_neutral_normal"
    if picture.phase_earth is not None and code.startswith("earth"):
        yield "earth_readings"
    if code in ("earth_displaced", "normal") and (picture.earth_residual_v or 0.0) > resolution_v:
        yield "earth_leftover"
    if picture.neutral_earth_v is None and picture.phase_earth is None:
        yield "earth_not_measured" if _unjudged_earth(diagnosis) is None else "earth_not_judged"
    elif code == "normal" and (picture.neutral_earth_v or 0.0) < resolution_v:
        yield "below_resolution"
    if picture.line is None and code in UNEXPLAINED and (picture.pvur_percent or 0.0) > UNEVEN_PERCENT:
        yield "uneven"


def _direct_facts(diagnosis: Diagnosis) -> Iterator[str]:
    picture, supply = diagnosis.picture, diagnosis.supply
    direct_v, apart = picture.neutral_earth_measured_v, picture.neutral_earth
    if direct_v is None:
        return
    if diagnosis.verdict.code == "normal" and direct_v > NOTABLE_NEUTRAL_EARTH_V and supply.system != "IT":
        yield "neutral_earth_raised"
    if picture.direct_reading_too_low:
        yield "direct_too_low"
    if apart is not None and direct_v > abs(apart) + 2.0 * supply.resolution_v:
        yield "direct_differs"


def _likelier_v(diagnosis: Diagnosis) -> float | None:
    phases_v = diagnosis.picture.phase_neutral
    return None if phases_v is None else likelier_nominal_v(phases_v, diagnosis.supply.nominal_v)


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
    clash, unjudged = diagnosis.contradiction, diagnosis.unjudged
    reasons: Mapping[str | None, str] = messages["unjudged"]
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
        "likelier": volts(_likelier_v(diagnosis)),
        "direct": volts(picture.neutral_earth_measured_v),
        "pvur": "-" if picture.pvur_percent is None else f"{picture.pvur_percent:.1f}",
        "apart": _length(picture.neutral_earth),
        "u2": "-" if picture.u2_percent is None else f"{picture.u2_percent:.1f}",
        "residual": volts(picture.residual_v),
        "earth_residual": volts(picture.earth_residual_v),
        "scale_residual_percent": "-" if percent is None else f"{percent:.1f}",
        "resolution": volts(supply.resolution_v),
        "missing": ", ".join(map(_label, picture.missing_phases)),
        "why_earth": reasons.get(_unjudged_earth(diagnosis), "-"),
        "why_phases": reasons.get(next((unjudged[name] for name in LN if name in unjudged), None), "-"),
        "clash": "-" if clash is None else _label(clash.quantity),
        "clash_first": "-" if clash is None else clash.first,
        "clash_first_v": volts(None if clash is None else clash.first_v),
        "clash_second": "-" if clash is None else clash.second,
        "clash_second_v": volts(None if clash is None else clash.second_v),
    }


def _label(name: str) -> str:
    return name.removeprefix("voltage_").replace("_", "-").upper()


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
