"""Commands of operators: read from an untrusted body, done to alerts, and answered; and what ends by time alone.

A shelved alert is judged, journaled and published as before, each time with `shelved_until`, so that a
subscriber can leave it out; it is never first out, and it is counted apart. Shelving outlasts the occurrence; an
acknowledgement ends with it.

Both end at a wall clock time that people gave. While the daemon runs, the time left at the moment of the command is
counted with the monotonic clock, so setting the clock moves no end; after a restart the wall clock decides, and no more
than seven days are ever left.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from phasewatch.alerts.alert import Alert, Decision, Escalation, Key
from phasewatch.alerts.daemon_monitor import DAEMON, TEST
from phasewatch.alerts.engine import AlertEngine
from phasewatch.alerts.event import Event, Scene, occurrence, stamp
from phasewatch.alerts.lifecycle import Life, State, Timer
from phasewatch.meters.reading import Moment
from phasewatch.rules.rule import Condition

Verb = Literal["acknowledge", "shelve", "unshelve", "resync", "test"]
VERBS: Final[tuple[Verb, ...]] = ("acknowledge", "shelve", "unshelve", "resync", "test")

MOST_CHARACTERS: Final = 200
"""Of any text in a command."""
MOST_SHOWN: Final = 40
"""Of something hostile that is quoted."""
LONGEST: Final = timedelta(days=7)
"""Nothing is shelved or acknowledged with an end that lies further ahead."""

_SAID: Final = ("by", "reason", "request")
_NAMES: Final = ("alert_id", "subject", "rule", "phase")
_KEYS: Final[dict[Verb, tuple[str, ...]]] = {
    "acknowledge": (*_SAID, *_NAMES, "until"),
    "shelve": (*_SAID, *_NAMES, "until"),
    "unshelve": (*_SAID, *_NAMES),
    "resync": _SAID,
    "test": _SAID,
}
_UNPRINTABLE: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
_TYPES: Final = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
_PHASE: Final = re.compile(r"l[123]")


class CommandError(Exception):
    """A command that cannot be done; one line with the place and the remedy."""


@dataclass(frozen=True, slots=True)
class Command:
    """What an operator asks for."""

    verb: Verb
    by: str | None
    """None: nobody is named; only `resync` needs nobody."""
    reason: str | None = None
    until: datetime | None = None
    """Aware UTC."""
    request: str | None = None
    """Comes back in the answer."""
    alert_id: str | None = None
    subject: str | None = None
    rule: str | None = None
    phase: str | None = None
    """Slug."""

    @property
    def key(self) -> Key | None:
        """The alert that is named by subject and rule; None where `alert_id` names it, or nothing."""
        return None if self.subject is None or self.rule is None else Key(self.subject, self.rule, self.phase or "")


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command."""

    request: str | None
    verb: str
    ok: bool
    alert_id: str | None = None
    error: str | None = None
    note: str | None = None
    """What is worth knowing of a command that was done: that there was nothing left to do."""

    def payload(self) -> dict[str, Any]:
        """Return the answer as it is published."""
        answer = {"request": self.request, "verb": self.verb, "ok": self.ok, "alert_id": self.alert_id}
        return {**answer, "error": self.error} | ({} if self.note is None else {"note": self.note})


def refusal(verb: str, body: object, error: CommandError) -> Answer:
    """Return the answer to a body that could not be read; it carries the request if that much could be read."""
    request = body.get("request") if isinstance(body, Mapping) else None
    readable = isinstance(request, str) and len(request) <= MOST_CHARACTERS and not _hidden(request)
    # An unknown verb is quoted as it was written, as far as it can be shown.
    return Answer(request if readable else None, ascii(verb)[1:-1][:MOST_SHOWN], ok=False, error=str(error))


def parse(verb: str, body: object, at: datetime) -> Command:
    """Return the command of a body that comes from outside. Raises: CommandError."""
    if verb not in VERBS:
        raise CommandError(f"{_shown(verb)}: no such command; one of {', '.join(VERBS)}")
    if not isinstance(body, Mapping):
        raise CommandError(f'body: must be a JSON object, as {{"by": "anna"}}, and is {_type(body)}')
    for name in body:
        if name not in _KEYS[verb]:
            raise CommandError(f"{_shown(name)}: {verb} has no such key; it takes {', '.join(_KEYS[verb])}")
    texts = {name: _text(name, body[name]) for name in _KEYS[verb] if name in body}
    return _command(verb, texts, at)


