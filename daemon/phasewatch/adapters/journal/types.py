"""Types that pass between the daemon, its journal and its sinks; JSON in and out."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, NoReturn

from phasewatch.electrical.severity import Severity


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far the journal may grow."""

    max_rows: int = 100_000
    """Rows of each sink; beyond it the oldest events of the least severity are dropped and counted."""
    max_age_s: float = 30 * 86400.0
    """Running time that an event of high or critical severity waits at most; a medium one waits half of it, a low one a
    quarter. No clock is asked: only time in which the daemon ran, and could have delivered the event, counts."""
    max_bytes: int = 256 * 1024 * 1024
    """Of the whole file. At the bound the oldest history goes first, then evidence, then events of least severity."""
    max_events: int = 10_000
    """History: the newest events, delivered or not."""
    max_event_bytes: int = 64 * 1024 * 1024
    max_evidence: int = 500
    """Alerts whose evidence is kept."""
    max_evidence_bytes: int = 16 * 1024 * 1024
    ballast_bytes: int = 256 * 1024
    """Size of the file that is given up when the disk is full, so that the journal can still be emptied."""


DEFAULT_BOUNDS: Final = Bounds()

MQTT: Final = "mqtt"
"""Name of the sink that takes retained states beside events."""

Intake = Mapping[str, Severity | None]
"""Name of each sink -> the least severity of the alerts whose events it takes; None: all."""
ONLY_MQTT: Final[Intake] = {MQTT: None}


class Message(NamedTuple):
    """One retained topic and its newest payload."""

    topic: str
    payload: bytes


class Row(NamedTuple):
    """One message that waits in the outbox for one sink."""

    number: int
    topic: str
    payload: bytes
    retain: bool
    committed_s: float = 0.0
    """Running time of the journal when the row was written."""


class Sent(NamedTuple):
    """A message on its way; `number` is its row, None where it has none."""

    topic: str
    payload: bytes
    number: int | None
    committed_s: float = 0.0


class Settled(NamedTuple):
    """What has become of the rows that a sink took."""

    accepted: list[Sent]
    """Rows that the receiver has."""
    poison: list[tuple[int, str]]
    """Rows that it will never accept, and why."""
    emptied: list[str]
    """Retained topics that it has emptied."""


class Alert(NamedTuple):
    """One alert in the journal; `payload` is None while it was never published, or if it is damaged."""

    record: str
    topic: str
    payload: bytes | None
    active: bool
    listed: Mapping[str, Any] | None = None
    """Its entry in the list of active alerts, from the payload; not stored."""


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """A URL that gets every event as a POST."""

    name: str
    url: str
    """`https://host[:port]/path`, or `http://`."""
    secret: bytes = field(repr=False)
    """Key of the signature."""
    ca_file: Path | None = None
    min_severity: Severity | None = None
    timeout_s: float = 10.0
    """For the connection and each read; a whole request may take three times as long."""
    shortest_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    refused_pause_s: float = 300.0
    """After an answer that will hardly change by itself, such as 403."""


@dataclass(frozen=True, slots=True)
class DeliveryConfig:
    """The state directory, the brokers and the webhooks of one site."""

    site: str
    directory: Path
    """The state directory."""
    urls: tuple[str, ...]
    """Brokers, tried in turn."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    client_cert_file: Path | None = None
    client_key_file: Path | None = None
    bounds: Bounds = DEFAULT_BOUNDS
    shortest_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    first_protocol: Literal["5", "3.1.1"] = "5"
    """Version of MQTT that is tried first."""
    answer_timeout_s: float = 10.0
    """Time for a CONNACK; then the connection is given up."""
    ack_timeout_s: float = 30.0
    """Time for the next PUBACK; then the connection is given up."""
    keepalive_s: int = 30
    webhooks: tuple[WebhookConfig, ...] = ()


class Restored(NamedTuple):
    """What the journal knew at the start."""

    uuid: str
    records: dict[str, str]
    fresh: bool = False
    """Whether the journal has just begun: what an earlier one published may still be retained at the broker."""
    announced: frozenset[str] = frozenset()
    """Live retained topics of the last run: `unpublish` those that this run does not publish any more."""


LATENCY_BOUNDS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, math.inf)


class Latency(NamedTuple):
    """Time of rows from their commit to the PUBACK."""

    counts: tuple[int, ...] = (0,) * len(LATENCY_BOUNDS_S)
    """Rows of each bucket, up to the bound in `LATENCY_BOUNDS_S` and beyond the one before."""
    sum_s: float = 0.0


NO_LATENCY: Final = Latency()


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """State of one sink."""

    name: str
    kind: str
    connected: bool
    """Whether its receiver takes messages, as far as is known."""
    last_error: str | None = None
    """Why it does not; None while it does."""
    refused: bool = False
    """Whether the receiver refuses the oldest event, which waits, and the others behind it."""
    outbox_depth: int = 0
    """Rows that wait for it."""
    delivered: int = 0
    """Rows that it accepted in this run."""
    dropped: int = 0
    """Events ever given up before it took them; counts on over restarts."""


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """State of delivery; replaced as a whole after every turn. What names no sink counts all of them."""

    connected: bool = False
    url: str | None = None
    protocol: Literal["5", "3.1.1"] | None = None
    rejects_visible: bool = True
    """False on a 3.1.1 connection, where a broker acknowledges what it throws away."""
    outbox_depth: int = 0
    dropped: int = 0
    """Events ever given up before they were delivered; counts on over restarts."""
    dropped_by: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """The same by reason (`rows`, `bytes`, `age`, `disk`, `earlier`) and severity."""
    stranded: int = 0
    """Rows on the failed disk that memory could not take; delivered when the disk is back."""
    dead_letters: int = 0
    delivered: int = 0
    """Rows that a broker acknowledged in this run."""
    latency: Latency = NO_LATENCY
    connects: int = 0
    refused: int = 0
    """Messages that a broker refused in this run; one may be refused many times."""
    held: tuple[str, ...] = ()
    """Topics that the broker refuses for now; their rows wait."""
    last_error: str | None = None
    degraded: str | None = None
    """Why the journal is only in memory; None while it is on the disk."""
    set_aside: str | None = None
    """Where a damaged journal was kept at the start."""
    turns: int = 0
    """Grows while the thread lives, at least every few seconds; checked by the watchdog."""
    sinks: tuple[SinkStatus, ...] = ()
    """MQTT first."""


def encode(payload: Mapping[str, Any]) -> bytes:
    """Return UTF-8 JSON; a number that is not finite becomes null, because no alert may be lost over it."""
    try:
        return _dump(payload)
    except (ValueError, TypeError):
        return _dump(_finite(payload))


def decode(raw: bytes) -> Any:
    """Return foreign JSON as Python values.

    Raises: ValueError for invalid JSON or a number that is not finite; RecursionError when it is nested too deep.
    """
    return json.loads(raw, parse_constant=_no_number, parse_float=_finite_number)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _finite_number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


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
