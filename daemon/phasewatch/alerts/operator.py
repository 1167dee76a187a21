"""What operators do to alerts, and what time does to that: acknowledging, shelving, a test.

A shelved alert is judged, journaled and published as before, each time with `shelved_until`, so that whoever shows
alerts can leave it out; it is no news, it is not first out, and it stands apart in the counts. Shelving outlasts the
occurrence; an acknowledgement ends with it.

Both end at a wall clock time that people gave. While the daemon runs, the time left at the moment of the command is
counted with the monotonic clock, so setting the clock moves no end; after a restart the wall clock decides, and no more
than seven days are ever left.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from phasewatch.alerts.alert import Alert, Key
from phasewatch.alerts.command import Answer, Command, CommandError
from phasewatch.alerts.daemon_watch import DAEMON, TEST
from phasewatch.alerts.desk import Desk
from phasewatch.alerts.event import Event, Scene, occurrence, stamp
from phasewatch.alerts.lifecycle import Life, State
from phasewatch.alerts.record import set_ends
from phasewatch.rules.rule import Condition

PHASEWATCH: Final = "phasewatch"
"""Who does what time brings about."""

SceneOf = Callable[[Alert], Scene]
Done = tuple[list[Event], str | None, str | None]
"""Events, the occurrence concerned, and what is worth knowing."""


def operate(desk: Desk, command: Command, scene_of: SceneOf) -> tuple[Answer, list[Event]]:
    """Do a command; return the answer and what it changed."""
    try:
        events, alert_id, note = _operate(desk, command, scene_of)
    except CommandError as error:
        return Answer(command.request, command.verb, ok=False, error=str(error)), []
    return Answer(command.request, command.verb, ok=True, alert_id=alert_id, note=note), events


def end_what_is_over(desk: Desk, scene_of: SceneOf, at: datetime, monotonic_s: float) -> Iterator[Event]:
    """End shelvings and acknowledgements whose time is over."""
    for alert in desk.busy():
        if alert.shelved_until is None and alert.acknowledged_until is None:
            continue
        set_ends(alert, at, monotonic_s)
        if alert.shelved_until_s is not None and monotonic_s >= alert.shelved_until_s:
            scene = scene_of(alert)
            yield _unshelve(desk, alert, scene, PHASEWATCH, scene.reason("shelving_over"))
        if alert.acknowledged_until_s is not None and monotonic_s >= alert.acknowledged_until_s:
            alert.end_acknowledgement()
            scene = scene_of(alert)
            yield desk.tell(alert, "acknowledged", scene, PHASEWATCH, scene.reason("acknowledgement_over"))


def _operate(desk: Desk, command: Command, scene_of: SceneOf) -> Done:
    if command.verb == "resync":
        return [], None, None
    if command.verb == "test":
        return _test(desk, command, scene_of)
    alert = _target(desk, command)
    events, note = _ACTIONS[command.verb](desk, alert, command, scene_of(alert))
    return events, occurrence(alert, desk.origin), note


def _acknowledge(desk: Desk, alert: Alert, command: Command, scene: Scene) -> tuple[list[Event], str | None]:
    if not alert.standing:
        raise CommandError(f"{alert.key}: is not active, so there is nothing to acknowledge")
    alert.back = None  # he acts on what is there now
    if alert.acknowledged and alert.acknowledged_until == command.until:
        return [], "already acknowledged"
    alert.acknowledged, alert.acknowledged_until, alert.acknowledged_until_s = True, command.until, None
    set_ends(alert, scene.at, scene.monotonic_s)
    events = [desk.tell(alert, "acknowledged", scene, command.by, command.reason)]
    if alert.latched:
        alert.latched = False
        if not alert.standing:
            events.append(desk.clear(alert, scene, command.by, command.reason))
    return events, None


def _shelve(desk: Desk, alert: Alert, command: Command, scene: Scene) -> tuple[list[Event], str | None]:
    if alert.shelved_until == command.until:
        return [], f"already shelved until {stamp(command.until)}"
    alert.shelved_until, alert.shelved_until_s = command.until, None
    set_ends(alert, scene.at, scene.monotonic_s)
    return [desk.tell(alert, "shelved", scene, command.by, command.reason)], None


def _take_off_the_shelf(desk: Desk, alert: Alert, command: Command, scene: Scene) -> tuple[list[Event], str | None]:
    if alert.shelved_until is None:
        return [], "was not shelved"
    return [_unshelve(desk, alert, scene, command.by, command.reason)], None


def _unshelve(desk: Desk, alert: Alert, scene: Scene, by: str | None, reason: str | None) -> Event:
    alert.shelved_until = alert.shelved_until_s = None
    return desk.tell(alert, "unshelved", scene, by, reason)


_ACTIONS = {"acknowledge": _acknowledge, "shelve": _shelve, "unshelve": _take_off_the_shelf}


def _test(desk: Desk, command: Command, scene_of: SceneOf) -> Done:
    """Raise and clear an alert that says it is a test; it neither chatters nor is it news."""
    alert = desk.alert(Key(DAEMON, TEST))
    scene = scene_of(alert)
    alert.condition, alert.severity = Condition(True, False, severity="low"), "low"
    alert.life = Life(State.ACTIVE)
    raised = desk.open(alert, scene, command.by, command.reason)
    alert.life = Life()
    return [raised, desk.clear(alert, scene, command.by, command.reason)], occurrence(alert, desk.origin), None


# Which alert is meant


def _target(desk: Desk, command: Command) -> Alert:
    key = command.key
    return _by_id(desk, command.alert_id or "") if key is None else _by_name(desk, key)


def _by_name(desk: Desk, key: Key) -> Alert:
    alerts = desk.of_subject(key.subject)
    if not alerts:
        raise CommandError(
            f"subject: {key.subject} has no alerts; `phasewatch alerts list --all` names those there are"
        )
    of_rule = [alert for alert in alerts if alert.key.rule == key.rule]
    if not of_rule:
        rules = ", ".join(sorted({alert.key.rule for alert in alerts}))
        raise CommandError(f"rule: {key.subject} has no alert {key.rule}; one of {rules}")
    found = next((alert for alert in of_rule if key.phase in (alert.key.phase, _told_phase(alert))), None)
    if found is not None:
        return found
    phases = ", ".join(sorted(alert.key.phase for alert in of_rule if alert.key.phase))
    if not phases:
        raise CommandError(f"phase: {key.subject}/{key.rule} is not kept by phase; leave phase out")
    raise CommandError(f"phase: {key.subject}/{key.rule} is kept by phase; name one of {phases}")


def _told_phase(alert: Alert) -> str:
    """Return the slug of the phase that an alert is told with, whether it is kept by phase or not."""
    return alert.key.phase or str((alert.verdict or {}).get("phase") or "").lower()


def _by_id(desk: Desk, alert_id: str) -> Alert:
    origin = f"{desk.origin.site}-{desk.origin.journal}-"
    name, _, _count = alert_id.removeprefix(origin).rpartition("-")
    if not alert_id.startswith(origin) or not name:
        raise CommandError(f"alert_id: {alert_id} is not of this journal; its ids begin with {origin}")
    named = [
        alert
        for alert in (desk.alert(key) for key in desk.known() if name.startswith(key.subject))
        if str(alert.key).replace("/", "-") == name
    ]
    current = [occurrence(alert, desk.origin) for alert in named]
    if alert_id in current:
        return named[current.index(alert_id)]
    if not named:
        raise CommandError(f"alert_id: {alert_id}: no such alert; look at `alerts` for those there are")
    raise CommandError(f"alert_id: {alert_id} is over; the current occurrence is {current[0]}")
