"""A subscriber that proves by `seq` and `id` what was lost, what came out of order, and what came twice."""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.broker import wait_until


class Verdict(NamedTuple):
    """What a subscriber can say of a run."""

    expected: int
    """Events that were committed."""
    arrived: int
    """Events that arrived, each `id` once."""
    lost: tuple[int, ...]
    """`seq` of what never came."""
    disordered: int
    """Events that came, for the first time, behind a later one."""
    duplicates: int
    """Messages that their `id` shows as come again."""
    contradictions: int
    """Ids that came with two contents."""

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, out of order, or contradictory."""
        return not (self.lost or self.disordered or self.contradictions) and self.arrived == self.expected


def judge(payloads: Iterable[bytes], expected: Iterable[int]) -> Verdict:
    """Return the verdict on event payloads in the order of their arrival, of one journal."""
    first: dict[str, bytes] = {}
    seqs: list[int] = []
    duplicates = contradictions = 0
    for payload in payloads:
        event = json.loads(payload)
        if event["id"] in first:
            duplicates += 1
            contradictions += first[event["id"]] != payload
            continue
        first[event["id"]] = payload
        seqs.append(event["seq"])
    wanted = list(expected)
    disordered, highest = 0, 0
    for seq in seqs:
        disordered += seq < highest
        highest = max(highest, seq)
    lost = tuple(sorted(set(wanted) - set(seqs)))
    return Verdict(len(wanted), len(seqs), lost, disordered, duplicates, contradictions)


class Witness:
    """A subscriber with a session that the broker keeps while it is away; it goes on over connections."""

    def __init__(self, port: int, topic: str = "phasewatch/#", name: str = "witness", qos: int = 1) -> None:
        """Listen at a port of this machine; with QoS 0 no answer of ours can fail before all is read."""
        self.seen: list[tuple[str, bytes]] = []
        """(topic, payload), as they came."""
        self._port, self._topic, self._name, self._qos = port, topic, name, qos
        self._client: Client | None = None
        self._gone = threading.Event()
        self.connect()

    def connect(self) -> None:
        """Connect and subscribe; what the broker kept for us comes."""
        subscribed, self._gone = threading.Event(), threading.Event()
        client = Client(CallbackAPIVersion.VERSION2, client_id=self._name, protocol=MQTTProtocolVersion.MQTTv5)
        client.on_message, gone = self._on_message, self._gone
        client.on_disconnect = lambda *_: gone.set()
        client.on_connect = lambda client, *_: client.subscribe(self._topic, qos=self._qos)
        client.on_subscribe = lambda *_: subscribed.set()
        keep = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        keep.SessionExpiryInterval = 3600
        client.connect("127.0.0.1", self._port, clean_start=False, properties=keep)
        client._reconnect_on_failure = False
        client.loop_start()
        self._client = client
        assert subscribed.wait(10)

    def wait_for_end(self) -> None:
        """Wait until the broker is gone; all that it had sent is then in `seen`."""
        assert self._gone.wait(10)
        assert self._client is not None
        self._client.loop_stop()

    def close(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()

    def events(self) -> list[bytes]:
        return [payload for topic, payload in list(self.seen) if "/events/" in topic]

    def count(self) -> int:
        """Return how many events came, each id once."""
        return len({json.loads(payload)["id"] for payload in self.events()})

    def newest(self) -> dict[str, bytes]:
        """Return the newest payload of every topic."""
        return dict(list(self.seen))

    def judge(self, expected: int) -> Verdict:
        """Wait until so many events came, then judge them as `seq` 1 and so on."""
        wait_until(lambda: self.count() >= expected, f"{expected} events", timeout_s=30)
        return judge(self.events(), range(1, expected + 1))

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self.seen.append((message.topic, bytes(message.payload)))


@contextmanager
def witness(port: int, **keys: Any) -> Iterator[Witness]:
    listener = Witness(port, **keys)
    try:
        yield listener
    finally:
        listener.close()
