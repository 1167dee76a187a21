"""`phasewatch alerts`: what stands, and what operators do about it."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import typer

from phasewatch.adapters.http.client import Control
from phasewatch.cli.daemon_client import order, show
from phasewatch.cli.errors import problem_found, say
from phasewatch.electrical.severity import RANK

PATIENCE_S: Final = 10.0
"""A test alert that is not delivered by then is not delivered."""
PAUSE_S: Final = 0.3
TEST_EVENTS: Final = 2
"""A test alert is raised and cleared."""
DONE: Final = {"acknowledge": "acknowledged", "shelve": "shelved", "unshelve": "no longer shelved"}


def list_alerts(control: Control, *, every: bool, as_json: bool) -> None:
    """Show the alerts that stand, or those that are cleared too. Raises: InputError."""
    found = standing(control, every=every)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        typer.echo("\n".join(lines(found)))


def standing(control: Control, *, every: bool = False) -> list[dict[str, Any]]:
    """Return the alerts that stand, the worst first. Raises: InputError."""
    alerts = show(control, "/api/alerts").get("alerts", [])
    kept = [alert for alert in alerts if every or alert.get("state") != "cleared"]
    return sorted(kept, key=lambda a: (a.get("state") == "cleared", -RANK.get(a.get("severity"), -9), a["since"] or ""))


def lines(alerts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield alerts as people read them, each under the name that commands take."""
    if not alerts:
        yield "no alert stands"
    for alert in alerts:
        name = "/".join(filter(None, (alert["subject"], alert["rule"], _phase(alert))))
        yield f"{alert['severity']:<8}  {name}  {_state(alert)} UTC"
        marks = "; ".join(_marks(alert))
        yield from (f"          {text}" for text in (alert.get("summary"), marks) if text)


def _state(alert: Mapping[str, Any]) -> str:
    """Return what an alert is, and when it became that: `since` is when it was raised."""
    word, moment = ("at", alert.get("at")) if alert["state"] == "cleared" else ("since", alert["since"])
    return f"{alert['state']} {word} {(moment or '?')[:19].replace('T', ' ')}"


def _phase(alert: Mapping[str, Any]) -> str:
    """Return the phase that an alert is kept by, as targets and topics spell it."""
    phase = str(alert.get("phase") or "").lower()
    # Other alerts have the phase of their verdict; only the id of one that is kept by phase names it.
    kept, _, _ = str(alert.get("alert_id")).rpartition("-")
    return phase if kept.endswith(f"-{alert['rule']}-{phase}") else ""


def _marks(alert: Mapping[str, Any]) -> list[str]:
    marks = {
        "acknowledged": alert.get("acknowledged"),
        f"shelved until {alert.get('shelved_until')}": alert.get("shelved_until"),
        f"explained by {alert.get('suppressed_by')}": alert.get("suppressed_by"),
        "chattering": alert.get("chattering"),
    }
    return [text for text, there in marks.items() if there]


def operate(control: Control, verb: str, name: str, body: Mapping[str, Any], *, as_json: bool) -> None:
    """Have an alert acknowledged, shelved or unshelved. Raises: InputError."""
    reply = order(control, verb, body)
    if as_json:
        typer.echo(json.dumps(reply, ensure_ascii=False))
    else:
        until = f" until {body['until']}" if body.get("until") else ""
        note = f" ({reply['note']})" if reply.get("note") else ""
        typer.echo(f"{name}: {DONE[verb]}{until}{note}")


def prove_delivery(control: Control, body: Mapping[str, Any], *, as_json: bool) -> None:
    """Send a marked test alert the whole way; exit status 1 if no broker acknowledges it. Raises: InputError."""
    before, begin_s = _delivered(show(control, "/api/status")), time.monotonic()
    reply = order(control, "test", body)
    state: Mapping[str, Any] = {}
    delivered = False
    while not delivered and time.monotonic() - begin_s < PATIENCE_S:
        time.sleep(PAUSE_S)
        state = show(control, "/api/status")
        delivered = _delivered(state) >= before + TEST_EVENTS and _depth(state) == 0
    took_s = round(time.monotonic() - begin_s, 1)
    if as_json:
        typer.echo(json.dumps({**reply, "delivered": delivered, "took_s": took_s}, ensure_ascii=False))
    elif delivered:
        typer.echo(f"the broker {state['delivery'].get('url')} has acknowledged the test alert after {took_s} s")
    if not delivered:
        say(f"the test alert waits in the outbox: {_obstacle(state)}; it is delivered once that is mended")
        problem_found()


def _delivered(status: Mapping[str, Any]) -> int:
    return int(status.get("delivery", {}).get("delivered", 0))


def _depth(status: Mapping[str, Any]) -> int:
    return int(status["outbox"]["depth"])


def _obstacle(status: Mapping[str, Any]) -> str:
    error = status["outbox"].get("last_error")
    if not status.get("delivery", {}).get("connected"):
        return f"no broker is connected ({error or 'no error is known'})"
    return str(error or f"{_depth(status)} messages wait, and the broker acknowledges none")
