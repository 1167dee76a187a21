"""A post: one rule at one subject. Posts of a subject are judged in order, causes first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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


def judge(
    posts: Sequence[Post[Seen]], seen: Seen, desk: Desk, scene: Scene, held: Mapping[str, Alert] | None = None
) -> Iterator[Event]:
    """Judge what is seen by every post; `held`: the rules that an alert elsewhere explains, and that alert."""
    holders: dict[str, Alert] = dict(held or ())
    for post in posts:
        name = post.key.rule
        holder = holders.get(name)
        for condition in post.rule.judge(seen):
            key = post.key if condition.phase is None else Key(post.key.subject, name, condition.phase)
            events = desk.judge(key, condition, post.delays, scene, holder)
            if not events:
                continue  # it is clear and stays so: it explains nothing
            yield from events
            if holder is None:
                root = desk.alert(key)
                for explained in explains(root):
                    holders.setdefault(explained, root)
