"""What stands and what happened: alerts, the last events, and the readings around their onsets."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from phasewatch.drawing.plot import Chart, Series, plot
from phasewatch.drawing.svg import Markup, element, joined
from phasewatch.meters.quantities import LL, LN, LPE, NPE
from phasewatch.report.content import Material, Payload, number, parsed
from phasewatch.report.html import between, heading, paragraph, section, table

MOST_EVENTS: Final = 50
MOST_PLOTS: Final = 12

SHIFTS: Final = ("neutral_shift_v", "earth_shift_v")
_PLOTS: Final[Mapping[str, tuple[tuple[tuple[str, ...], bool], ...]]] = {
    "neutral_displacement": ((LN, False), (SHIFTS, True)),
    "earth_displacement": ((LPE, False), (SHIFTS, True)),
    "neutral_earth_voltage": ((LPE, False), ((NPE, *SHIFTS), True)),
    "voltage_deviation": ((LN, True),),
    "voltage_dip": ((LN, True),),
    "voltage_swell": ((LN, True),),
    "interruption": ((LN, True),),
    "voltage_unbalance": ((LL, False),),
}
"""By rule: the quantities of each plot, and whether the limit of the alert is one of theirs."""
_OTHERS: Final[tuple[tuple[tuple[str, ...], bool], ...]] = ((LN, False),)
_MARKS: Final = {
    **dict(zip((*LN, *LPE, *LL), ("l1", "l2", "l3") * 3, strict=True)),
    NPE: "other",
    "neutral_shift_v": "n",
    "earth_shift_v": "pe",
}
_SHIFT_NAMES: Final = {"neutral_shift_v": "N", "earth_shift_v": "PE"}


def alerts(material: Material) -> Markup:
    """Return the section of the alerts that stand."""
    words = material.words
    standing = [alert for alert in material.alerts if alert.get("state") != "cleared"]
    if material.status is None:
        return section(heading(words["alerts"]), paragraph(words["no_history"]))
    if not standing:
        return section(heading(words["alerts"]), paragraph(words["no_alerts"]))
    heads = (words["severity"], words["what"], words["state"], words["since"], words["summary"])
    return section(heading(words["alerts"]), table(heads, (_alert_row(material, alert) for alert in standing)))


def _alert_row(material: Material, alert: Payload) -> Sequence[str]:
    words = material.words
    marks = [words.get(f"state_{alert.get('state')}", str(alert.get("state")))]
    marks += [words["state_acknowledged"]] if alert.get("acknowledged") else []
    if alert.get("shelved_until"):
        marks.append(words["state_shelved"].format(time=material.moment(alert["shelved_until"])))
    if alert.get("suppressed_by"):
        marks.append(words["state_suppressed"].format(alert=alert["suppressed_by"]))
    payload = _severity(material, alert), _what(material, alert), "; ".join(marks)
    return *payload, material.moment(alert.get("since")), str(alert.get("summary") or "-")


def events(material: Material) -> Markup:
    """Return the sections of the last events and of their evidence."""
    words = material.words
    if material.status is None:
        return joined(())
    shown = list(material.events[:MOST_EVENTS])
    if not shown:
        return section(heading(words["events"]), paragraph(words["no_events"]))
    heads = (words["time"], words["what"], words["transition"], words["severity"], words["value"], words["summary"])
    listed = section(heading(words["events"]), table(heads, (_event_row(material, event) for event in shown), "events"))
    plots = list(_plots(material))
    return joined((listed, section(heading(words["evidence"]), *plots))) if plots else listed


def _event_row(material: Material, event: Payload) -> Sequence[str]:
    transition = str(event.get("transition") or "-")
    return (
        material.moment(event.get("at")),
        _what(material, event),
        material.words.get(f"transition_{transition}", transition),
        _severity(material, event),
        _value(event),
        str(event.get("summary") or "-"),
    )


def _what(material: Material, payload: Payload) -> str:
    rule = str(payload.get("rule") or "-")
    parts = (payload.get("subject"), material.messages["titles"].get(rule, rule), payload.get("phase"))
    return ", ".join(str(part) for part in parts if part)


def _severity(material: Material, payload: Payload) -> str:
    return material.words.get(f"severity_{payload.get('severity')}", str(payload.get("severity") or "-"))


def _value(payload: Payload) -> str:
    if payload.get("value") is None:
        return "-"
    limit = "" if payload.get("limit") is None else f" ({number(payload['limit'], 2)})"
    return f"{number(payload['value'], 2)}{limit} {payload.get('unit') or ''}".strip()


def wanted_evidence(alerts: Sequence[Payload], events: Sequence[Payload]) -> list[str]:
    """Return the occurrences whose evidence a report shows: those that stand, then the newest."""
    standing = [alert for alert in alerts if alert.get("state") != "cleared"]
    raised = [event for event in events[:MOST_EVENTS] if event.get("transition") == "raised"]
    found = [str(payload["alert_id"]) for payload in (*standing, *raised) if payload.get("alert_id")]
    return list(dict.fromkeys(found))[:MOST_PLOTS]


def _plots(material: Material) -> Iterator[Markup]:
    raised = {str(payload.get("alert_id")): payload for payload in (*reversed(material.events), *material.alerts)}
    for alert_id, evidence in material.evidence.items():
        alert = raised.get(alert_id, {})
        charts = list(_charts(material, evidence, alert))
        if charts:
            what = _what(material, {**alert, **evidence})
            caption = element("figcaption", Markup(heading(f"{what}, {material.moment(evidence.get('at'))}", 4)))
            drawn = (Markup(plot(chart, material.messages, style=False)) for chart in charts)
            yield element("figure", caption, *drawn, class_="evidence")


def _charts(material: Material, evidence: Payload, alert: Payload) -> Iterator[Chart]:
    samples, at = evidence.get("samples") or {}, parsed(evidence.get("at"))
    times_s = samples.get("t_s") or samples.get("offset_s") or ()
    if at is None or not times_s:
        return
    local = at.astimezone(material.at.tzinfo)
    chosen = _PLOTS.get(str(evidence.get("rule")), _OTHERS)
    for names, limited in chosen:
        if chart := _chart(local, times_s, samples, names, alert if limited else {}):
            yield chart


def _chart(
    at: datetime, times_s: Sequence[float], samples: Mapping[str, Any], names: Sequence[str], alert: Payload
) -> Chart | None:
    """Return the chart of those quantities that were sampled; None if none was."""
    series = [
        Series(_SHIFT_NAMES.get(name) or between(name), samples[name], _MARKS[name])
        for name in names
        if len(samples.get(name) or ()) == len(times_s)
    ]
    limit = alert.get("limit") if alert.get("unit") == "V" else None
    return Chart(at, times_s, series, onset_s=0.0, limits=() if limit is None else (limit,)) if series else None
