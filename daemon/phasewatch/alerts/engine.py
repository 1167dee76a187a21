"""The desk keeps every alert, judges conditions as they come in, and says what changed.

What an alert that stands has come to: how bad it was at worst, and which verdict stands behind it now.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from phasewatch.alerts import lifecycle
from phasewatch.alerts.alert import Alert, Key
from phasewatch.alerts.event import EXPLAINED, Event, Origin, Scene, Transition, event, occurrence
from phasewatch.alerts.lifecycle import Delays, Life, State, step
from phasewatch.alerts.snapshot import numbers, restored, resume
from phasewatch.alerts.suppression import Holder, still_suppressed, wait
from phasewatch.electrical.severity import Severity
from phasewatch.rules.catalogue import BY_VERDICT, ROOT
from phasewatch.rules.meter_offline import MeterOffline
from phasewatch.rules.rule import Condition, Truth

_RANK: Final[dict[Severity, int]] = {"low": 0, "medium": 1, "high": 2, "critical": 3}

AGAIN_S: Final = 60.0
"""A verdict that an alert has had before is told again only when it has held for this long: it may hover."""


def worse(alert: Alert, condition: Condition) -> float | None:
    """Return the value farther beyond the limit: the worst so far, or the new one."""
    value, limit, worst = condition.value, condition.limit, alert.worst
    if value is None or limit is None or worst is None:
        return worst
    return max(worst, value, key=lambda v: abs(v - limit)) if condition.breached else worst


def escalates(alert: Alert, delays: Delays) -> bool:
    """Raise the severity once it was worse for as many polls as a raise takes; it never falls while standing."""
    condition = alert.condition
    if condition is None or _RANK[condition.severity] <= _RANK[alert.severity]:
        alert.worse_polls = 0
        return False
    alert.worse_polls += 1
    if alert.worse_polls < delays.on_polls:
        return False
    alert.severity, alert.worse_polls = condition.severity, 0
    return True


def diagnosed_anew(alert: Alert, delays: Delays, scene: Scene) -> bool:
    """Return whether another verdict of the same alert has held for as long as a raise takes."""
    found = diagnosed(alert, scene)
    if not found or found == alert.diagnosed:
        alert.other = ()
        return False
    if found != alert.other:
        alert.other, alert.other_since_s, alert.other_polls = found, scene.monotonic_s, 0
    alert.other_polls += 1
    needs_s = max(AGAIN_S, delays.on_s) if found in alert.diagnosed_before else delays.on_s
    return alert.other_polls >= delays.on_polls and scene.monotonic_s - alert.other_since_s >= needs_s


def diagnosed(alert: Alert, scene: Scene) -> tuple[str, ...]:
    """Return code and phases of the verdict, if it is the one that this alert goes by; else nothing."""
    if alert.key.rule == MeterOffline.name:
        return scene.verdict
    code, phases = scene.verdict[:1], scene.verdict[1:]
    if alert.key.rule not in BY_VERDICT or not code or ROOT.get(code[0]) != alert.key.rule:
        return ()
    if alert.key.rule == "neutral_displacement" or not phases:
        # Where N moves to follows the load, and a direction that is lost in the noise is no news.
        phases = alert.diagnosed[1:] if alert.diagnosed[:1] == code else ()
    return (*code, *phases)


_NO_BREACH = Truth.CLEAR
_NO_DELAYS: Final = Delays(0.0, 0.0)
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
        rest = [
            key for key, a in self._busy.items() if a.at_rest and a.shelved_until is None and a.kept_timer_s is None
        ]
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
        if alert.resume is not None:
            resume(alert, scene.at, scene.monotonic_s)
        if held_by is not None:
            wait(alert, condition, delays, held_by.alert, scene.monotonic_s)
        else:
            alert.waits_since_s, alert.waits_polls = None, 0
        if held_by is not None and not held_by.outlasted(alert, scene.monotonic_s):
            yield from self._hold(alert, truth, held_by.alert, scene)
        else:
            yield from self._free(alert, condition, truth, delays, scene)
        alert.at_rest = alert.settled

    def _free(self, alert: Alert, condition: Condition, truth: Truth, delays: Delays, scene: Scene) -> Iterator[Event]:
        if alert.waiting is not None:
            alert.condition, alert.waiting = alert.waiting, None
            yield from self._live(alert, Truth.BREACH, delays, scene)
            truth = condition.truth(alert.life.standing)
        if truth is Truth.UNKNOWN:
            yield from self._doubt(alert, delays, scene)
        else:
            alert.condition = condition
            alert.worst = worse(alert, condition)
            yield from self._release(alert, truth, scene)
        yield from self._live(alert, truth, delays, scene)

    def silence(self, alerts: Iterable[Alert], scene: Scene, cause: Alert | None = None) -> Iterator[Event]:
        """Mark standing alerts as unknown until data is back; `cause`: the alert that explains why there is none."""
        explanation = occurrence(cause, self.origin) if cause is not None else None
        for alert in alerts:
            explained = explanation is not None and alert.suppressed_by is None
            if explained:
                alert.suppressed_by = explanation
            if not alert.stale:
                alert.stale = True
                yield self.tell(alert, "stale", scene)
            elif explained:
                yield self.tell(alert, "suppressed", scene)

    def _doubt(self, alert: Alert, delays: Delays, scene: Scene) -> Iterator[Event]:
        """Make a standing alert unknown once its condition could not be judged for long enough."""
        if alert.unknown_since_s is None:
            alert.unknown_since_s = scene.monotonic_s
        if alert.standing and not alert.stale and scene.monotonic_s - alert.unknown_since_s > delays.stale_s:
            alert.stale = True
            yield self.tell(alert, "stale", scene)

    def _hold(self, alert: Alert, truth: Truth, held_by: Alert, scene: Scene) -> Iterator[Event]:
        waits = Truth.CLEAR if truth is Truth.CLEAR and alert.life.state is State.PENDING else Truth.UNKNOWN
        alert.life = step(alert.life, waits, scene.monotonic_s, _NO_DELAYS)
        if alert.chatter is not None:
            alert.chatter = step(alert.chatter, Truth.UNKNOWN, scene.monotonic_s, _NO_DELAYS)
        if alert.back is not None:
            alert.back = step(alert.back, Truth.UNKNOWN, scene.monotonic_s, _NO_DELAYS)
        cause = occurrence(held_by, self.origin)
        alert.free_since_s = None
        if alert.standing and held_by.life.standing and alert.suppressed_by != cause:
            alert.suppressed_by = cause
            alert.suppressions += 1
            yield self.tell(alert, "suppressed", scene)

    def _release(self, alert: Alert, truth: Truth, scene: Scene) -> Iterator[Event]:
        alert.unknown_since_s = None
        if alert.suppressed_by is not None and not alert.stale and still_suppressed(alert, scene.monotonic_s):
            return
        suppressed, alert.suppressed_by = alert.suppressed_by, None
        if alert.stale:
            alert.stale = False
            yield self.tell(alert, "fresh", scene)
        elif suppressed is not None and truth is Truth.BREACH:
            yield self.tell(alert, "unsuppressed", scene)

    def _live(self, alert: Alert, truth: Truth, delays: Delays, scene: Scene) -> Iterator[Event]:
        stood, there = alert.standing, alert.life.standing
        alert.life = step(alert.life, truth, scene.monotonic_s, delays)
        if alert.chatter is not None:
            alert.chatter = lifecycle.held(alert.chatter, truth, scene.monotonic_s, delays)
        if alert.back is not None:
            alert.back = lifecycle.lasting(alert.back, truth, scene.monotonic_s, delays)
        alert.latched &= delays.latch
        if alert.life.standing and not there:
            yield from self._begin(alert, stood, scene)
        elif there and not alert.life.standing:
            yield from self._end(alert, delays, scene)
        elif there and truth is Truth.BREACH:
            yield from self._go_on(alert, delays, scene)
        if alert.unseen or alert.gone_unseen:
            _look_after_restart(alert, truth)
        if stood and not alert.standing:
            yield self.clear(alert, scene)

    def _begin(self, alert: Alert, stood: bool, scene: Scene) -> Iterator[Event]:
        """Raise an alert; one that still stood because it is latched or chatters has its condition back."""
        alert.raises.append(scene.monotonic_s)
        told, alert.latched = alert.chatter is None, False
        alert.back = None if told else lifecycle.back(scene.monotonic_s)
        alert.chatter = alert.chatter or lifecycle.begun(alert.raises)
        if not stood:
            yield self._raise(alert, scene)
        elif told:
            yield self.tell(alert, "verdict_changed", scene)

    def _end(self, alert: Alert, delays: Delays, scene: Scene) -> Iterator[Event]:
        """Take that the condition is gone; a latched alert that nobody has acknowledged stays."""
        alert.latched, alert.back = delays.latch and not alert.acknowledged, None
        if alert.latched and alert.chatter is None:
            yield self.tell(alert, "verdict_changed", scene)

    def _go_on(self, alert: Alert, delays: Delays, scene: Scene) -> Iterator[Event]:
        if alert.back is not None and alert.back.standing:
            alert.back = None
            if alert.acknowledged:
                alert.end_acknowledgement()
                yield self.tell(alert, "verdict_changed", scene, reason=scene.reason("back"))
        if escalates(alert, delays):
            yield self.tell(alert, "severity_changed", scene)
        if diagnosed_anew(alert, delays, scene):
            yield self.tell(alert, "verdict_changed", scene)

    def _raise(self, alert: Alert, scene: Scene) -> Event:
        alert.first_out = alert.shelved_until is None and not self.standing_besides(alert)
        alert.since = scene.at
        alert.acknowledged = False
        alert.worse_polls = 0
        alert.severity = alert.condition.severity if alert.condition else alert.severity
        alert.worst = alert.condition.value if alert.condition else None
        if alert.shelved_until is None:
            self.news.append(Raise(scene.monotonic_s, alert.key))
        return self.open(alert, scene)

    def open(self, alert: Alert, scene: Scene, by: str | None = None, reason: str | None = None) -> Event:
        """Begin an occurrence."""
        alert.count += 1
        alert.since = scene.at
        return self.tell(alert, "raised", scene, by, reason)

    def standing_besides(self, alert: Alert) -> bool:
        """Return whether another alert of the same subject, and not a shelved one, has its condition there already."""
        others = self._by_subject[alert.key.subject]
        return any(other is not alert and other.shelved_until is None and other.life.standing for other in others)

    def clear(self, alert: Alert, scene: Scene, by: str | None = None, reason: str | None = None) -> Event:
        """End an occurrence."""
        if alert.gone_unseen and reason is None:
            reason = scene.reason("cleared_while_down")
        told = self.tell(alert, "cleared", scene, by, reason)
        alert.life, alert.chatter, alert.back, alert.latched = Life(), None, None, False
        alert.diagnosed, alert.other = (), ()
        alert.diagnosed_before.clear()
        alert.end_acknowledgement()
        alert.stale = alert.unseen = alert.gone_unseen = False
        alert.suppressed_by = alert.since = alert.free_since_s = None
        alert.suppressions = 0
        alert.at_rest = alert.settled
        return told

    def tell(
        self, alert: Alert, transition: Transition, scene: Scene, by: str | None = None, reason: str | None = None
    ) -> Event:
        """Return the event of a transition that has just been made."""
        alert.rev += 1
        self._busy[alert.key] = alert
        alert.kept_s, alert.kept_timer_s = scene.monotonic_s, alert.timer_s
        telling = scene.tell(alert, transition)
        alert.say(telling.summary, explained=transition in EXPLAINED, over=transition == "cleared")
        if transition in EXPLAINED:
            alert.verdict = telling.verdict
            alert.diagnosed, alert.other = diagnosed(alert, scene), ()
            alert.diagnosed_before.add(alert.diagnosed)
        return event(alert, transition, scene, self.origin, by=by, reason=reason)


def _still_unknown(alert: Alert, truth: Truth) -> bool:
    return truth is Truth.UNKNOWN and alert.life.frozen and alert.unknown_since_s is not None


def _look_after_restart(alert: Alert, truth: Truth) -> None:
    """Note whether the condition has been clear ever since the restart."""
    if truth is Truth.BREACH:
        alert.unseen = alert.gone_unseen = False
    elif truth is Truth.CLEAR and alert.unseen:
        alert.unseen, alert.gone_unseen = False, True
