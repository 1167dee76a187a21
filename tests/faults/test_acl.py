"""The access list of the documents, on the real broker: who may publish and read what."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from phasewatch.adapters.mqtt.client import Acked, Login, Opened
from phasewatch.settings import Broker
from tests.adapters.mqtt.test_client import Heard
from tests.broker import Mosquitto, mosquitto, wait_until

pytestmark = pytest.mark.broker

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "broker.md"
USERS = ("plant-7", "plant-8", "operator", "viewer")
NOT_AUTHORISED = 0x87


def written(name: str) -> str:
    """Return a file that the page shows: the block whose first line names it."""
    found = re.search(rf"```\n# {re.escape(name)}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"the page shows {name}"
    return found[1]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    directory = tmp_path_factory.mktemp("acl")
    passwords = directory / "passwords"
    passwords.touch(mode=0o600)
    for user in USERS:
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, "secret"], check=True)
    acl = written("/etc/mosquitto/acl")
    options = f"password_file {passwords}", "allow_anonymous false"
    with mosquitto(directory / "broker", *options, acl=acl) as started:
        yield started


@contextmanager
def connected(broker: Mosquitto, user: str, client_id: str = "") -> Iterator[Heard]:
    login = Login(client_id or user, f"phasewatch/{user}/availability", user, "secret")
    heard = Heard(Broker.parse(broker.url), login=login)
    assert isinstance(heard.next(), Opened)
    try:
        yield heard
    finally:
        heard.connection.close(2)


def code(heard: Heard, topic: str) -> int:
    """Publish and return what the broker says of it; 0x10 is a success that nobody listens to."""
    mid = heard.connection.publish(topic, b"{}", retain=False)
    while not (isinstance(signal := heard.next(), Acked) and signal.mid == mid):
        pass
    return signal.code


OWN = ("availability", "status", "points/main/state", "alerts", "alerts/main/phase_loss", "events/main/x", "reply")
DISCOVERY = "homeassistant/device/plant-7/main/config"


def test_the_daemon_may_say_what_it_says_and_nothing_else(broker: Mosquitto) -> None:
    with connected(broker, "plant-7") as daemon:
        for topic in (*(f"phasewatch/plant-7/{leaf}" for leaf in OWN), DISCOVERY):
            assert code(daemon, topic) < 0x80, topic
        for topic in (
            "phasewatch/plant-8/status",
            "phasewatch/plant-7/command/shelve",
            "homeassistant/device/plant-8/main/config",
            "anything",
        ):
            assert code(daemon, topic) == NOT_AUTHORISED, topic


def test_the_operator_may_command_and_nobody_else(broker: Mosquitto) -> None:
    command = "phasewatch/plant-7/command/acknowledge"
    with (
        connected(broker, "plant-7") as daemon,
        connected(broker, "operator") as operator,
        connected(broker, "viewer") as viewer,
        connected(broker, "plant-8") as neighbour,
    ):
        daemon.connection.subscribe("phasewatch/plant-7/command/#")
        wait_until(lambda: code(operator, command) == 0, "the command heard")
        arrived = daemon.next()
        assert getattr(arrived, "topic", None) == command
        for other in (viewer, neighbour):
            assert code(other, command) == NOT_AUTHORISED
        assert code(operator, "phasewatch/plant-7/status") == NOT_AUTHORISED
        assert code(operator, "phasewatch/plant-7/events/main/x") == NOT_AUTHORISED


@pytest.mark.parametrize("user", ["operator", "viewer"])
def test_whoever_looks_on_hears_every_site_and_a_daemon_hears_no_other(broker: Mosquitto, user: str) -> None:
    with (
        connected(broker, "plant-7") as daemon,
        connected(broker, "plant-8") as neighbour,
        connected(broker, user) as listener,
    ):
        neighbour.connection.subscribe("phasewatch/plant-7/#")
        listener.connection.subscribe("phasewatch/plant-7/#")
        topic = "phasewatch/plant-7/alerts/main/phase_loss"
        wait_until(lambda: code(daemon, topic) < 0x80 and not listener.signals.empty(), "somebody listening")
        assert getattr(listener.next(), "topic", None) == topic
        assert code(neighbour, "phasewatch/plant-8/reply") < 0x80  # what it was sent before would have come by now
        assert neighbour.signals.empty()
