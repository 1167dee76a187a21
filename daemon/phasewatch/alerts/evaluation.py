"""A rule bound to one subject. The rules of a subject are judged in order, causes first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic

from phasewatch.alerts.alert import Alert, Key
from phasewatch.alerts.engine import AlertEngine
from phasewatch.alerts.event import Event, Scene
from phasewatch.alerts.lifecycle import Delays
from phasewatch.alerts.suppression import Holder, explains
from phasewatch.rules.rule import Condition, RuleOf, Seen

_OVER: Final = Condition(False, True)


@dataclass(frozen=True, slots=True)
class RuleBinding(Generic[Seen]):
    """A rule at one subject: the key of its alert, and how long a condition must hold."""

    rule: RuleOf[Seen]
    key: Key
    delays: Delays
    alerts: dict[str | None, Alert] = field(default_factory=dict, compare=False)
    """The engine's alerts of this rule by phase, so that a poll need not look them up."""


def judge(
    posts: Sequence[RuleBinding[Seen]],
    seen: Seen,
    desk: AlertEngine,
    scene: Scene,
    held: Mapping[str, Alert] | None = None,
) -> Iterator[Event]:
    """Judge what is seen by every post; `held`: the rules that an alert elsewhere explains, and that alert."""
    holders = {name: Holder(alert) for name, alert in (held or {}).items()}
    for post in posts:
        holder = holders.get(post.key.rule)
        judged = False
        for condition in post.rule.judge(seen):
            judged = True
            alert = post.alerts.get(condition.phase) or _alert(post, desk, condition.phase)
            if condition.breached is False and alert.at_rest:
                continue  # most conditions of most readings: it is clear and stays so, and explains nothing
            yield from desk.judge(alert.key, condition, post.delays, scene, holder)
            if holder is None:
                for explained in explains(alert):
                    holders.setdefault(explained, Holder(alert, post.delays))
        if not judged:
            yield from _end(post, desk, scene)


def _end(post: RuleBinding[Seen], desk: AlertEngine, scene: Scene) -> Iterator[Event]:
    """Let an alert clear whose rule has no meaning here any more: nothing else would ever judge it."""
    alert = post.alerts.get(None) or _alert(post, desk, None)
    if alert.standing:
        yield from desk.judge(alert.key, _OVER, post.delays, scene)


def _alert(post: RuleBinding[Seen], desk: AlertEngine, phase: str | None) -> Alert:
    key = post.key if phase is None else Key(post.key.subject, post.key.rule, phase)
    alert = post.alerts[phase] = desk.alert(key)
    return alert
