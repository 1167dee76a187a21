"""What a measurement finds: meters, a broker and the service, each in a process of its own, and a subscriber."""

import json
import queue
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.bench.cases import Words, site
from tests.bench.child import Child
from tests.bench.machine import SCRATCH
from tests.broker import amqtt_broker, mosquitto

HEARD_WITHIN_S = 30.0


@contextmanager
def scratch() -> Iterator[Path]:
    """Lend a directory on a real file system."""
    with TemporaryDirectory(prefix="phasewatch-bench-", dir=SCRATCH if SCRATCH.is_dir() else None) as directory:
        yield Path(directory)


@contextmanager
def meters(count: int, states: Mapping[str, Words]) -> Iterator[tuple[Child, list[str]]]:
    """Serve meters, all in the first state; yield their process and their URLs."""
    with Child("tests.bench.meter_process") as child:
        child.tell({"count": count, "states": states})
        yield child, [f"tcp://127.0.0.1:{port}" for port in child.hear()]


@dataclass(frozen=True, slots=True)
class Broker:
    """The broker of a measurement; amqtt, which stands in for mosquitto, speaks 3.1.1 only and shares our process."""

    name: str
    url: str
    protocol: str


@contextmanager
def broker(directory: Path) -> Iterator[Broker]:
    """Run mosquitto if it is installed, else amqtt."""
    installed = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/sbin")
    name, protocol = ("mosquitto", "5") if installed else ("amqtt", "3.1.1")
    running: AbstractContextManager[str] = amqtt_broker() if not installed else _mosquitto(directory / "broker")
    with running as url:
        yield Broker(name, url, protocol)


@contextmanager
def _mosquitto(directory: Path) -> Iterator[str]:
    with mosquitto(directory) as started:
        yield started.url


@contextmanager
def service(urls: Sequence[str], profile_id: str, there: Path, by: Broker, **keys: Any) -> Iterator[Child]:
    """Run the service on meters until each was polled, and longer; yield its process."""
    state = there / f"state-{len(urls)}"
    file = there / f"site-{len(urls)}.yaml"
    file.write_text(json.dumps(site(urls, profile_id, state, by.url, **keys)), encoding="utf-8")  # JSON is YAML
    with Child("tests.bench.service_process", str(file), by.protocol) as child:
        assert child.hear() == "ready"
        yield child


class Subscriber:
    """Hears the events of the site, each with the moment of its arrival."""

    def __init__(self, url: str) -> None:
        self._arrived: queue.SimpleQueue[tuple[float, str, bytes]] = queue.SimpleQueue()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe(
            [("phasewatch/bench/events/#", 1), ("phasewatch/bench/availability", 1)]
        )
        self._client.on_message = self._on_message
        host, port = url.removeprefix("mqtt://").split(":")
        self._client.connect(host, int(port))
        self._client.loop_start()

    def wait_for_service(self) -> None:
        """Wait until the service is connected to the broker."""
        while self._arrived.get(timeout=HEARD_WITHIN_S)[2] != b"online":
            pass

    def next_event(self) -> tuple[float, dict[str, Any]]:
        """Return when the next event came, and what it says. Raises: queue.Empty if none comes."""
        while True:
            at_s, topic, payload = self._arrived.get(timeout=HEARD_WITHIN_S)
            if "/events/" in topic:
                return at_s, json.loads(payload)

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self._arrived.put((time.monotonic(), message.topic, bytes(message.payload)))


@contextmanager
def subscriber(url: str) -> Iterator[Subscriber]:
    """Subscribe for a while."""
    listening = Subscriber(url)
    try:
        yield listening
    finally:
        listening.close()
