"""The desk keeps every alert, judges conditions as they come in, and says what changed."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from phasewatch.alerts.alert import Alert, Key, restored
from phasewatch.alerts.causes import BY_VERDICT, ROOT
from phasewatch.alerts.event import EXPLAINED, Event, Origin, Scene, Transition, event, occurrence
from phasewatch.alerts.lifecycle import Delays, Life, State, step
from phasewatch.electrical.severity import Severity
from phasewatch.rules.rule import Condition, Truth

_NO_BREACH = Truth.CLEAR
_RANK: Final[dict[Severity, int]] = {"low": 0, "medium": 1, "high": 2, "critical": 3}


AGAIN_S: Final = 60.0
"""A verdict that an alert has had before is told again only when it has held for this long: it may hover."""


class Holder(NamedTuple):
    """The alert that explains others, and how long it may make them wait before it stands itself."""

    alert: Alert
    delays: Delays | None = None
    """None: for ever."""

    def outlasted(self, waiting: Alert, at_s: float) -> bool:
        """Return whether a breach has waited far longer than this cause needs to come to stand.

        Causes that take turns never stand, and must not silence what they would explain.
        """
        delays, since_s = self.delays, waiting.waits_since_s
        if delays is None or since_s is None or self.alert.life.standing:
            return False
        return at_s - since_s > 2.0 * delays.on_s and waiting.waits_polls > 2 * delays.on_polls


class Desk:
    """All alerts of one site; the one place where they change."""

    def __init__(self, origin: Origin, records: Mapping[str, dict[str, Any]] | None = None) -> None:
        self._origin = origin
        self._alerts: dict[Key, Alert] = {}
        self._by_subject: dict[str, list[Alert]] = {}
        for path, kept in (records or {}).items():
            subject, rule, *phase = path.split("/")
            key = Key(subject, rule, *phase)
            self._keep(restored(key, kept))

    def alert(self, key: Key) -> Alert:
        """Return the alert of a key; one that never was is clear."""
        found = self._alerts.get(key)
        if found is None:
            found = self._keep(Alert(key))
        return found

    def _keep(self, alert: Alert) -> Alert:
        self._alerts[alert.key] = alert
        self._by_subject.setdefault(alert.key.subject, []).append(alert)
        return alert

    def standing(self, subject: str | None = None) -> list[Alert]:
        """Return the raised alerts, of one subject or of all."""
        kept = self._alerts.values() if subject is None else self._by_subject.get(subject, ())
        return [alert for alert in kept if alert.life.standing]

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
        if held_by is not None:
            _wait(alert, condition, delays, held_by.alert, scene.monotonic_s)
            if not held_by.outlasted(alert, scene.monotonic_s):
                yield from self._hold(alert, truth, held_by.alert, scene)
                return
        else:
            alert.waits_since_s, alert.waits_polls = None, 0
        if alert.waiting is not None:
            alert.condition, alert.waiting = alert.waiting, None
            yield from self._live(alert, Truth.BREACH, delays, scene)
            truth = condition.truth(alert.life.standing)
        if truth is Truth.UNKNOWN:
            yield from self._doubt(alert, delays, scene)
        else:
            alert.condition = condition
            alert.worst = _worse(alert, condition)
            yield from self._release(alert, truth, scene)
        yield from self._live(alert, truth, delays, scene)

    def silence(self, alerts: Iterable[Alert], scene: Scene, cause: Alert | None = None) -> Iterator[Event]:
        """Mark standing alerts as unknown until data is back; `cause`: the alert that explains why there is none."""
        explanation = occurrence(cause, self._origin) if cause is not None else None
        for alert in alerts:
            explained = explanation is not None and alert.suppressed_by is None
            if explained:
                alert.suppressed_by = explanation
            if not alert.stale:
                alert.stale = True
                yield self._tell(alert, "stale", scene)
            elif explained:
                yield self._tell(alert, "suppressed", scene)

    def _doubt(self, alert: Alert, delays: Delays, scene: Scene) -> Iterator[Event]:
        """Make a standing alert unknown once its condition could not be judged for long enough."""
        if alert.unknown_since_s is None:
            alert.unknown_since_s = scene.monotonic_s
        if alert.life.standing and not alert.stale and scene.monotonic_s - alert.unknown_since_s > delays.stale_s:
            alert.stale = True
            yield self._tell(alert, "stale", scene)

    def _hold(self, alert: Alert, truth: Truth, held_by: Alert, scene: Scene) -> Iterator[Event]:
        waits = Truth.CLEAR if truth is Truth.CLEAR and alert.life.state is State.PENDING else Truth.UNKNOWN
        alert.life = step(alert.life, waits, scene.monotonic_s, _NO_DELAYS)
        cause = occurrence(held_by, self._origin)
        if alert.life.standing and held_by.life.standing and alert.suppressed_by != cause:
            alert.suppressed_by = cause
            yield self._tell(alert, "suppressed", scene)

    def _release(self, alert: Alert, truth: Truth, scene: Scene) -> Iterator[Event]:
        suppressed, alert.suppressed_by, alert.unknown_since_s = alert.suppressed_by, None, None
        if alert.stale:
            alert.stale = False
            yield self._tell(alert, "fresh", scene)
        elif suppressed is not None and truth is Truth.BREACH:
            yield self._tell(alert, "unsuppressed", scene)

    def _live(self, alert: Alert, truth: Truth, delays: Delays, scene: Scene) -> Iterator[Event]:
        stood = alert.life.standing
        alert.life = step(alert.life, truth, scene.monotonic_s, delays)
        if alert.life.standing and not stood:
            yield self._raise(alert, scene)
        elif stood and not alert.life.standing:
            yield self._tell(alert, "cleared", scene)
            self._rest(alert)
        elif stood and truth is Truth.BREACH:
            yield from self._escalate(alert, delays, scene)
            yield from self._diagnose_anew(alert, delays, scene)

    def _raise(self, alert: Alert, scene: Scene) -> Event:
        alert.first_out = not self.standing_besides(alert)
        alert.count += 1
        alert.since = scene.at
        alert.raises.append(scene.monotonic_s)
        alert.acknowledged = False
        alert.worse_polls = 0
        alert.severity = alert.condition.severity if alert.condition else alert.severity
        alert.worst = alert.condition.value if alert.condition else None
        return self._tell(alert, "raised", scene)

    def standing_besides(self, alert: Alert) -> bool:
        """Return whether another alert of the same subject stood before this one."""
        return any(other is not alert for other in self.standing(alert.key.subject))

    def _escalate(self, alert: Alert, delays: Delays, scene: Scene) -> Iterator[Event]:
        """Raise the severity once it was worse for as many polls as a raise takes; it never falls while standing."""
        condition = alert.condition
        if condition is None or _RANK[condition.severity] <= _RANK[alert.severity]:
            alert.worse_polls = 0
            return
        alert.worse_polls += 1
        if alert.worse_polls >= delays.on_polls:
            alert.severity, alert.worse_polls = condition.severity, 0
            yield self._tell(alert, "severity_changed", scene)

    def _diagnose_anew(self, alert: Alert, delays: Delays, scene: Scene) -> Iterator[Event]:
        """Tell another verdict of the same alert once it has held as long as a raise takes."""
        found = _diagnosed(alert, scene)
        if not found or found == alert.diagnosed:
            alert.other = ()
            return
        if found != alert.other:
            alert.other, alert.other_since_s, alert.other_polls = found, scene.monotonic_s, 0
        alert.other_polls += 1
        needs_s = max(AGAIN_S, delays.on_s) if found in alert.diagnosed_before else delays.on_s
        if alert.other_polls >= delays.on_polls and scene.monotonic_s - alert.other_since_s >= needs_s:
            yield self._tell(alert, "verdict_changed", scene)

    def _rest(self, alert: Alert) -> None:
        alert.life = Life()
        alert.diagnosed, alert.other = (), ()
        alert.diagnosed_before.clear()
        alert.acknowledged = alert.stale = False
        alert.suppressed_by = alert.since = None

    def _tell(self, alert: Alert, transition: Transition, scene: Scene) -> Event:
        alert.rev += 1
        telling = scene.tell(alert, transition)
        alert.summary = telling.summary
        if transition in EXPLAINED:
            alert.verdict = telling.verdict
            alert.diagnosed, alert.other = _diagnosed(alert, scene), ()
            alert.diagnosed_before.add(alert.diagnosed)
        return event(alert, transition, scene, self._origin)


def _still_unknown(alert: Alert, truth: Truth) -> bool:
    return truth is Truth.UNKNOWN and alert.life.frozen and alert.unknown_since_s is not None


def _worse(alert: Alert, condition: Condition) -> float | None:
    """Return the value farther beyond the limit: the worst so far, or the new one."""
    value, limit, worst = condition.value, condition.limit, alert.worst
    if value is None or limit is None or worst is None:
        return worst
    return max(worst, value, key=lambda v: abs(v - limit)) if condition.breached else worst


def _diagnosed(alert: Alert, scene: Scene) -> tuple[str, ...]:
    """Return code and phases of the verdict, if it is the one that this alert goes by; else nothing."""
    code, phases = scene.verdict[:1], scene.verdict[1:]
    if alert.key.rule not in BY_VERDICT or not code or ROOT.get(code[0]) != alert.key.rule:
        return ()
    if alert.key.rule == "neutral_displacement" or not phases:
        # Where N moves to follows the load, and a direction that is lost in the noise is no news.
        phases = alert.diagnosed[1:] if alert.diagnosed[:1] == code else ()
    return (*code, *phases)


def _wait(alert: Alert, condition: Condition, delays: Delays, held_by: Alert, at_s: float) -> None:
    """Keep a breach that one poll is enough for, until its cause stands or goes away: it may be over by then."""
    if held_by.life.standing or not condition.breached:
        alert.waits_since_s, alert.waits_polls = None, 0
    else:
        alert.waits_since_s = at_s if alert.waits_since_s is None else alert.waits_since_s
        alert.waits_polls += 1
    if held_by.life.standing:
        alert.waiting = None
    elif condition.breached and not alert.life.standing and delays.on_s == 0.0 and delays.on_polls == 1:
        before = alert.waiting
        alert.waiting = condition if before is None or _beyond(condition) >= _beyond(before) else before


def _beyond(condition: Condition) -> float:
    return 0.0 if condition.value is None or condition.limit is None else abs(condition.value - condition.limit)


_NO_DELAYS: Final = Delays(0.0, 0.0)


def collect(parts: Iterable[Iterable[Event]]) -> list[Event]:
    """Return all events in order."""
    return [one for part in parts for one in part]
