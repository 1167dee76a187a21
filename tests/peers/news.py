"""A story of events as a broker hands them to subscribers who want to be told, and what they must tell of it."""

import json
from typing import Any, Final

EVENTS: Final = "phasewatch/plant-7/events"
Told = tuple[str, str]
"""Title and text."""


def event(alert: str, rev: object, **keys: Any) -> bytes:
    """Return as much of an event as a subscriber looks at; `alert`: subject/rule."""
    subject, rule = alert.split("/")
    whole = {
        "schema": "phasewatch.alert/1",
        "id": f"plant-7-0123abcd-{rev}",
        "alert_id": f"plant-7-0123abcd-{subject}-{rule}-1",
        "rev": rev,
        "subject": subject,
        "rule": rule,
        "phase": None,
        "state": "active",
        "transition": "raised",
        "severity": "high",
        "acknowledged": False,
        "shelved_until": None,
        "suppressed_by": None,
        "summary": f"{rule}, the {rev}. time: 100 % \\ of 'it' \"all\"; $HOME",
    }
    return json.dumps(whole | keys).encode()


def text(alert: str, rev: int) -> str:
    return str(json.loads(event(alert, rev))["summary"])


CLEARED: Final = {"state": "cleared", "transition": "cleared"}
LOST, DIP, HELD, LAST = "main/phase_loss", "main/voltage_dip", "main/neutral_displacement", "last/phase_loss"
HOSTILE: Final = (
    b"",
    b"no JSON",
    b"[1]",
    b'"phasewatch.alert/1"',
    b'{"schema": "phasewatch.alert/2"}',
    event("main/wiring", "newest[$(touch stolen)]"),
    event("main/wiring", 1, alert_id="a\n$(touch stolen)]", severity="low"),
)
STORY: Final[tuple[tuple[bytes, Told | None], ...]] = (
    *((payload, None) for payload in HOSTILE),
    (event(LOST, 1, phase="L2"), ("HIGH main/phase_loss L2", text(LOST, 1))),
    (event(LOST, 1, phase="L2"), None),
    (event(LOST, 2, transition="acknowledged", acknowledged=True), None),
    (event(LOST, 1, phase="L2"), None),
    (event(LOST, 3, severity="critical", transition="severity_changed"), ("CRITICAL main/phase_loss", text(LOST, 3))),
    (event(DIP, 1, severity="medium"), None),
    (event(LOST, 4, state="unknown", transition="stale", severity="critical"), None),
    (event(LOST, 5, transition="fresh", severity="critical"), None),
    (event(LOST, 6, **CLEARED), ("CLEARED main/phase_loss", text(LOST, 6))),
    (event(LOST, 5, severity="critical"), None),
    (event(DIP, 2, severity="medium", **CLEARED), None),
    (event(HELD, 1, suppressed_by="plant-7-0123abcd-main-phase_loss-1", severity="critical"), None),
    (event(HELD, 2, transition="unsuppressed", severity="critical"), (f"CRITICAL {HELD}", text(HELD, 2))),
    (event(LAST, 1), (f"HIGH {LAST}", text(LAST, 1))),
)
"""Each message, and what is told of it. The last one is told: who has told it has dealt with all before."""
TELLINGS: Final = [told for _, told in STORY if told is not None]
WHILE_AWAY: Final = (event(LAST, 1), event(LAST, 2, **CLEARED))
"""Published while the subscriber is away; the first is known to it."""
AFTERWARDS: Final = [(f"CLEARED {LAST}", text(LAST, 2))]
