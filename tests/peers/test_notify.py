"""config/examples/notify.sh on a real broker: it tells once of what is new, and misses nothing while it is away."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from phasewatch.configuration.files import config_directory
from tests.broker import Mosquitto, Subscriber, mosquitto, subscriber, wait_until
from tests.peers.news import AFTERWARDS, EVENTS, STORY, TELLINGS, WHILE_AWAY, Told, event
from tests.peers.program import Started, program, started
from tests.service.plant import bodies, plant, running
from tests.service.site import HEALTHY, PHASE_LOST, bus, meter, site

pytestmark = [pytest.mark.broker, pytest.mark.peer]

SCRIPT = config_directory() / "examples" / "notify.sh"
TO_FILE = ("sh", "-c", r'printf "%s|%s\n" "$1" "$2" >>told', "sh")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker", "log_type all") as running_broker:
        yield running_broker


@pytest.fixture
def watching(broker: Mosquitto) -> Iterator[Subscriber]:
    with subscriber(broker.url) as listener:
        yield listener


@contextmanager
def notifying(directory: Path, broker: Mosquitto, site_name: str, *command: str) -> Iterator[Started]:
    """Run the script until it has subscribed."""
    for name, package in (("mosquitto_sub", "mosquitto-clients"), ("jq", "jq")):
        program(name, package)
    (directory / "mosquitto_sub").write_text(f"-h 127.0.0.1\n-p {broker.port}\n")
    places = {name: str(directory) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")}
    words = ["bash", "-c", 'cd "$1" && shift && exec "$@"', "bash", str(directory), str(SCRIPT), site_name, *command]
    seen_before = subscriptions(directory)
    with started(words, directory / "notify.log", **places) as script:
        wait_until(lambda: subscriptions(directory) > seen_before or not script.alive(), "the subscription")
        assert script.alive(), script.said
        yield script


def subscriptions(directory: Path) -> int:
    """Return how often the broker has told a script that it is subscribed."""
    return (directory / "broker" / "log").read_text().count("Sending SUBACK to phasewatch-notify-")


def told(directory: Path) -> list[Told]:
    file = directory / "told"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [(title.strip(), rest) for title, _, rest in (line.partition("|") for line in lines)]


def test_a_story_is_told_once_and_what_came_while_away_is_told_later(
    tmp_path: Path, broker: Mosquitto, watching: Subscriber
) -> None:
    with notifying(tmp_path, broker, "plant-7", *TO_FILE):
        for payload, _ in STORY:
            watching.say(f"{EVENTS}/any/rule", payload)
        wait_until(lambda: len(told(tmp_path)) >= len(TELLINGS), "every telling")
    assert told(tmp_path) == TELLINGS
    assert not (tmp_path / "stolen").exists()
    for payload in WHILE_AWAY:
        watching.say(f"{EVENTS}/any/rule", payload)
    with notifying(tmp_path, broker, "plant-7", *TO_FILE):
        wait_until(lambda: len(told(tmp_path)) > len(TELLINGS), "what came meanwhile")
    # A subscriber that ended before its PUBACK gets that message again: at least once.
    assert list(dict.fromkeys(told(tmp_path))) == TELLINGS + AFTERWARDS


def test_an_alert_of_the_daemon_is_told_when_it_comes_and_when_it_goes(
    tmp_path: Path, broker: Mosquitto, watching: Subscriber
) -> None:
    with plant("incomer") as meters, notifying(tmp_path, broker, "plant", *TO_FILE):
        board = bus(meter("incomer", point="main"), url=meters.url("incomer"))
        with running(site(board, mqtt={"urls": [broker.url]}, state_dir=str(tmp_path / "state"))):
            wait_until(lambda: watching.payloads("/points/main/state"), "a first state")
            meters.shown["incomer"] = PHASE_LOST
            wait_until(lambda: len(told(tmp_path)) == 1, "the alert")
            raised = bodies(watching, "/events/main/phase_loss")[0]
            for _ in range(2):  # as a daemon does that was killed before the broker's acknowledgement
                watching.say("phasewatch/plant/events/main/phase_loss", json.dumps(raised).encode())
            meters.shown["incomer"] = HEALTHY
            wait_until(lambda: len(told(tmp_path)) > 1, "the end of the alert")
    assert [title for title, _ in told(tmp_path)] == ["HIGH main/phase_loss L2", "CLEARED main/phase_loss L2"]
    assert told(tmp_path)[0][1] == raised["summary"]


def test_other_severities_may_be_asked_for(
    tmp_path: Path, broker: Mosquitto, watching: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHASEWATCH_SEVERITIES", "medium")
    with notifying(tmp_path, broker, "plant-7", *TO_FILE):
        for severity in ("critical", "high", "low", "medium"):
            watching.say(f"{EVENTS}/any/rule", event(f"main/{severity}", 1, severity=severity))
        wait_until(lambda: told(tmp_path), "the telling")
    assert [title for title, _ in told(tmp_path)] == ["MEDIUM main/medium"]


def test_the_script_can_be_run_as_it_stands() -> None:
    assert os.access(SCRIPT, os.X_OK)
