"""Events of alerts for the tests of the journal and of delivery."""

from typing import Any

from phasewatch.alerts.alert import Key
from phasewatch.alerts.event import Event
from phasewatch.contract import topics

SITE = "plant-7"
BASE = f"phasewatch/{SITE}"
LIST_TOPIC = f"{BASE}/alerts"
AVAILABILITY = f"{BASE}/availability"


def change(
    transition: Any, *, rule: str = "voltage_deviation", rev: int = 1, active: bool | None = None, **more: Any
) -> Event:
    active = transition != "cleared" if active is None else active
    payload = {
        "schema": "phasewatch.alert/1",
        "alert_id": f"{rule}-1",
        "rev": rev,
        "subject": "main",
        "rule": rule,
        "phase": None,
        "state": "active" if active else "cleared",
        "transition": transition,
        "severity": "medium",
        "since": "2026-01-01T00:00:00.000Z",
        "at": "2026-01-01T00:00:00.000Z",
    }
    return Event(Key("main", rule), transition, payload | more, record={transition: rev}, active=active)


def alert_topic(event: Event) -> str:
    return topics.alert_topic(SITE, event.key)


def event_topic(event: Event) -> str:
    return topics.event_topic(SITE, event.key)
