"""One point of a report: its limits, its picture, its readings, and what they mean.

What the meters of a point say together, out of the payload that tells its state.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from phasewatch.drawing.phasor_diagram import picture
from phasewatch.drawing.svg import Markup, element, joined
from phasewatch.electrical.diagnosis import Diagnosis, diagnose
from phasewatch.electrical.explanation import explain
from phasewatch.meters.measuring_point import Contradiction
from phasewatch.meters.quantities import UNITS
from phasewatch.report.content import Material, Payload, number
from phasewatch.report.html import decimals, facts, heading, label, listing, paragraph, section, table
from phasewatch.rules import wiring
from phasewatch.rules.rule import Limit
from phasewatch.service.build import circles, limits_in_force, point_names, supply_of


def judged(payload: Payload) -> Mapping[str, float]:
    """Return the readings that the verdict was found with."""
    unjudged = payload.get("unjudged") or {}
    return {name: value for name, value in payload["readings"].items() if name not in unjudged}


def diagnosed(material: Material, name: str, payload: Payload) -> Diagnosis:
    """Return the diagnosis of a point's readings as they stand."""
    known = material.messages["unjudged"]
    unjudged = {quantity: why for quantity, why in (payload.get("unjudged") or {}).items() if why in known}
    supply = supply_of(material.loaded, name)
    return diagnose(judged(payload), supply, unjudged=unjudged, contradiction=contradiction(payload))


def contradiction(payload: Payload) -> Contradiction | None:
    """Return what two meters of the point do not agree on; None where they agree."""
    match payload.get("contradiction"):
        case {"quantity": str(quantity), "meters": [first, second], "values_v": [first_v, second_v]}:
            return Contradiction(quantity, str(first), float(first_v), str(second), float(second_v))
    return None


_SHIFTS: Final = ("neutral_shift", "earth_shift", "neutral_earth")


def points(material: Material) -> Markup:
    """Return the sections of all points of the site."""
    found = {str(payload.get("point")): payload for payload in material.points}
    return joined(_point(material, name, found.get(name) or {}) for name in point_names(material.loaded))


def overview(material: Material) -> Markup:
    """Return the section that tells of every point in a line."""
    found = {str(payload.get("point")): payload for payload in material.points}
    words = material.words
    rows = [(name, _summary(material, name, found.get(name) or {})) for name in point_names(material.loaded)]
    return section(heading(words["overview"]), table((words["point"], words["summary"]), rows))


def _summary(material: Material, name: str, payload: Payload) -> str:
    if not payload.get("readings"):
        return material.words["no_readings"]
    diagnosis = diagnosed(material, name, payload)
    return str(_told(material, name, payload, diagnosis)["summary"])


def _point(material: Material, name: str, payload: Payload) -> Markup:
    words = material.words
    parts = [heading(words["point_title"].format(name=name)), *_verdict(material, name, payload)]
    if payload.get("readings"):
        drawn = picture(
            judged(payload),
            payload.get("picture") or {},
            material.messages,
            circles(material.loaded, name),
            nominal_v=supply_of(material.loaded, name).nominal_v,
            style=False,
        )
        beside = element("div", *_readings(material, payload), *_numbers(material, payload))
        parts.append(element("div", element("figure", Markup(drawn)), beside, class_="pair"))
    return section(*parts, *_limits(material, name), class_="point")


def _verdict(material: Material, name: str, payload: Payload) -> Iterator[Markup]:
    words = material.words
    if not payload.get("readings"):
        yield paragraph(words["no_readings"], "bad")
        return
    diagnosis, code = diagnosed(material, name, payload), payload.get("verdict")
    told = _told(material, name, payload, diagnosis)
    sound = code not in wiring.CODES and diagnosis.contradiction is None
    yield paragraph(told["summary"], "verdict" if code == "normal" else "verdict bad")
    yield paragraph(words["wiring_good" if sound else "wiring_bad"])
    for key, ordered in (("causes", True), ("cannot_tell", False), ("next_steps", True)):
        if told[key]:
            yield heading(material.messages["labels"][key], 4)
            yield listing(told[key], ordered=ordered)


