"""The words and numbers of a point's alert: its verdict where the verdict is the rule's, else the rule's own text."""

from typing import Any, Final, NamedTuple

from phasewatch.alerts.alert import Alert
from phasewatch.alerts.event import EXPLAINED, PointText, Transition, stamp
from phasewatch.electrical.diagnosis import Diagnosis
from phasewatch.electrical.explanation import Messages, explain
from phasewatch.meters.quantities import phase_name
from phasewatch.rules.catalogue import ROOT

_DECIMALS: Final = {"Hz": 2, "s": 0, "ohm": 3}
"""Decimals of a number in a sentence, by unit; 1 for the others."""


class Blind(NamedTuple):
    """What the polls of a point cannot see past."""

    interval_s: float
    window_s: float | None
    """None: not stated."""

    def words(self, messages: Messages) -> dict[str, str]:
        """Return the words for it."""
        window: str = messages["window_unknown"]
        if self.window_s is not None:
            window = messages["window"].format(window=f"{self.window_s:g}")
        return {"interval": f"{self.interval_s:g}", "window": window}


def point_alert_text(
    alert: Alert, transition: Transition, diagnosis: Diagnosis, messages: Messages, stood_s: float, blind: Blind
) -> PointText:
    """Return the words for a change of an alert of a point."""
    later = later_text(alert, transition, messages, stood_s)
    if transition not in EXPLAINED:
        return PointText(later or "")
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
    summary = explained.summary if own else rule_text(alert, messages, phases, **blind.words(messages))
    return PointText(later or summary, verdict)


def later_text(alert: Alert, transition: Transition, messages: Messages, stood_s: float) -> str | None:
    """Return the sentence for what happens to a raised alert: how long it stood, and how bad it was at worst.

    None where the rule's own sentence says it.
    """
    word = _later_word(alert, transition)
    if word is None:
        return None
    text: str = messages["later"].get(word, "{title}")
    unit = (alert.condition.unit if alert.condition else None) or ""
    worst_text = f"{_number(alert.worst, unit)} {unit}".rstrip()
    worst = "" if alert.worst is None else messages["at_worst"].format(worst=worst_text)
    sentence = text.format(
        title=messages["titles"].get(alert.key.rule, alert.key.rule),
        phase=phase_name(alert.key.phase) or (alert.verdicts.verdict or {}).get("phase") or "",
        seconds=f"{stood_s:.0f}",
        worst=worst,
        until=stamp(alert.shelved_until) or "",
    )
    return " ".join(sentence.split())


def _later_word(alert: Alert, transition: Transition) -> str | None:
    """Return under which name the messages have a transition; None where the rule's own sentence says it."""
    if alert.timer.latched and transition == "verdict_changed":
        return "latched"
    if alert.retired and transition == "cleared":
        return "retired"
    if transition == "acknowledged" and not alert.acknowledged:
        return "unacknowledged"
    return None if transition in EXPLAINED else transition


def rule_text(alert: Alert, messages: Messages, phases: str = "", **more: Any) -> str:
    """Return the rule's own sentence, filled with what broke which limit."""
    condition = alert.condition
    unit = (condition.unit if condition else None) or ""
    fields = {
        "phase": phase_name(alert.key.phase) or phases,
        "value": _number(condition.value if condition else None, unit),
        "limit": _number(condition.limit if condition else None, unit),
        "unit": unit,
        "name": alert.key.rule,
        "detail": condition.said() if condition else "",
        **more,
    }
    text: str = messages["rules"].get(alert.key.rule, messages["own_rule"])
    return text.format(**fields)


def _number(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.{_DECIMALS.get(unit, 1)}f}"
