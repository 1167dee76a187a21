"""Operators over MQTT: commands in, answers and events out; hostile ones are refused and change nothing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.broker import Mosquitto, Subscriber, wait_until
from tests.schema_faults import fault
from tests.service.plant import Plant, Running, bodies, running, transitions
from tests.service.site import PHASE_LOST, bus, meter, site

pytestmark = pytest.mark.broker

BASE = "phasewatch/plant"
TARGET = {"subject": "main", "rule": "phase_loss", "by": "anna"}


class Scene(NamedTuple):
    service: Running
    watching: Subscriber
    meters: Plant

    def command(self, verb: str, body: bytes | dict[str, Any]) -> dict[str, Any]:
        """Send a command; return its answer."""
        before = len(self.replies())
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.watching.say(f"{BASE}/command/{verb}", payload)
        wait_until(lambda: len(self.replies()) > before, "an answer")
        reply = self.replies()[-1]
        assert fault("reply", reply) is None
        return reply

    def replies(self) -> list[dict[str, Any]]:
        return bodies(self.watching, "/reply")

    def lose_a_phase(self) -> None:
        self.meters.shown["incomer"] = PHASE_LOST
        wait_until(lambda: "main/phase_loss raised" in transitions(self.watching), "the alert")

    def last_event(self) -> dict[str, Any]:
        return bodies(self.watching, "/events/")[-1]


@pytest.fixture
def scene(tmp_path: Path, meters: Plant, broker: Mosquitto, watching: Subscriber) -> Iterator[Scene]:
    with stage(tmp_path, meters, broker, watching, commands=True) as set_up:
        yield set_up


@contextmanager
def stage(tmp_path: Path, meters: Plant, broker: Mosquitto, watching: Subscriber, **mqtt: Any) -> Iterator[Scene]:
    loaded = site(
        bus(meter("incomer", point="main"), url=meters.url("incomer")),
        mqtt={"urls": [broker.url], **mqtt},
        state_dir=str(tmp_path / "state"),
    )
    with running(loaded) as service:
        wait_until(lambda: watching.payloads("/points/main/state"), "a first state")
        yield Scene(service, watching, meters)


def test_an_operator_acknowledges_and_everybody_hears_who_and_why(scene: Scene) -> None:
    scene.lose_a_phase()
    reply = scene.command("acknowledge", {**TARGET, "reason": "electrician called", "request": "r1"})
    assert (reply["ok"], reply["request"], reply["verb"]) == (True, "r1", "acknowledge")
    wait_until(lambda: "main/phase_loss acknowledged" in transitions(scene.watching), "the event")
    event = scene.last_event()
    assert (event["acknowledged"], event["by"], event["reason"]) == (True, "anna", "electrician called")
    assert event["alert_id"] == reply["alert_id"]
    wait_until(lambda: bodies(scene.watching, f"{BASE}/alerts")[-1]["active"][0]["acknowledged"], "the list says so")


def test_a_shelved_alert_says_until_when(scene: Scene) -> None:
    scene.lose_a_phase()
    until = (datetime.now(UTC) + timedelta(hours=2)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert scene.command("shelve", {**TARGET, "until": until})["ok"]
    wait_until(lambda: "main/phase_loss shelved" in transitions(scene.watching), "the event")
    assert scene.last_event()["shelved_until"] == until
    assert scene.command("unshelve", TARGET)["ok"]
    wait_until(lambda: "main/phase_loss unshelved" in transitions(scene.watching), "the event")
    assert scene.last_event()["shelved_until"] is None


def test_a_test_alert_goes_the_whole_way_and_says_that_it_is_one(scene: Scene) -> None:
    assert scene.command("test", {"by": "anna"})["ok"]
    wait_until(lambda: "_daemon/test cleared" in transitions(scene.watching), "its end")
    raised = next(one for one in bodies(scene.watching, "/events/_daemon/test") if one["transition"] == "raised")
    assert (raised["by"], raised["severity"]) == ("anna", "low")
    assert "test" in raised["summary"].lower()


def test_resync_brings_everything_retained_again(scene: Scene) -> None:
    before = len(scene.watching.payloads(f"{BASE}/availability"))
    assert scene.command("resync", {})["ok"]
    wait_until(lambda: len(scene.watching.payloads(f"{BASE}/alerts")) >= 2, "the list again")
    assert len(scene.watching.payloads(f"{BASE}/availability")) >= before


HOSTILE: dict[str, bytes] = {
    "no JSON": b"acknowledge!",
    "a list": b"[1, 2]",
    "half a text": b"\xff\xfe{",
    "not a number": b'{"by": "anna", "until": NaN}',
    "a number of 10,000 digits": b'{"by": ' + b"9" * 10_000 + b"}",
    "100,000 deep": b"[" * 100_000,
    "20,000 deep": b"[" * 20_000,
    "nobody asks": b'{"subject": "main", "rule": "phase_loss"}',
    "an unknown key": b'{"by": "anna", "subject": "main", "rule": "phase_loss", "force": true}',
    "another site's alert": b'{"by": "anna", "alert_id": "elsewhere-abc-main-phase_loss-1"}',
    "no such rule": b'{"by": "anna", "subject": "main", "rule": "nonsense"}',
    "wildcards": b'{"by": "anna", "subject": "+", "rule": "#"}',
    "a surrogate": b'{"by": "\\ud800", "subject": "main", "rule": "phase_loss"}',
}


def test_hostile_commands_are_refused_in_one_line_and_change_nothing(scene: Scene) -> None:
    for what, body in HOSTILE.items():
        for verb in ("acknowledge", "shelve"):
            reply = scene.command(verb, body)
            assert not reply["ok"], what
            assert reply["error"].strip(), what
            assert "\n" not in reply["error"], what
    told = scene.command("detonate", {"by": "anna"})
    assert (told["ok"], told["verb"]) == (False, "detonate")
    assert transitions(scene.watching) == []
    assert scene.command("test", {"by": "anna"})["ok"]


def test_a_retained_command_is_refused_for_it_would_come_again(
    tmp_path: Path, meters: Plant, broker: Mosquitto, watching: Subscriber
) -> None:
    watching.say(f"{BASE}/command/test", b'{"by": "anna"}', retain=True)
    with stage(tmp_path, meters, broker, watching, commands=True) as scene:
        wait_until(scene.replies, "an answer")
        assert "retain" in scene.replies()[0]["error"]
        assert transitions(watching) == []


def test_a_retained_command_that_is_cleared_is_no_command(scene: Scene) -> None:
    scene.watching.say(f"{BASE}/command/test", b"", retain=True)
    reply = scene.command("acknowledge", {})
    assert scene.replies() == [reply]


def test_commands_are_off_unless_the_site_file_asks_for_them(
    tmp_path: Path, meters: Plant, broker: Mosquitto, watching: Subscriber
) -> None:
    with stage(tmp_path, meters, broker, watching) as scene:
        watching.say(f"{BASE}/command/test", b'{"by": "anna"}')
        scene.lose_a_phase()
        assert scene.replies() == []
        assert transitions(watching) == ["main/phase_loss raised"]


def test_home_assistant_is_told_at_the_start_and_whenever_it_is_born(
    tmp_path: Path, meters: Plant, broker: Mosquitto, watching: Subscriber
) -> None:
    topic = "homeassistant/device/plant/main/config"
    with stage(tmp_path, meters, broker, watching, homeassistant=True):
        wait_until(partial(watching.payloads, topic), "the device")
        told = len(watching.payloads(topic))
        watching.say("homeassistant/status", b"online")
        wait_until(lambda: len(watching.payloads(topic)) > told, "the device again")
    with stage(tmp_path, meters, broker, watching, homeassistant=False):
        wait_until(lambda: watching.payloads(topic)[-1] == b"", "the device is taken back")
