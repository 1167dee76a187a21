"""Failover: which broker and which MQTT version are tried next, and when."""

from collections.abc import Callable
from typing import Final

from phasewatch.adapters.backoff import Backoff
from phasewatch.adapters.journal.types import DeliveryConfig
from phasewatch.adapters.mqtt.client import UNSUPPORTED_PROTOCOL, Closed, Connection, Login, Protocol, Signal, Stage
from phasewatch.contract.topics import AVAILABILITY
from phasewatch.settings import Broker

SESSION_TAKEN_OVER: Final = 0x8E


class BrokerSelector:
    """One connection at a time: brokers in turn, MQTT 5 first, a growing pause between rounds."""

    def __init__(
        self,
        config: DeliveryConfig,
        sink: Callable[[Connection, Signal], None],
        monotonic: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        self._config, self._sink, self._monotonic, self._jitter = config, sink, monotonic, jitter
        self._brokers = [Broker.parse(url) for url in config.urls]
        self._login = _login(config)
        self._backoff = self.new_backoff()
        self._turn, self._due = 0, monotonic()
        self._opened_s: float | None = None
        self._older: dict[Broker, bool] = {}
        """Brokers that get 3.1.1; True when the broker asked for it in its CONNACK."""
        self.connection: Connection | None = None

    def new_backoff(self) -> Backoff:
        return Backoff(self._config.shortest_pause_s, self._config.longest_pause_s, self._jitter)

    def due_in_s(self) -> float | None:
        """Return the pause left; None while there is a connection."""
        return None if self.connection else max(0.0, self._due - self._monotonic())

    def connect_if_due(self) -> bool:
        """Begin the next attempt when its time has come; return whether it did."""
        if self.due_in_s() != 0:
            return False
        broker = self._brokers[self._turn]
        self.connection = Connection(broker, self._login, self._protocol(broker), self._sink)
        self.connection.start()
        return True

    def _protocol(self, broker: Broker) -> Protocol:
        return "3.1.1" if broker in self._older else self._config.first_protocol

    def opened(self) -> None:
        """Note that the connection is open."""
        self._opened_s = self._monotonic()

    def proven(self) -> None:
        """Begin with short pauses again: this connection did its work."""
        self._backoff.reset()

    def lost(self, closed: Closed) -> None:
        """Choose what to try next, after the connection's last signal."""
        connection, self.connection = self.connection, None
        opened_s, self._opened_s = self._opened_s, None
        if opened_s is not None and self._monotonic() - opened_s >= self._config.longest_pause_s:
            self.proven()  # it was open for long, though there may have been nothing to publish
        now, broker, pause_s = self._monotonic(), self._brokers[self._turn], 0.0
        unsupported = closed.code == UNSUPPORTED_PROTOCOL
        if connection and connection.protocol == "5" and (unsupported or closed.stage is Stage.UNANSWERED):
            self._older[broker] = unsupported
        else:
            pause_s = self._pause_s(broker, closed)
        self._due = now + pause_s

    def _pause_s(self, broker: Broker, closed: Closed) -> float:
        if closed.code == SESSION_TAKEN_OVER:
            # Two clients with one id would disconnect each other for ever.
            self._backoff.slow_down()
        if closed.stage is not Stage.OPEN:
            # A broker that merely closed may have been starting up: only a CONNACK is remembered through a failure.
            if self._older.get(broker) is False:
                del self._older[broker]
            self._turn = (self._turn + 1) % len(self._brokers)
            return 0.0 if self._turn else self._backoff.next_s()
        self._turn = 0
        return self._backoff.next_s()


def _login(config: DeliveryConfig) -> Login:
    will_topic = AVAILABILITY.address(site=config.site)
    client_id = f"phasewatch-{config.site}"
    return Login(
        client_id,
        will_topic,
        config.username,
        config.password,
        config.ca_file,
        config.keepalive_s,
        config.client_cert_file,
        config.client_key_file,
    )
