"""`phasewatch run` as a process: signals, systemd, and a death in the middle."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from phasewatch.simulator.unit import Fault
from tests.broker import Mosquitto, Subscriber, mosquitto, subscriber, wait_until
from tests.service.plant import Plant, bodies, plant, transitions
from tests.service.site import HEALTHY, PHASE_LOST, bus, meter, site_dict

AVAILABILITY = "phasewatch/plant/availability"


class Systemd:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "200000"}

    def count(self, what: str) -> int:
        """Return how often something was told so far."""
        with suppress(BlockingIOError):
            while True:
                self.heard.append(self._socket.recv(4096).decode())
        return self.heard.count(what)

    def close(self) -> None:
        self._socket.close()


class Daemon:
    """One life of the daemon."""

    def __init__(self, config: Path, systemd: Systemd) -> None:
        command = [sys.executable, "-m", "phasewatch", "run", "--config", str(config)]
        self.systemd = systemd
        systemd.heard.clear()
        with (config.parent / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env={**os.environ, **systemd.environment})
        wait_until(lambda: systemd.count("READY=1") or self.process.poll() is not None, "ready", timeout_s=30)
        assert self.process.poll() is None, (config.parent / "log").read_text()

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)


@pytest.fixture
def meters() -> Iterator[Plant]:
    with plant("incomer") as started:
        yield started


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker") as started:
        yield started


@pytest.fixture
def watching(broker: Mosquitto) -> Iterator[Subscriber]:
    with subscriber(broker.url) as listener:
        yield listener


@pytest.fixture
def config(tmp_path: Path, meters: Plant, broker: Mosquitto) -> Path:
    board = bus(meter("incomer", point="main"), url=meters.url("incomer"))
    content = site_dict(board, mqtt={"urls": [broker.url]}, state_dir=str(tmp_path / "state"))
    path = tmp_path / "site.yaml"
    path.write_text(json.dumps(content))  # JSON is YAML
    return path


@contextmanager
def daemon(config: Path) -> Iterator[Daemon]:
    systemd = Systemd(config.parent / f"notify-{len(list(config.parent.iterdir()))}")
    started = Daemon(config, systemd)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()
        systemd.close()


@pytest.mark.broker
def test_the_end_by_sigterm_is_clean_and_systemd_hears_the_whole_life(config: Path, watching: Subscriber) -> None:
    with daemon(config) as life:
        wait_for_state(watching)
        wait_until(lambda: life.systemd.count("WATCHDOG=1") >= 3, "the watchdog fed again and again")
        assert life.end(signal.SIGTERM) == 0
        assert life.systemd.count("STOPPING=1") == life.systemd.count("READY=1") == 1
    wait_until(lambda: watching.payloads(AVAILABILITY) == [b"online", b"offline"], "offline")
    assert life.systemd.heard.index("READY=1") < life.systemd.heard.index("STOPPING=1")


def wait_for_state(watching: Subscriber) -> None:
    wait_until(lambda: watching.payloads("/points/main/state"), "a state")


@pytest.mark.broker
def test_a_killed_daemon_goes_on_where_it_was(config: Path, watching: Subscriber, meters: Plant) -> None:
    with daemon(config) as first:
        wait_for_state(watching)
        meters.shown["incomer"] = PHASE_LOST
        wait_until(lambda: transitions(watching) == ["main/phase_loss raised"], "the alert")
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: watching.newest()[AVAILABILITY] == b"offline", "the last will")
    states = len(watching.payloads("/points/main/state"))
    with daemon(config) as second:
        wait_until(lambda: len(watching.payloads("/points/main/state")) > states + 2, "polls of the second life")
        meters.shown["incomer"] = HEALTHY
        wait_until(lambda: "main/phase_loss cleared" in transitions(watching), "the alert cleared")
        assert second.end(signal.SIGINT) == 0
    events = list({event["id"]: event for event in bodies(watching, "/events/")}.values())
    assert [(event["seq"], event["transition"], event["rev"]) for event in events] == [
        (1, "raised", 1),
        (2, "cleared", 2),
    ]
    assert events[0]["alert_id"] == events[1]["alert_id"]
    assert events[0]["since"] == events[1]["since"]


@pytest.mark.broker
def test_a_daemon_in_front_of_a_dead_meter_is_ready_once_it_has_tried(config: Path, meters: Plant) -> None:
    meters.ail("incomer", Fault(silent=True))
    with daemon(config) as life:
        assert life.end(signal.SIGTERM) == 0