def _command(verb: Verb, texts: Mapping[str, str | None], at: datetime) -> Command:
    if verb != "resync" and not texts.get("by"):
        raise CommandError("by: missing; say who asks")
    if "alert_id" in _KEYS[verb]:
        _check_target(texts)
    until = texts.get("until")
    if verb == "shelve" and until is None:
        raise CommandError("until: missing; an alert is shelved for a time, 7 days at most")
    phase = texts.get("phase")
    return Command(
        verb,
        texts.get("by"),
        texts.get("reason"),
        None if until is None else _moment(until, at),
        texts.get("request"),
        texts.get("alert_id"),
        texts.get("subject"),
        texts.get("rule"),
        None if phase is None else _phase(phase),
    )


def _check_target(texts: Mapping[str, str | None]) -> None:
    by_name = [name for name in ("subject", "rule", "phase") if texts.get(name)]
    if texts.get("alert_id"):
        if by_name:
            raise CommandError(f"{by_name[0]}: alert_id names the alert already; leave one of them out")
    elif not (texts.get("subject") and texts.get("rule")):
        missing = "subject" if not texts.get("subject") else "rule"
        raise CommandError(f"{missing}: missing; name the alert by alert_id, or by subject and rule")


def _text(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise CommandError(f"{name}: must be text, and is {_type(value)}")
    if len(value) > MOST_CHARACTERS:
        raise CommandError(f"{name}: {len(value)} characters; {MOST_CHARACTERS} at most")
    if _hidden(value):
        raise CommandError(f"{name}: has a control character; leave it out")
    return value.strip() or None


def _phase(text: str) -> str:
    slug = text.lower()
    if not _PHASE.fullmatch(slug):
        raise CommandError(f"phase: {_shown(text)} is no phase; one of l1, l2, l3")
    return slug


def _moment(text: str, at: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise CommandError(f"until: {_shown(text)} has no time zone; end it with Z or +01:00")
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise CommandError(f"until: {_shown(text)} is no time; write it as 2026-03-01T18:00:00Z") from None
    if moment <= at:
        raise CommandError(f"until: {_shown(text)} is past; here it is {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    if moment - at > LONGEST:
        raise CommandError(f"until: {_shown(text)} is more than {LONGEST.days} days ahead; take a nearer time")
    return moment


def _hidden(text: str) -> bool:
    """Return whether a text has characters that cannot be seen, or that move others."""
    return any(unicodedata.category(character) in _UNPRINTABLE for character in text)


def _shown(name: object) -> str:
    """Return something hostile so that it fits into a line."""
    text = ascii(name)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


def _type(value: object) -> str:
    return "null" if value is None else _TYPES.get(type(value), "text")


PHASEWATCH: Final = "phasewatch"
"""Who does what time brings about."""

SceneOf = Callable[[Alert], Scene]
Done = tuple[list[Event], str | None, str | None]
"""Events, the occurrence concerned, and what is worth knowing."""


def operate(desk: AlertEngine, command: Command, scene_of: SceneOf) -> tuple[Answer, list[Event]]:
    """Do a command; return the answer and what it changed."""
    try:
        events, alert_id, note = _operate(desk, command, scene_of)
    except CommandError as error:
        return Answer(command.request, command.verb, ok=False, error=str(error)), []
    return Answer(command.request, command.verb, ok=True, alert_id=alert_id, note=note), events


def end_what_is_over(desk: AlertEngine, scene_of: SceneOf, moment: Moment) -> Iterator[Event]:
    """End shelvings and acknowledgements whose time is over."""
    for alert in desk.busy():
        if alert.shelving is not None:
            alert.shelving = alert.shelving.counted(moment)
            if alert.shelving.over(moment.monotonic_s):
                scene = scene_of(alert)
                yield _unshelve(desk, alert, scene, PHASEWATCH, scene.reason("shelving_over"))
        if alert.acknowledgement is not None:
            alert.acknowledgement = alert.acknowledgement.counted(moment)
            if alert.acknowledgement.over(moment.monotonic_s):
                alert.acknowledgement = None
                scene = scene_of(alert)
                reason = scene.reason("acknowledgement_over")
                yield desk.publish(alert, "acknowledged", scene, by=PHASEWATCH, reason=reason)


def _operate(desk: AlertEngine, command: Command, scene_of: SceneOf) -> Done:
    if command.verb == "resync":
        return [], None, None
    if command.verb == "test":
        return _test(desk, command, scene_of)
    alert = _target(desk, command)
    events, note = _ACTIONS[command.verb](desk, alert, command, scene_of(alert))
    return events, occurrence(alert, desk.origin), note


def _acknowledge(desk: AlertEngine, alert: Alert, command: Command, scene: Scene) -> tuple[list[Event], str | None]:
    if not alert.standing:
        raise CommandError(f"{alert.key}: is not active, so there is nothing to acknowledge")
    alert.timer = replace(alert.timer, back=None)  # a return so far is acknowledged with it
    if alert.acknowledgement is not None and alert.acknowledgement.until == command.until:
        return [], "already acknowledged"
    alert.acknowledgement = Decision(command.until).counted(scene.moment)
    events = [desk.publish(alert, "acknowledged", scene, by=command.by, reason=command.reason)]
    if alert.timer.latched:
        alert.timer = replace(alert.timer, latched=False)
        if not alert.standing:
            events.append(desk.clear(alert, scene, command.by, command.reason))
    return events, None


def _shelve(desk: AlertEngine, alert: Alert, command: Command, scene: Scene) -> tuple[list[Event], str | None]:
    if alert.shelved_until == command.until:
        return [], f"already shelved until {stamp(command.until)}"
    alert.shelving = Decision(command.until).counted(scene.moment)
    return [desk.publish(alert, "shelved", scene, by=command.by, reason=command.reason)], None


def _take_off_the_shelf(
    desk: AlertEngine, alert: Alert, command: Command, scene: Scene
) -> tuple[list[Event], str | None]:
    if alert.shelving is None:
        return [], "was not shelved"
    return [_unshelve(desk, alert, scene, command.by, command.reason)], None


def _unshelve(desk: AlertEngine, alert: Alert, scene: Scene, by: str | None, reason: str | None) -> Event:
    alert.shelving = None
    return desk.publish(alert, "unshelved", scene, by=by, reason=reason)


_ACTIONS = {"acknowledge": _acknowledge, "shelve": _shelve, "unshelve": _take_off_the_shelf}


def _test(desk: AlertEngine, command: Command, scene_of: SceneOf) -> Done:
    """Raise and clear an alert that says it is a test; it neither chatters nor is it news."""
    alert = desk.alert(Key(DAEMON, TEST))
    scene = scene_of(alert)
    alert.condition, alert.escalation = Condition(True, False, severity="low"), Escalation("low")
    alert.timer = Timer(Life(State.ACTIVE))
    raised = desk.open(alert, scene, command.by, command.reason)
    alert.timer = Timer()
    return [raised, desk.clear(alert, scene, command.by, command.reason)], occurrence(alert, desk.origin), None


# Which alert is meant


def _target(desk: AlertEngine, command: Command) -> Alert:
    key = command.key
    return _by_id(desk, command.alert_id or "") if key is None else _by_name(desk, key)


def _by_name(desk: AlertEngine, key: Key) -> Alert:
    alerts = desk.of_subject(key.subject)
    if not alerts:
        raise CommandError(
            f"subject: {key.subject} has no alerts; `phasewatch alerts list --all` names those there are"
        )
    of_rule = [alert for alert in alerts if alert.key.rule == key.rule]
    if not of_rule:
        rules = ", ".join(sorted({alert.key.rule for alert in alerts}))
        raise CommandError(f"rule: {key.subject} has no alert {key.rule}; one of {rules}")
    found = next((alert for alert in of_rule if key.phase in (alert.key.phase, _published_phase(alert))), None)
    if found is not None:
        return found
    phases = ", ".join(sorted(alert.key.phase for alert in of_rule if alert.key.phase))
    if not phases:
        raise CommandError(f"phase: {key.subject}/{key.rule} is not kept by phase; leave phase out")
    raise CommandError(f"phase: {key.subject}/{key.rule} is kept by phase; name one of {phases}")


def _published_phase(alert: Alert) -> str:
    """Return the slug of the phase that an alert is published with, whether it is kept by phase or not."""
    return alert.key.phase or str((alert.verdicts.verdict or {}).get("phase") or "").lower()


def _by_id(desk: AlertEngine, alert_id: str) -> Alert:
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
