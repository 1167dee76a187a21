"""A post: one rule at one subject. Posts of a subject are judged in order, causes first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

from phasewatch.alerts.alert import Alert, Key
from phasewatch.alerts.causes import explains
from phasewatch.alerts.desk import Desk
from phasewatch.alerts.event import Event, Scene
from phasewatch.alerts.lifecycle import Delays
from phasewatch.rules.rule import RuleOf, Seen


@dataclass(frozen=True, slots=True)
class Post(Generic[Seen]):
    """A rule where it stands: what its alert is called, and how long a condition must hold."""

    rule: RuleOf[Seen]
    key: Key
    delays: Delays
    alerts: dict[str | None, Alert] = field(default_factory=dict, compare=False)
    """The desk's alerts of this rule by phase, so that a poll need not look them up."""


def judge(
    posts: Sequence[Post[Seen]], seen: Seen, desk: Desk, scene: Scene, held: Mapping[str, Alert] | None = None
) -> Iterator[Event]:
    """Judge what is seen by every post; `held`: the rules that an alert elsewhere explains, and that alert."""
    holders: dict[str, Alert] = dict(held or ())
    for post in posts:
        holder = holders.get(post.key.rule)
        for condition in post.rule.judge(seen):
            alert = post.alerts.get(condition.phase) or _alert(post, desk, condition.phase)
            if condition.breached is False and alert.at_rest:
                continue  # most conditions of most readings: it is clear and stays so, and explains nothing
            yield from desk.judge(alert.key, condition, post.delays, scene, holder)
            if holder is None:
                for explained in explains(alert):
                    holders.setdefault(explained, alert)


def _alert(post: Post[Seen], desk: Desk, phase: str | None) -> Alert:
    key = post.key if phase is None else Key(post.key.subject, post.key.rule, phase)
    alert = post.alerts[phase] = desk.alert(key)
    return alert
