"""The monitor of one point: readings are joined, diagnosed, and judged by every rule, causes first."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from phasewatch.alerts.alert import Alert, Key
from phasewatch.alerts.engine import AlertEngine
from phasewatch.alerts.evaluation import RuleBinding, judge
from phasewatch.alerts.event import Event, Scene
from phasewatch.alerts.lifecycle import Delays
from phasewatch.alerts.text import Blind, point_alert_text
from phasewatch.electrical.diagnosis import Diagnosis, diagnose
from phasewatch.electrical.explanation import Messages
from phasewatch.electrical.limits import Limits
from phasewatch.electrical.per_unit import History
from phasewatch.electrical.supply import Supply, likelier_nominal_v
from phasewatch.meters.measuring_point import Joined, MeasuringPoint
from phasewatch.meters.quantities import LN
from phasewatch.meters.reading import Moment, Reading
from phasewatch.rules.rule import Learner, Rule, View

LIVE: Final = 0.3
"""Per unit of nominal: a phase that ever carried this much is connected."""
CHANGED: Final = 0.03
"""Per unit of nominal: voltages that moved this far are another state of affairs."""
STALE_POLLS: Final = 5
STALE_S: Final = 10.0
"""Standing alerts become unknown after this long, and this many polls, without a judgement; a longer time between
two samples does not count. A bus that cannot keep its intervals is slow, and not silent."""
VOID_POLLS: Final = 10
VOID_S: Final = 30.0
"""A half-run timer is void after a gap this long, and of this many polls."""


class PointMonitor:
    """One point with its rules."""

    def __init__(
        self,
        joint: MeasuringPoint,
        supply: Supply,
        limits: Limits,
        rules: Sequence[Rule],
        desk: AlertEngine,
        messages: Messages,
    ) -> None:
        self.name = joint.name
        self.meters = tuple(member.meter for member in joint.members)
        self.supply = supply
        self.interval_s = min(member.interval_s for member in joint.members)
        self._slowest_s = max(member.interval_s for member in joint.members)
        self.window_s = max((m.window_s for m in joint.members if m.window_s is not None), default=None)
        self.diagnosis: Diagnosis | None = None
        self.reading: Reading | None = None
        self.seen_live = (False, False, False)
        """Whether each phase has ever carried voltage here."""
        self.live_changed = False
        """Set when `seen_live` has grown, for the journal."""
        self._joint, self._limits, self._desk, self._messages = joint, limits, desk, messages
        self._since_s = 0.0
        self._stood: tuple[float | None, ...] = ()
        self._judged_s: float | None = None
        self._posts = [
            RuleBinding(rule, Key(self.name, rule.name), self._delays(rule)) for rule in rules if rule.settings.enabled
        ]

    def learned(self) -> dict[str, Any] | None:
        """Return what the rules have learned, by rule, for the journal; None if nothing is new since the last call."""
        learners = {post.key.rule: post.rule for post in self._posts if isinstance(post.rule, Learner)}
        if not any(rule.changed for rule in learners.values()):
            return None
        for rule in learners.values():
            rule.changed = False
        return {name: rule.state() for name, rule in learners.items()}

    def memory(self) -> dict[str, Any]:
        """Return all that the rules have learned, by rule, new or not."""
        return {post.key.rule: post.rule.state() for post in self._posts if isinstance(post.rule, Learner)}

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Give the rules back what they had learned."""
        for post in self._posts:
            if isinstance(post.rule, Learner) and post.key.rule in learned:
                post.rule.restore(learned[post.key.rule])

    def _delays(self, rule: Rule) -> Delays:
        settings = rule.settings
        return Delays(
            settings.on_delay_s,
            settings.off_delay_s,
            settings.on_polls,
            gap_s=self.stale_s,
            stale_s=self.stale_s,
            void_after_s=max(VOID_S, VOID_POLLS * self._slowest_s),
            latch=settings.latch,
        )

    @property
    def stale_s(self) -> float:
        """How long a judgement of this point may be missing."""
        return max(STALE_S, STALE_POLLS * self._slowest_s)

    def feed(self, reading: Reading) -> list[Event]:
        """Take one meter's reading; nothing is judged while the point waits for its leading meter."""
        joined = self._joint.feed(reading)
        return [] if joined is None else self.judge(joined)

    def judge(self, joined: Joined) -> list[Event]:
        """Take one moment of the point, already joined."""
        self._remember(joined)
        self._judged_s = joined.reading.monotonic_s
        history = History(self.seen_live, joined.reading.monotonic_s - self._since_s)
        self.reading = joined.reading
        self.diagnosis = diagnose(joined.geometry, self.supply, history, joined.unjudged, joined.contradiction)
        return list(self._judge(joined, self.diagnosis))

    def silence(self, moment: Moment, offline: Alert | None = None) -> list[Event]:
        """Take a failed poll; standing alerts become unknown when nothing could be judged for too long.

        `offline`: the alert that explains the silence; None while there is none.
        """
        if self._judged_s is None:
            self._judged_s = moment.monotonic_s
        silent = moment.monotonic_s - self._judged_s > self.stale_s
        own = {post.key.rule for post in self._posts}  # a meter may have the point's name, and alerts of its own
        standing = [alert for alert in self._desk.standing(self.name) if alert.key.rule in own]
        unknown = [alert for alert in standing if silent or alert.stale]
        return list(self._desk.silence(unknown, self.scene(moment), offline))

    def scene(self, moment: Moment) -> Scene:
        """Return the scene of a judgement of this point."""
        blind = Blind(self.interval_s, self.window_s)
        return Scene(
            moment=moment,
            tell=lambda alert, transition: point_alert_text(
                alert, transition, self._diagnosed(), self._messages, alert.stood_s(moment), blind
            ),
            meters=self.meters,
            readings=self.reading.values if self.reading is not None else {},
            interval_s=self.interval_s,
            window_s=self.window_s,
            verdict=() if self.diagnosis is None else (self.diagnosis.verdict.code, *self.diagnosis.verdict.phases),
            reasons=self._messages["reasons"],
        )

    def likelier_nominal_v(self) -> float | None:
        """Return what nominal_v should perhaps be, by the last reading; None if what is configured fits."""
        phases_v = None if self.diagnosis is None else self.diagnosis.picture.phase_neutral
        return None if phases_v is None else likelier_nominal_v(phases_v, self.supply.nominal_v)

    def _diagnosed(self) -> Diagnosis:
        return self.diagnosis if self.diagnosis is not None else diagnose({}, self.supply)

    def _judge(self, joined: Joined, diagnosis: Diagnosis) -> Iterator[Event]:
        view = View(joined.reading, diagnosis, self._limits, self.seen_live, self.window_s)
        scene = self.scene(joined.reading.moment)
        yield from judge(self._posts, view, self._desk, scene)

    def _remember(self, joined: Joined) -> None:
        """Keep which phases were ever live, and since when the voltages stand as they do."""
        nominal_v = self.supply.nominal_v
        values = tuple(joined.reading.values.get(name) for name in LN)
        if not all(self.seen_live):
            live = [
                seen or (v is not None and v > LIVE * nominal_v) for seen, v in zip(self.seen_live, values, strict=True)
            ]
            now_live = (live[0], live[1], live[2])
            self.live_changed |= now_live != self.seen_live
            self.seen_live = now_live
        if not self._stood or any(
            a is not None and b is not None and abs(a - b) > CHANGED * nominal_v
            for a, b in zip(values, self._stood, strict=True)
        ):
            self._stood, self._since_s = values, joined.reading.monotonic_s
