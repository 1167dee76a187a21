"""config/examples/node-red.json: what it is made of, and, where Node-RED is there, what it tells on a real broker.

npm install --prefix /tmp/nodered node-red && PHASEWATCH_NODE_RED=/tmp/nodered/node_modules/.bin/node-red pytest ...
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from phasewatch.configuration.files import config_directory
from phasewatch.contract.schemas import schema
from tests.broker import Mosquitto, free_port, mosquitto, subscriber, wait_until
from tests.peers.news import AFTERWARDS, EVENTS, STORY, TELLINGS, WHILE_AWAY, Told
from tests.peers.program import Started, started

FLOW: list[dict[str, Any]] = json.loads((config_directory() / "examples" / "node-red.json").read_text("utf-8"))
SETTINGS = """module.exports = {{uiPort: {port}, uiHost: "127.0.0.1", httpAdminRoot: false, flowFile: "flow.json",
  diagnostics: {{enabled: false}}, telemetry: {{enabled: false}},
  contextStorage: {{default: {{module: "localfilesystem"}}}}}};"""


def node(kind: str) -> dict[str, Any]:
    (found,) = [one for one in FLOW if one["type"] == kind]
    return found


def test_every_wire_leads_to_a_node() -> None:
    ids = [one["id"] for one in FLOW]
    assert len(set(ids)) == len(ids)
    wired = {target for one in FLOW for port in one.get("wires", []) for target in port}
    assert wired | {one[key] for one in FLOW for key in ("z", "broker") if key in one and one[key] in ids} <= set(ids)
    assert wired == {node("function")["id"], node("debug")["id"]}


def test_the_session_outlives_a_restart() -> None:
    broker, events = node("mqtt-broker"), node("mqtt in")
    assert (broker["cleansession"], broker["autoUnsubscribe"]) == (False, False)
    assert broker["clientid"]
    assert (events["topic"], events["qos"], events["datatype"]) == (f"{EVENTS}/#", "1", "json")
    assert events["broker"] == broker["id"]


def test_the_function_uses_only_what_an_event_has() -> None:
    used = set(re.findall(r"\balert\.(\w+)", node("function")["func"]))
    assert {"alert_id", "rev", "state", "severity", "summary"} <= used <= set(schema("alert")["properties"])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker", "log_type all") as running_broker:
        yield running_broker


@contextmanager
def node_red(directory: Path, broker: Mosquitto) -> Iterator[Started]:
    """Run Node-RED with the flow until it has subscribed."""
    found = os.environ.get("PHASEWATCH_NODE_RED") or shutil.which("node-red")
    if found is None:
        pytest.skip("node-red is not installed: npm install node-red, and PHASEWATCH_NODE_RED=<its program>")
    (directory / "settings.js").write_text(SETTINGS.format(port=free_port()))
    moved = [
        one | {"broker": "127.0.0.1", "port": str(broker.port)} if one is node("mqtt-broker") else one for one in FLOW
    ]
    (directory / "flow.json").write_text(json.dumps(moved))
    command = [found, "--userDir", str(directory), "--settings", str(directory / "settings.js")]
    with started(command, directory / "node-red.log", HOME=str(directory)) as program:
        log = directory / "broker" / "log"
        before = log.read_text().count("SUBACK to phasewatch-node-red")
        wait_until(
            lambda: log.read_text().count("SUBACK to phasewatch-node-red") > before or not program.alive(),
            "the subscription",
            timeout_s=60,
        )
        assert program.alive(), program.said
        yield program


def told(program: Started) -> list[Told]:
    """Return what the debug node has written to the log."""
    quoted = r"(?:'((?:[^'\\]|\\.)*)'|`((?:[^`\\]|\\.)*)`)"
    found = re.findall(rf"^  topic: {quoted},\n  payload: {quoted}", program.said, re.M)
    return [(a or b, re.sub(r"\\(.)", r"\1", c or d)) for a, b, c, d in found]


@pytest.mark.broker
def test_node_red_tells_the_story_once_and_what_came_while_it_was_away(tmp_path: Path, broker: Mosquitto) -> None:
    with subscriber(broker.url) as watching:
        with node_red(tmp_path, broker) as program:
            for payload, _ in STORY:
                watching.say(f"{EVENTS}/any/rule", payload)
            wait_until(lambda: len(told(program)) >= len(TELLINGS), "every telling")
            assert told(program) == TELLINGS
        for payload in WHILE_AWAY:
            watching.say(f"{EVENTS}/any/rule", payload)
        with node_red(tmp_path, broker) as program:
            wait_until(lambda: told(program), "what came meanwhile")
            assert told(program) == AFTERWARDS
