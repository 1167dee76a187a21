"""The engine keeps every alert of a site, judges conditions as they come in, and returns what changed.

It is the one place where the parts of an alert are replaced, but for what an operator decides and what is no longer
configured. One condition passes `judge`, then `_hold` while the alert of its cause explains it or `_free` otherwise,
then `_step`, which raises, clears or escalates; each change is an event of `publish`.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from phasewatch.alerts.alert import Alert, Escalation, Kept, Key, Restart, Suppression, Wait
from phasewatch.alerts.event import EXPLAINED, Event, Origin, Scene, Transition, event, occurrence
from phasewatch.alerts.lifecycle import Delays, Timer
from phasewatch.alerts.snapshot import numbers, record, restored, resumed, worth_keeping
from phasewatch.alerts.suppression import Holder
from phasewatch.meters.reading import Moment
from phasewatch.rules.catalogue import BY_VERDICT, ROOT
from phasewatch.rules.meter_offline import MeterOffline
from phasewatch.rules.rule import Condition, Truth


def worse(alert: Alert, condition: Condition) -> float | None:
    """Return the value farther beyond the limit: the worst so far, or the new one."""
    value, limit, worst = condition.value, condition.limit, alert.worst
    if value is None or limit is None or worst is None:
        return worst
    return max(worst, value, key=lambda v: abs(v - limit)) if condition.breached else worst


def diagnosed(alert: Alert, scene: Scene) -> tuple[str, ...]:
    """Return code and phases of the verdict, if it is the one that this alert goes by; else nothing."""
    if alert.key.rule == MeterOffline.name:
        return scene.verdict
    code, phases = scene.verdict[:1], scene.verdict[1:]
    if alert.key.rule not in BY_VERDICT or not code or ROOT.get(code[0]) != alert.key.rule:
        return ()
    if alert.key.rule == "neutral_displacement" or not phases:
        # Where N moves to follows the load, and a direction that is lost in the noise is no news.
        phases = alert.verdicts.diagnosed[1:] if alert.verdicts.diagnosed[:1] == code else ()
    return (*code, *phases)


_NO_BREACH = Truth.CLEAR
MOST_RAISES: Final = 10_000


class Raise(NamedTuple):
    """An alert that was raised."""

    monotonic_s: float
    key: Key


class AlertEngine:
    """All alerts of one site; the one place where they change."""

    def __init__(
        self,
        origin: Origin,
        records: Mapping[str, dict[str, Any]] | None = None,
        forgotten: Mapping[str, Any] | None = None,
    ) -> None:
        """`forgotten`: the record of `numbers`."""
        self.origin = origin
        self.numbers = numbers(forgotten or {})
        """`count` and `rev` of forgotten alerts, by path: one that comes back goes on with them."""
        self.news: deque[Raise] = deque(maxlen=MOST_RAISES)
        """The newest raises, but those of shelved alerts."""
        self._alerts: dict[Key, Alert] = {}
        self._by_subject: dict[str, list[Alert]] = {}
        self._busy: dict[Key, Alert] = {}
        """Every alert that is not at rest, and some that have come to rest lately."""
        self.restore(records or {})

    def restore(self, records: Mapping[str, dict[str, Any]]) -> None:
        """Take alerts back from their records, by path."""
        for path, kept in records.items():
            subject, rule, *phase = path.split("/")
            alert = self._keep(restored(Key(subject, rule, *phase), kept))
            self._busy[alert.key] = alert

    def alert(self, key: Key) -> Alert:
        """Return the alert of a key; one that never was is clear."""
        found = self._alerts.get(key)
        if found is None:
            count, rev = self.numbers.get(str(key), (0, 0))
            found = self._keep(Alert(key, count=count, rev=rev))
        return found

    def _keep(self, alert: Alert) -> Alert:
        self._alerts[alert.key] = alert
        self._by_subject.setdefault(alert.key.subject, []).append(alert)
        return alert

    def known(self) -> tuple[Key, ...]:
        """Return the keys of all alerts that were ever judged."""
        return tuple(self._alerts)

    def forget(self, paths: Iterable[str]) -> None:
        """Drop alerts by their paths, all but their numbers; a path that is no alert's is passed over."""
        gone = set(paths)
        for key in [key for key in self._alerts if str(key) in gone]:
            alert = self._alerts.pop(key)
            if alert.rev:
                self.numbers[str(key)] = (alert.count, alert.rev)
            self._by_subject[key.subject].remove(alert)
            self._busy.pop(key, None)

    def busy(self) -> list[Alert]:
        """Return the alerts that stand, are shelved, have a timer that runs, or one that only the journal still has."""
        rest = [key for key, a in self._busy.items() if a.at_rest and a.shelving is None and a.kept.timer_s is None]
        for key in rest:
            del self._busy[key]
        return list(self._busy.values())

    def of_subject(self, subject: str) -> list[Alert]:
        """Return all alerts of a subject."""
        return list(self._by_subject.get(subject, ()))

    def standing(self, subject: str | None = None) -> list[Alert]:
        """Return the raised alerts, of one subject or of all."""
        kept = self._alerts.values() if subject is None else self._by_subject.get(subject, ())
        return [alert for alert in kept if alert.standing]

    def judge(
        self, key: Key, condition: Condition, delays: Delays, scene: Scene, held_by: Holder | None = None
    ) -> Iterable[Event]:
        """Take one condition; return what it changes, to be run through: () when it was clear and stays so.

        `held_by`: the alert that explains this one.
        """
        alert = self.alert(key)
        truth = condition.truth(alert.life.standing)
        if alert.at_rest and (truth is _NO_BREACH or _still_unknown(alert, truth)):
            return ()  # most conditions of most readings: nothing can change
        return self._judge(alert, condition, truth, delays, scene, held_by)

    def _judge(
        self, alert: Alert, condition: Condition, truth: Truth, delays: Delays, scene: Scene, held_by: Holder | None
    ) -> Iterator[Event]:
        self._busy[alert.key] = alert
        if alert.restart.resume is not None:
            alert.timer = resumed(alert.timer, alert.restart.resume, scene.moment)
            alert.restart = replace(alert.restart, resume=None)
            alert.kept = alert.kept._replace(at_s=scene.monotonic_s)
        alert.wait = _waiting(alert, condition, delays, scene, held_by)
        if held_by is not None and not held_by.outlasted(alert, scene.monotonic_s):
            yield from self._hold(alert, truth, held_by.alert, scene)
        else:
            yield from self._free(alert, condition, truth, delays, scene)
        alert.at_rest = alert.settled

    def _hold(self, alert: Alert, truth: Truth, held_by: Alert, scene: Scene) -> Iterator[Event]:
        """Take a condition that another alert explains: nothing runs, and a raised alert is suppressed."""
        alert.timer = alert.timer.paused(truth, scene.monotonic_s)
        cause = occurrence(held_by, self.origin)
        new = alert.standing and held_by.life.standing and alert.suppression.by != cause
        alert.suppression = alert.suppression.held(cause if new else None)
        if new:
            yield self.publish(alert, "suppressed", scene)

    def _free(self, alert: Alert, condition: Condition, truth: Truth, delays: Delays, scene: Scene) -> Iterator[Event]:
        """Take a condition that nothing explains, after the breach that waited for its cause."""
        if alert.wait.breach is not None:
            alert.condition, alert.wait = alert.wait.breach, replace(alert.wait, breach=None)
            yield from self._step(alert, Truth.BREACH, delays, scene)
            truth = condition.truth(alert.life.standing)
        if truth is Truth.UNKNOWN:
            yield from self._doubt(alert, delays, scene)
        else:
            alert.condition = condition
            alert.worst = worse(alert, condition)
            yield from self._release(alert, truth, scene)
        yield from self._step(alert, truth, delays, scene)

    def silence(self, alerts: Iterable[Alert], scene: Scene, cause: Alert | None = None) -> Iterator[Event]:
        """Mark raised alerts as unknown until data is back; `cause`: the alert that explains why there is none."""
        for alert in alerts:
            before = alert.suppression
            if cause is not None:
                alert.suppression = before.silenced(occurrence(cause, self.origin))
            if not alert.stale:
                alert.stale = True
                yield self.publish(alert, "stale", scene)
            elif alert.suppression is not before:
                yield self.publish(alert, "suppressed", scene)

    def _doubt(self, alert: Alert, delays: Delays, scene: Scene) -> Iterator[Event]:
        """Make a raised alert unknown once its condition could not be judged for long enough."""
        if alert.unknown_since_s is None:
            alert.unknown_since_s = scene.monotonic_s
        if alert.standing and not alert.stale and scene.monotonic_s - alert.unknown_since_s > delays.stale_s:
            alert.stale = True
            yield self.publish(alert, "stale", scene)

    def _release(self, alert: Alert, truth: Truth, scene: Scene) -> Iterator[Event]:
        """Take that the condition can be judged and that nothing explains it."""
        alert.unknown_since_s = None
        before, stale = alert.suppression, alert.stale
        alert.suppression = before.fresh() if stale else before.free(scene.monotonic_s)
        alert.stale = False
        if stale:
            yield self.publish(alert, "fresh", scene)
        elif before.by is not None and alert.suppression.by is None and truth is Truth.BREACH:
            yield self.publish(alert, "unsuppressed", scene)

    def _step(self, alert: Alert, truth: Truth, delays: Delays, scene: Scene) -> Iterator[Event]:
        """Let the timer take one sample, and publish what that raises, changes or clears."""
        before = alert.timer
        alert.timer = before.step(truth, scene.monotonic_s, delays)
        came, there = before.life.standing, alert.life.standing
        if there and not came:
            yield from self._begin(alert, before, scene)
        elif came and not there:
            yield from self._end(alert, delays, scene)
        elif came and truth is Truth.BREACH:
            yield from self._go_on(alert, delays, scene)
        alert.restart = alert.restart.step(truth)
        if before.standing and not alert.standing:
            yield self.clear(alert, scene)

    def _begin(self, alert: Alert, before: Timer, scene: Scene) -> Iterator[Event]:
        """Raise an alert; of one that was still raised, latched or chattering, the condition has returned."""
        chattered = alert.timer.chattering
        alert.timer = alert.timer.raised(scene.monotonic_s)
        if not before.standing:
            yield self._raise(alert, scene)
        elif not chattered:
            yield self.publish(alert, "verdict_changed", scene)

    def _end(self, alert: Alert, delays: Delays, scene: Scene) -> Iterator[Event]:
        """Take that the condition is gone; a latched alert that is not acknowledged stays raised."""
        alert.timer = alert.timer.gone(latched=delays.latch and not alert.acknowledged)
        if alert.timer.latched and not alert.timer.chattering:
            yield self.publish(alert, "verdict_changed", scene)

    def _go_on(self, alert: Alert, delays: Delays, scene: Scene) -> Iterator[Event]:
        """Take that the condition lasts: a return ends the acknowledgement, severity and verdict may change."""
        if alert.timer.back is not None and alert.timer.back.standing:
            alert.timer = replace(alert.timer, back=None)
            if alert.acknowledged:
                alert.acknowledgement = None
                yield self.publish(alert, "verdict_changed", scene, reason=scene.reason("back"))
        severity = alert.severity
        if alert.condition is not None:
            alert.escalation = alert.escalation.step(alert.condition.severity, delays.on_polls)
        if alert.severity != severity:
            yield self.publish(alert, "severity_changed", scene)
        alert.verdicts = alert.verdicts.step(diagnosed(alert, scene), scene.monotonic_s)
        if alert.verdicts.due(delays, scene.monotonic_s):
            yield self.publish(alert, "verdict_changed", scene)

    def _raise(self, alert: Alert, scene: Scene) -> Event:
        alert.first_out = alert.shelving is None and not self.standing_besides(alert)
        alert.acknowledgement = None
        alert.escalation = Escalation(alert.condition.severity if alert.condition else alert.severity)
        alert.worst = alert.condition.value if alert.condition else None
        if alert.shelving is None:
            self.news.append(Raise(scene.monotonic_s, alert.key))
        return self.open(alert, scene)

    def open(self, alert: Alert, scene: Scene, by: str | None = None, reason: str | None = None) -> Event:
        """Begin an occurrence."""
        alert.count += 1
        alert.since = scene.at
        return self.publish(alert, "raised", scene, by=by, reason=reason)

    def standing_besides(self, alert: Alert) -> bool:
        """Return whether another alert of the same subject, and not a shelved one, has its condition there already."""
        others = self._by_subject[alert.key.subject]
        return any(other is not alert and other.shelving is None and other.life.standing for other in others)

    def clear(self, alert: Alert, scene: Scene, by: str | None = None, reason: str | None = None) -> Event:
        """End an occurrence."""
        if alert.restart.gone_unseen and reason is None:
            reason = scene.reason("cleared_while_down")
        cleared = self.publish(alert, "cleared", scene, by=by, reason=reason)
        alert.timer = alert.timer.cleared()
        alert.verdicts = alert.verdicts.cleared()
        alert.acknowledgement, alert.suppression = None, Suppression()
        alert.restart = Restart(alert.restart.resume)
        alert.stale, alert.since = False, None
        alert.at_rest = alert.settled
        return cleared

    def retire(self, alert: Alert, scene: Scene) -> Event:
        """End an occurrence whose rule is no longer configured."""
        alert.timer, alert.retired = alert.timer.cleared(), True
        return self.clear(alert, scene, reason=scene.reason("not_configured"))

    def running(self, moment: Moment, *, every: bool) -> dict[str, dict[str, Any]]:
        """Return the records, by path, of alerts whose timers the journal should have, and take them as kept.

        `every`: also those that are not worth a write as yet.
        """
        found = {}
        for alert in self.busy():
            if worth_keeping(alert, moment.monotonic_s) or (every and alert.timer.run_s != alert.kept.timer_s):
                found[str(alert.key)] = record(alert, moment)
                alert.kept = Kept(alert.timer.run_s, moment.monotonic_s)
        return found

    def publish(
        self,
        alert: Alert,
        transition: Transition,
        scene: Scene,
        *,
        by: str | None = None,
        reason: str | None = None,
    ) -> Event:
        """Return the event of a transition that has just been made."""
        alert.rev += 1
        self._busy[alert.key] = alert
        alert.kept = Kept(alert.timer.run_s, scene.monotonic_s)
        text = scene.tell(alert, transition)
        explained = transition in EXPLAINED
        active = alert.standing and transition != "cleared"
        alert.wording = alert.wording.step(text.summary, explained=explained, active=active)
        if explained:
            alert.verdicts = alert.verdicts.published(text.verdict, diagnosed(alert, scene))
        return event(alert, transition, scene, self.origin, by=by, reason=reason)


def _waiting(alert: Alert, condition: Condition, delays: Delays, scene: Scene, held_by: Holder | None) -> Wait:
    """Keep a breach that one poll is enough for until its cause is raised or goes: it may be over by then."""
    if held_by is None:
        return alert.wait.free()
    at_once = not alert.life.standing and delays.on_s == 0.0 and delays.on_polls == 1
    return alert.wait.step(condition, scene.monotonic_s, raised=held_by.alert.life.standing, at_once=at_once)


def _still_unknown(alert: Alert, truth: Truth) -> bool:
    return truth is Truth.UNKNOWN and alert.life.frozen and alert.unknown_since_s is not None
