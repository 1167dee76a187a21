"""Real brokers on free loopback ports, and a subscriber that remembers what it saw."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], what: str = "the condition", timeout_s: float = 15.0) -> None:
    """Wait for a condition; the time-out only ends a test that has failed already."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"{what} did not come true"
        time.sleep(0.01)


def below_or_equal(topic: str, levels: str) -> bool:
    """Return whether a topic ends with whole levels, or, where they end in `/`, goes on below them."""
    topic, wanted = f"/{topic}", f"/{levels.strip('/')}"
    return f"{wanted}/" in topic if levels.endswith("/") else topic.endswith(wanted)


def mosquitto_program() -> str:
    """Return the path of mosquitto; without it skip, or fail where the broker is required."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        reason = "mosquitto is not installed: apt-get install mosquitto"
        (pytest.fail if os.environ.get("PHASEWATCH_REQUIRE_BROKER") else pytest.skip)(reason)
    return str(found)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Mosquitto:
    """A mosquitto of its own: configuration, port and persistence under one directory."""

    def __init__(self, directory: Path, *options: str, acl: str | None = None, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._program, self._directory = mosquitto_program(), directory
        self._process: subprocess.Popen[bytes] | None = None
        self._store = directory / "persistence"
        directory.mkdir(parents=True, exist_ok=True)
        self._store.mkdir()
        self._more_ports = [int(words[1]) for words in map(str.split, options) if words[0] == "listener"]
        self._configure(options, acl)

    def _configure(self, options: tuple[str, ...], acl: str | None) -> None:
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "persistence true", *options]
        lines += [f"persistence_location {self._store}/"]
        if os.geteuid() == 0:
            lines.append("user root")  # otherwise it drops its rights and cannot read this directory
        if acl is not None:
            (self._directory / "acl").write_text(acl)
            (self._directory / "acl").chmod(0o600)
            lines.append(f"acl_file {self._directory}/acl")
        (self._directory / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        with (self._directory / "log").open("ab") as log:
            command = [self._program, "-c", str(self._directory / "mosquitto.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._listens, "mosquitto listening")

    def _listens(self) -> bool:
        """Whether every listener is there: mosquitto opens them one after the other."""
        return all(_answers(port) for port in (self.port, *self._more_ports))

    def set_acl(self, acl: str) -> None:
        """Replace the access list of the running broker."""
        (self._directory / "acl").write_text(acl)
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart_empty(self) -> None:
        """Start it again without anything it once kept."""
        self.kill()
        for kept in self._store.iterdir():
            kept.unlink()
        self.start()


@contextmanager
def mosquitto(directory: Path, *options: str, acl: str | None = None) -> Iterator[Mosquitto]:
    broker = Mosquitto(directory, *options, acl=acl)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@contextmanager
def amqtt_broker() -> Iterator[str]:
    """Run an amqtt broker, which speaks 3.1.1 only, in a thread; yield its URL."""
    program = pytest.importorskip("amqtt.broker")
    port, loop = free_port(), asyncio.new_event_loop()
    anonymous = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    config = {"listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}, "plugins": anonymous}

    async def begin() -> Any:
        broker = program.Broker(config)
        await broker.start()
        return broker

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    broker = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    try:
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(broker.shutdown(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


class Line:
    """A TCP line to a broker that can be cut, joined again, or made deaf: it stands, and nothing comes through."""

    def __init__(self, target_port: int) -> None:
        self.port, self._target_port = free_port(), target_port
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._ends: list[socket.socket] = []
        self._deaf: set[socket.socket] = set()
        self._server: socket.socket | None = None

    def join(self) -> None:
        self._server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def cut(self) -> None:
        server, self._server = self._server, None
        for end in [*([server] if server else []), *self._ends]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()

    def deafen(self) -> None:
        """Let nothing through any more on the connections that stand now."""
        self._deaf.update(self._ends)

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = server.accept()
                far = socket.create_connection(("127.0.0.1", self._target_port))
                self._ends += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while heard := source.recv(65536):
                if sink not in self._deaf:
                    sink.sendall(heard)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


class Seen(NamedTuple):
    topic: str
    payload: bytes
    retain: bool


class Subscriber:
    """Everything published at a broker, in the order of arrival."""

    judge: Callable[[str, bytes], str | None] | None = None
    """Says what is wrong with a message, if anything; whoever sets it has every subscriber look."""

    def __init__(self, url: str, *, version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5) -> None:
        self.seen: list[Seen] = []
        self.wrong: list[str] = []
        """What `judge` found."""
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=version)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        host, port = url.removeprefix("mqtt://").split(":")
        self._client.connect(host, int(port))
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self.seen.append(Seen(message.topic, bytes(message.payload), message.retain))
        judge = type(self).judge
        found = judge(message.topic, bytes(message.payload)) if judge else None
        self.wrong += [found] if found else []

    def payloads(self, levels: str) -> list[bytes]:
        """Return the payloads of the topics that end with these levels; a trailing `/`: of all topics below them."""
        return [seen.payload for seen in list(self.seen) if below_or_equal(seen.topic, levels)]

    def newest(self) -> dict[str, bytes]:
        """Return the newest payload of every topic."""
        return {seen.topic: seen.payload for seen in list(self.seen)}

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish something, as an operator or Home Assistant does."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def subscriber(url: str, version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5) -> Iterator[Subscriber]:
    listener = Subscriber(url, version=version)
    try:
        yield listener
    finally:
        listener.close()
    assert listener.wrong == [], listener.wrong
