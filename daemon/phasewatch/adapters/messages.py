"""What passes between the daemon, its journal and its delivery."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far the journal may grow."""

    max_rows: int = 100_000
    """Rows of the outbox; beyond it the oldest events of the least severity are dropped and counted."""
    max_bytes: int = 256 * 1024 * 1024
    ballast_bytes: int = 256 * 1024
    """Size of the file that is given up when the disk is full, so that the journal can still be emptied."""


DEFAULT_BOUNDS: Final = Bounds()


@dataclass(frozen=True, slots=True)
class Change:
    """One transition of one alert: what to tell, and what to remember."""

    key: str
    """Key of the alert, such as `main/voltage_deviation/l1`."""
    event_topic: str
    """Whole topic, with `phasewatch/<site>/`; so is `alert_topic`."""
    alert_topic: str
    payload: Mapping[str, Any]
    """The event without `seq` and `id`: the journal gives them."""
    record: str
    """The engine's own state of this alert, as JSON, to restore it from."""
    active: bool
    """Whether the alert stands in the list of active alerts."""


class Message(NamedTuple):
    """One retained topic and its newest payload."""

    topic: str
    payload: bytes


class Row(NamedTuple):
    """One message that waits in the outbox."""

    number: int
    topic: str
    payload: bytes
    retain: bool


class Alert(NamedTuple):
    """What the journal knows of one alert; `payload` is None while it was never published."""

    record: str
    topic: str
    payload: bytes | None
    active: bool


@dataclass(frozen=True, slots=True)
class DeliveryConfig:
    """Where messages go, who sends them, and where they wait."""

    site: str
    directory: Path
    """The state directory."""
    urls: tuple[str, ...]
    """Brokers, tried in turn."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    bounds: Bounds = DEFAULT_BOUNDS
    shortest_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    first_protocol: Literal["5", "3.1.1"] = "5"
    """Version of MQTT that is tried first."""
    answer_timeout_s: float = 10.0
    """A broker that leaves a connect unanswered for so long is given up."""
    ack_timeout_s: float = 30.0
    """A connection that acknowledges nothing for so long is given up."""
    keepalive_s: int = 30


class Restored(NamedTuple):
    """What the journal knew at the start."""

    uuid: str
    records: dict[str, str]


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """How delivery stands; replaced as a whole after every turn."""

    connected: bool = False
    url: str | None = None
    protocol: Literal["5", "3.1.1"] | None = None
    rejects_visible: bool = True
    """False on a 3.1.1 connection, where a broker acknowledges what it throws away."""
    outbox_depth: int = 0
    dropped: int = 0
    dead_letters: int = 0
    held: tuple[str, ...] = ()
    """Topics that the broker refuses for now; their rows wait."""
    last_error: str | None = None
    degraded: str | None = None
    """Why the journal is only in memory; None while it is on the disk."""
    set_aside: str | None = None
    """Where a damaged journal was kept at the start."""
    turns: int = 0
    """Counts up while the thread lives, at least every few seconds: food for a watchdog."""


def encode(payload: Mapping[str, Any]) -> bytes:
    """Return UTF-8 JSON; a number that is not finite becomes null, because no alert may be lost over it."""
    try:
        return _dump(payload)
    except (ValueError, TypeError):
        return _dump(_finite(payload))


def _dump(value: Any) -> bytes:
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=str)
    return text.encode("utf-8", "replace")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
