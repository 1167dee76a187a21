"""MQTT as a sink: rows of the outbox, and beside them the retained topics that only MQTT has.

A connection is opened by the `BrokerSelector`; after its CONNACK the whole retained set is published again, then the
rows in their order, at most as many at a time as `InFlight` allows. A row leaves the outbox with its PUBACK.

A session at the broker ends with its connection, so a command that is published while the daemon is away is lost. That
is meant: an acknowledgement of yesterday must not quiet an alert of today. Who commands waits for the reply.
"""

import logging
import queue
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import ClassVar

from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.memory_fallback import FallbackJournal
from phasewatch.adapters.journal.types import MQTT, DeliveryConfig, DeliveryStatus, Row, Settled, SinkStatus
from phasewatch.adapters.mqtt.client import (
    OFFLINE,
    ONLINE,
    Acked,
    Arrived,
    Closed,
    Connection,
    Opened,
    Signal,
)
from phasewatch.adapters.mqtt.failover import BrokerSelector
from phasewatch.adapters.mqtt.in_flight import InFlight
from phasewatch.adapters.mqtt.quarantine import blames_message
from phasewatch.contract.topics import AVAILABILITY

_log = logging.getLogger(__name__)


class LiveTopics:
    """Retained topics that are not journaled: the newest payload of each, published from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fresh: dict[str, bytes] = {}
        self._live: dict[str, bytes] = {}

    def publish(self, topic: str, payload: bytes) -> bool:
        """Keep the newest payload of a topic, empty to remove it; return whether it is the first to be taken."""
        with self._lock:
            first = not self._fresh
            self._fresh[topic] = payload
        return first

    def restore(self, topics: Mapping[str, bool]) -> None:
        """Remember what an earlier run wanted to be emptied, and no broker has confirmed yet."""
        self._live |= {topic: b"" for topic, wanted in topics.items() if not wanted}

    def take(self) -> dict[str, bytes]:
        """Return what is new."""
        with self._lock:
            fresh, self._fresh = self._fresh, {}
        self._live |= fresh
        return fresh

    def all(self) -> dict[str, bytes]:
        """Return every topic with its newest payload, empty for those that a broker has to lose."""
        return dict(self._live)

    def emptied(self, topics: Collection[str]) -> list[str]:
        """Forget topics that a broker has emptied; return those that are not wanted again."""
        gone = [topic for topic in topics if self._live.get(topic) == b""]
        for topic in gone:
            del self._live[topic]
        return gone


class MqttSink:
    """Publishes to one broker at a time, and receives what it subscribes to."""

    name: ClassVar = MQTT
    min_severity: ClassVar = None

    def __init__(self, config: DeliveryConfig, monotonic: Callable[[], float], jitter: Callable[[], float]) -> None:
        self.messages: queue.Queue[Arrived] = queue.Queue(maxsize=1000)
        """What subscriptions bring; more than it holds is thrown away."""
        self.arrived: Callable[[], None] | None = None
        """Called in the delivery thread when something is in `messages`."""
        self.connects = 0
        self._config, self._monotonic = config, monotonic
        self._availability = AVAILABILITY.address(site=config.site)
        self._journal: FallbackJournal
        self._do: Callable[[Callable[[], None]], None]
        self._live = LiveTopics()
        self._subscriptions: list[str] = []
        self._trouble: str | None = None
        self._answered_s = monotonic()
        """When the broker was last known to answer."""
        self._cut = False
        """Whether we gave the connection up ourselves."""
        self._broker = BrokerSelector(config, self._receive, monotonic, jitter)
        self._flight = InFlight(self._pending, self._broker.new_backoff, monotonic)

    # From any thread

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a live retained topic: the newest payload wins, and only that there is such a topic is journaled."""
        if self._live.publish(topic, payload):
            self._do(self._take_fresh)

    def unpublish(self, topic: str) -> None:
        """Empty a live retained topic for good: every broker is asked, over restarts, until one has emptied it."""
        self.publish(topic, b"")

    def publish_once(self, topic: str, payload: bytes) -> None:
        """Publish a message once, not retained, to the subscribers of now: the answer to a command."""
        self._do(partial(self._flight.publish_once, topic, payload))

    def resync(self) -> None:
        """Publish everything retained again."""
        self._do(self._publish_retained)

    def subscribe(self, topic: str) -> None:
        """Bring what arrives on a topic to `messages`, now and after every connect."""
        self._do(partial(self._subscribe, topic))

    # As a sink, in the delivery thread

    def start(self, journal: FallbackJournal, do: Callable[[Callable[[], None]], None]) -> None:
        self._journal, self._do = journal, do
        self._live.restore(journal.current.topics)

    def settled(self) -> Settled:
        settled = self._flight.settled()
        self._journal.on(Journal.emptied, self._live.emptied(settled.emptied))
        return settled

    def send(self) -> None:
        self._mind_connection()
        if self.open:
            self._flight.fill(self._connection.publish)

    def supersede(self, topics: Iterable[str]) -> None:
        """Note that newer states of these retained topics wait in the outbox now."""
        self._flight.supersede(topics)

    def renumbered(self) -> None:
        self._live.restore(self._journal.current.topics)
        self._flight.renumbered()
        self._publish_retained()

    @property
    def due_in_s(self) -> float | None:
        held_s = self._flight.due_in_s() if self.open else None
        dues_s = [due for due in (self._broker.due_in_s(), held_s, self._patience_s()) if due is not None]
        return min(dues_s, default=None)

    @property
    def open(self) -> bool:
        connection = self._broker.connection
        return connection is not None and connection.open and self._flight.size > 0

    @property
    def idle(self) -> bool:
        return self._flight.idle

    @property
    def last_error(self) -> str | None:
        """The last trouble with a broker; None: none since the last connect."""
        return self._flight.last_refusal or self._trouble

    def report(self) -> SinkStatus:
        refused = bool(self._flight.held())
        return SinkStatus(self.name, "mqtt", connected=self.open, last_error=self.last_error, refused=refused)

    def describe(self, status: DeliveryStatus) -> DeliveryStatus:
        """Return a status with what is known of the broker."""
        connection = self._broker.connection if self.open else None
        return replace(
            status,
            connected=connection is not None,
            url=str(connection.broker) if connection else None,
            protocol=connection.protocol if connection else None,
            rejects_visible=connection is None or connection.protocol == "5",
            connects=self.connects,
            refused=self._flight.refused,
            held=self._flight.held(),
        )

    def leave(self) -> None:
        if self.open and self._flight.free:
            self._flight.publish_retained({self._availability: OFFLINE})

    def close(self, timeout_s: float) -> None:
        if self._broker.connection:
            self._broker.connection.close(timeout_s)

    # Retained topics

    def _pending(self, limit: int, after: int) -> list[Row]:
        return self._journal.on(Journal.pending, limit, after)

    def _publish_retained(self) -> None:
        self._flight.publish_retained(self._retained())

    def _retained(self) -> dict[str, bytes]:
        """Return the whole retained set: alert states, their list, and the live topics."""
        states = self._journal.on(Journal.retained)
        return {message.topic: message.payload for message in states} | self._live.all()

    def _take_fresh(self) -> None:
        """Take the live topics that are new, and publish them."""
        fresh = self._live.take()
        # Journaled first: a topic that a broker may hold must be known to the run that has to remove it.
        try:
            self._announce(fresh)
        except ValueError:  # a topic that is no text must not keep the others from it
            for topic, payload in fresh.items():
                with suppress(ValueError):
                    self._announce({topic: payload})
        self._flight.publish_retained(fresh)

    def _announce(self, topics: Mapping[str, bytes]) -> None:
        self._journal.on(Journal.announce, {topic: bool(payload) for topic, payload in topics.items()})

    # The connection

    @property
    def _connection(self) -> Connection:
        assert self._broker.connection is not None  # noqa: S101  asked only while `open`
        return self._broker.connection

    def _receive(self, connection: Connection, signal: Signal) -> None:
        # Called in the connection's own thread.
        self._do(partial(self._on_signal, connection, signal))

    def _on_signal(self, connection: Connection, signal: Signal) -> None:
        if connection is not self._broker.connection:
            return
        match signal:
            case Acked():
                self._on_acked(signal)
            case Opened():
                self._on_opened(connection, signal)
            case Closed():
                self._on_closed(connection, signal)
            case Arrived():
                self._on_arrived(signal)

    def _on_acked(self, acked: Acked) -> None:
        """Take a PUBACK: the broker answers, and gets the whole of `ack_timeout_s` for the next one."""
        self._answered_s = self._monotonic()
        # Only a row proves the broker: one that crashes over and over takes retained topics, too.
        if self._flight.acked(acked):
            self._broker.proven()

    def _on_arrived(self, arrived: Arrived) -> None:
        with suppress(queue.Full):
            self.messages.put_nowait(arrived)
        if self.arrived is not None:
            self.arrived()

    def _on_opened(self, connection: Connection, opened: Opened) -> None:
        _log.info("delivery: connected to %s, MQTT %s", connection.broker, connection.protocol)
        self._answered_s, self._trouble, self._cut = self._monotonic(), None, False
        self.connects += 1
        self._broker.opened()
        for topic in self._subscriptions:
            connection.subscribe(topic)
        self._flight.open(opened, {self._availability: ONLINE} | self._retained())

    def _on_closed(self, connection: Connection, closed: Closed) -> None:
        error = f"{connection.broker}: {closed.reason}"
        if error != self._trouble:
            _log.warning("delivery: %s", error)
        self._trouble = error
        if blames_message(closed):
            self._flight.lost(silent=self._cut)
        self._flight.close()
        self._broker.lost(closed)

    def _mind_connection(self) -> None:
        if self._broker.connect_if_due() or (self.open and not self._flight.in_flight):
            self._answered_s = self._monotonic()
        patience_s = self._patience_s()
        if self._broker.connection and patience_s is not None and patience_s <= 0:
            self._answered_s, self._cut = self._monotonic(), True
            self._broker.connection.cut()

    def _patience_s(self) -> float | None:
        """Return how long the broker may still be silent; None while no answer of it is due."""
        if self._broker.connection is None or (self.open and not self._flight.in_flight):
            return None
        limit_s = self._config.ack_timeout_s if self.open else self._config.answer_timeout_s
        return self._answered_s + limit_s - self._monotonic()

    def _subscribe(self, topic: str) -> None:
        self._subscriptions.append(topic)
        if self.open:
            self._connection.subscribe(topic)
