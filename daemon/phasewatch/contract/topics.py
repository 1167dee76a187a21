"""Every topic of the MQTT contract: who publishes it, whether it is retained, and what it carries."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from phasewatch.alerts.alert import Key

Direction = Literal["published", "subscribed"]
"""As the daemon sees it."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One kind of topic."""

    name: str
    pattern: str
    """Whole topic; `{site}` and the like stand for one level."""
    what: str
    schema: str | None = None
    """Name of the JSON Schema of its payload; None: `content` says what it is."""
    content: str = "application/json"
    retained: bool = True
    direction: Direction = "published"
    words: tuple[str, ...] = ()
    """Every payload there is, where it is plain text."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the levels that are filled in, in their order."""
        return tuple(re.findall(r"{(\w+)}", self.pattern))

    def address(self, **levels: str) -> str:
        """Return the topic with its levels filled in, as `address(site="plant-7")`."""
        return self.pattern.format(**levels)

    def levels(self, topic: str) -> dict[str, str] | None:
        """Return what a topic fills in; None for a topic of another kind."""
        found = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/+#]+)", self.pattern), topic)
        return None if found is None else found.groupdict()


BASE: Final = "phasewatch/{site}"
"""What every topic of a site begins with."""
PLAIN: Final = "text/plain"
ONLINE_OFFLINE: Final = ("online", "offline")

AVAILABILITY: Final = Topic(
    "availability",
    f"{BASE}/availability",
    "Whether the daemon is there: `online` at every connect, `offline` before a clean disconnect and as last will.",
    content=PLAIN,
    words=ONLINE_OFFLINE,
)
STATUS: Final = Topic("status", f"{BASE}/status", "The heartbeat of the daemon, every 60 s.", "status")
METER_AVAILABILITY: Final = Topic(
    "meterAvailability",
    f"{BASE}/meters/{{meter}}/availability",
    "Whether a meter answers.",
    content=PLAIN,
    words=ONLINE_OFFLINE,
)
POINT_STATE: Final = Topic(
    "pointState",
    f"{BASE}/points/{{point}}/state",
    "Readings, picture and verdict of a point, every `publish_interval_s` and at once on a change of verdict.",
    "point",
)
ALERT: Final = Topic(
    "alert",
    f"{BASE}/alerts/{{subject}}/{{rule}}",
    "The current state of one alert; emptied only when its rule is no longer configured.",
    "alert",
)
PHASE_ALERT: Final = Topic(
    "phaseAlert", f"{BASE}/alerts/{{subject}}/{{rule}}/{{phase}}", "The same, of an alert kept by phase.", "alert"
)
ALERTS: Final = Topic("alerts", f"{BASE}/alerts", "The alerts that stand, to reconcile with.", "alerts")
EVENT: Final = Topic(
    "event",
    f"{BASE}/events/{{subject}}/{{rule}}",
    "Every transition of every alert, in the order of `seq`.",
    "alert",
    retained=False,
)
COMMAND: Final = Topic(
    "command",
    f"{BASE}/command/{{verb}}",
    "What operators ask for, where `mqtt.commands` allows it; must not be retained.",
    "command",
    retained=False,
    direction="subscribed",
)
REPLY: Final = Topic("reply", f"{BASE}/reply", "The answer to each command.", "reply", retained=False)
DISCOVERY: Final = Topic(
    "homeAssistantDiscovery",
    "homeassistant/device/{site}/{device}/config",
    "Device discovery of Home Assistant, one for each point and `_daemon`, where `mqtt.homeassistant` asks for it.",
)
BIRTH: Final = Topic(
    "homeAssistantStatus",
    "homeassistant/status",
    "Home Assistant says that it is there: discovery is published again.",
    content=PLAIN,
    retained=False,
    direction="subscribed",
    words=ONLINE_OFFLINE,
)

TOPICS: Final = (
    AVAILABILITY,
    STATUS,
    METER_AVAILABILITY,
    POINT_STATE,
    ALERT,
    PHASE_ALERT,
    ALERTS,
    EVENT,
    COMMAND,
    REPLY,
    DISCOVERY,
    BIRTH,
)
QOS: Final = 1
"""Of every message, and of every subscription."""


def alert_topic(site: str, key: Key) -> str:
    """Return the topic of the retained state of one alert."""
    subject, rule, phase = key
    if phase:
        return PHASE_ALERT.address(site=site, subject=subject, rule=rule, phase=phase)
    return ALERT.address(site=site, subject=subject, rule=rule)


def event_topic(site: str, key: Key) -> str:
    """Return the topic of the events of one alert."""
    return EVENT.address(site=site, subject=key.subject, rule=key.rule)


def kind_of(topic: str) -> Topic | None:
    """Return what kind of topic this is; None for one that is not ours."""
    return next((kind for kind in TOPICS if kind.levels(topic) is not None), None)
