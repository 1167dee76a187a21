"""The words and numbers of a point's alert: its verdict where the verdict is the rule's, else the rule's own text."""

from typing import Any

from phasewatch.alerts.alert import Alert
from phasewatch.alerts.causes import ROOT
from phasewatch.alerts.event import Telling
from phasewatch.electrical.verdict import Diagnosis
from phasewatch.electrical.words import Messages, explain
from phasewatch.meters.quantities import phase_name


def tell_point(alert: Alert, diagnosis: Diagnosis, messages: Messages) -> Telling:
    """Return the words for an alert of a point."""
    explained = explain(diagnosis, messages)
    own = ROOT.get(diagnosis.verdict.code) == alert.key.rule
    verdict = {
        "code": diagnosis.verdict.code,
        "phase": diagnosis.verdict.phase,
        "causes": [{"code": code, "text": text} for code, text in explained.causes],
        "cannot_tell": list(explained.cannot_tell),
        "next_steps": list(explained.next_steps),
    }
    return Telling(explained.summary if own else rule_text(alert, messages), verdict)


def rule_text(alert: Alert, messages: Messages, **more: Any) -> str:
    """Return the rule's own sentence, filled with what broke which limit."""
    condition = alert.condition
    fields = {
        "phase": phase_name(alert.key.phase),
        "value": _number(condition.value if condition else None),
        "limit": _number(condition.limit if condition else None),
        "unit": (condition.unit if condition else None) or "",
        **more,
    }
    text: str = messages["rules"][alert.key.rule]
    return text.format(**fields)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
