"""The words and numbers of a point's alert: its verdict where the verdict is the rule's, else the rule's own text."""

from datetime import datetime
from typing import Any

from phasewatch.alerts.alert import Alert
from phasewatch.alerts.causes import ROOT
from phasewatch.alerts.event import Telling, Transition
from phasewatch.electrical.verdict import Diagnosis
from phasewatch.electrical.words import Messages, explain
from phasewatch.meters.quantities import phase_name


def tell_point(alert: Alert, transition: Transition, diagnosis: Diagnosis, messages: Messages, at: datetime) -> Telling:
    """Return the words for a change of an alert of a point."""
    if transition not in ("raised", "severity_changed"):
        return Telling(later_text(alert, transition, messages, at))
    explained = explain(diagnosis, messages)
    own = ROOT.get(diagnosis.verdict.code) == alert.key.rule
    verdict = {
        "code": diagnosis.verdict.code,
        "phase": diagnosis.verdict.phase,
        "causes": [{"code": code, "text": text} for code, text in explained.causes],
        "cannot_tell": list(explained.cannot_tell),
        "next_steps": list(explained.next_steps),
    }
    phases = ", ".join(diagnosis.verdict.phases)
    return Telling(explained.summary if own else rule_text(alert, messages, phases), verdict)


def later_text(alert: Alert, transition: Transition, messages: Messages, at: datetime) -> str:
    """Return the sentence for what happens to a raised alert: how long it stood, and how bad it was at worst."""
    text: str = messages["later"].get(transition, "{title}")
    since = alert.since or at
    unit = alert.condition.unit if alert.condition else None
    worst = "" if alert.worst is None else messages["at_worst"].format(worst=f"{alert.worst:.1f} {unit or ''}".rstrip())
    return text.format(
        title=messages["titles"][alert.key.rule],
        phase=phase_name(alert.key.phase) or (alert.verdict or {}).get("phase") or "",
        seconds=f"{max(0.0, (at - since).total_seconds()):.0f}",
        worst=worst,
    ).strip()


def rule_text(alert: Alert, messages: Messages, phases: str = "", **more: Any) -> str:
    """Return the rule's own sentence, filled with what broke which limit."""
    condition = alert.condition
    fields = {
        "phase": phase_name(alert.key.phase) or phases,
        "value": _number(condition.value if condition else None),
        "limit": _number(condition.limit if condition else None),
        "unit": (condition.unit if condition else None) or "",
        **more,
    }
    text: str = messages["rules"][alert.key.rule]
    return text.format(**fields)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
