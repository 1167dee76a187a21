"""Changes of alerts for the tests of the journal and of delivery."""

from typing import Any

from phasewatch.adapters.journal.types import Change

SITE = "plant-7"
BASE = f"phasewatch/{SITE}"
LIST_TOPIC = f"{BASE}/alerts"
AVAILABILITY = f"{BASE}/availability"


def change(
    transition: str, *, rule: str = "voltage_deviation", rev: int = 1, active: bool | None = None, **more: Any
) -> Change:
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
    return Change(
        key=f"main/{rule}",
        event_topic=f"{BASE}/events/main/{rule}",
        alert_topic=f"{BASE}/alerts/main/{rule}",
        payload=payload | more,
        record=f"{transition} {rev}",
        active=active,
    )