def _told(material: Material, name: str, payload: Payload, diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the verdict in words: in the language of the report where these readings alone lead to it."""
    if diagnosis.verdict.code == payload.get("verdict"):
        explained = explain(diagnosis, material.messages)
        causes = [text for _, text in explained.causes]
        steps = {"causes": causes, "cannot_tell": explained.cannot_tell, "next_steps": explained.next_steps}
        return {"summary": explained.summary, **steps}
    # It took history to find: the words are those of the daemon.
    verdict = _of_alert(material, name, payload.get("verdict"))
    return {
        "summary": payload.get("summary") or payload.get("verdict") or "-",
        "causes": [cause.get("text", "") for cause in verdict.get("causes") or ()],
        "cannot_tell": verdict.get("cannot_tell") or (),
        "next_steps": verdict.get("next_steps") or (),
    }


def _of_alert(material: Material, name: str, code: object) -> Mapping[str, Any]:
    verdicts = (alert.get("verdict") or {} for alert in material.alerts if alert.get("subject") == name)
    return next((verdict for verdict in verdicts if verdict.get("code") == code), {})


def _readings(material: Material, payload: Payload) -> Iterator[Markup]:
    words, readings = material.words, payload["readings"]
    yield heading(words["readings"], 4)
    quality = words.get(f"quality_{payload.get('quality')}", "-")
    yield paragraph(
        words["read_at"].format(
            time=material.moment(payload.get("at")),
            quality=quality,
            meters=", ".join(map(str, payload.get("meters") or ())) or "-",
        )
    )
    known = [name for name in UNITS if name in readings]
    cells = [(label(name), f"{number(readings[name], decimals(name))} {UNITS[name]}") for name in known]
    half = (len(cells) + 1) // 2
    rows = [(*left, *right) for left, right in zip(cells, [*cells[half:], ("", "")], strict=False)]
    yield table((words["quantity"], words["value"]) * 2, rows[:half], "numbers")
    missing = payload.get("missing") or {}
    yield listing([words["missing"].format(name=label(name), reason=reason) for name, reason in missing.items()])


def _numbers(material: Material, payload: Payload) -> Iterator[Markup]:
    words, labels = material.words, material.messages["labels"]
    shown: Mapping[str, Any] = payload.get("picture") or {}
    yield heading(labels["numbers"], 4)
    rows = [(labels[name], _volts_at(shown, name, labels)) for name in _SHIFTS]
    rows.append((labels["resolution"], f"{number(shown.get('resolution_v'))} V"))
    percents = (("u2_percent", "u2"), ("lvur_percent", "LVUR"), ("pvur_percent", "PVUR"))
    rows += [(name, f"{number(shown.get(key), 2)} %") for key, name in percents if shown.get(key) is not None]
    yield facts([*rows, (words["neutral_impedance"], _impedance(payload, words))])


def _volts_at(shown: Mapping[str, Any], name: str, labels: Mapping[str, str]) -> str:
    volts, degrees = shown.get(f"{name}_v"), shown.get(f"{name}_deg")
    if volts is None:
        return labels["not_measured"]
    return f"{number(volts)} V" + (
        "" if degrees is None else " " + labels["at_degrees"].format(degrees=f"{degrees:.0f}")
    )


def _impedance(payload: Payload, words: Mapping[str, str]) -> str:
    """Return what the rule of the neutral impedance has learned, where it is told."""
    learned = (payload.get("learned") or {}).get("neutral_impedance") or {}
    if learned.get("baseline_ohm") is None:
        return words["not_learned"]
    now, usual = (number(learned.get(key), 3) for key in ("present_ohm", "baseline_ohm"))
    return words["impedance"].format(present=now, usual=usual)


def _limits(material: Material, name: str) -> Iterator[Markup]:
    words, supply = material.words, supply_of(material.loaded, name)
    preset = material.loaded.limits[material.loaded.site.supply_of(name).limits]
    yield heading(words["supply_and_limits"], 4)
    yield paragraph(
        words["supply"].format(
            nominal=f"{supply.nominal_v:g}",
            line=f"{supply.line_v:.0f}",
            frequency=f"{supply.frequency_hz:g}",
            system=supply.system or "-",
            standard=f"{preset.standard} ({preset.id})",
        )
    )
    heads = (words["rule"], words["lowest"], words["highest"], words["source"])
    rows = [_limit_row(material, rule, limit) for rule, limit in limits_in_force(material.loaded, name)]
    yield table(heads, rows) if rows else paragraph(words["no_limits"])


def _limit_row(material: Material, rule: str, limit: Limit) -> Sequence[str]:
    title = material.messages["titles"].get(rule, rule)
    low, high = (
        "-" if bound is None else f"{bound:.2f}".rstrip("0").rstrip(".") + f" {limit.unit}"
        for bound in (limit.low, limit.high)
    )
    origin = material.words["source_own"] if limit.own else limit.source or material.words["source_built_in"]
    return f"{title} {limit.detail}".strip(), low, high, origin
