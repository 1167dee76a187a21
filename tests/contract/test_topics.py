"""The table of topics, and the AsyncAPI document that is made of it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from phasewatch.alerts.alert import Key
from phasewatch.configuration.files import config_directory
from phasewatch.contract.asyncapi import CHOICES, PARAMETERS, document, text
from phasewatch.contract.topics import (
    ALERT,
    AVAILABILITY,
    EVENT,
    PHASE_ALERT,
    TOPICS,
    Topic,
    alert_topic,
    event_topic,
    kind_of,
)
from tests.broker import below_or_equal

DOCUMENT = document()


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_is_told_by_its_name_alone(topic: Topic) -> None:
    levels = {name: f"some-{name}" for name in topic.parameters}
    whole = topic.address(**levels)
    assert kind_of(whole) is topic
    assert topic.levels(whole) == levels


@pytest.mark.parametrize("topic", ["phasewatch/plant", "phasewatch/plant/alerts/a/b/c/d", "phasewatch/a/b/status", "x"])
def test_what_is_not_ours_is_of_no_kind(topic: str) -> None:
    assert kind_of(topic) is None


def test_an_alert_is_where_its_key_says() -> None:
    whole, by_phase = Key("main", "phase_loss"), Key("main", "voltage_deviation", "l1")
    assert alert_topic("p", whole) == f"phasewatch/p/alerts/{whole}"
    assert alert_topic("p", by_phase) == f"phasewatch/p/alerts/{by_phase}"
    assert event_topic("p", by_phase) == "phasewatch/p/events/main/voltage_deviation"
    assert (kind_of(alert_topic("p", whole)), kind_of(alert_topic("p", by_phase))) == (ALERT, PHASE_ALERT)


def references(of: Any) -> Iterator[str]:
    if isinstance(of, dict):
        yield from (value for key, value in of.items() if key == "$ref" and isinstance(value, str))
    for inner in of.values() if isinstance(of, dict) else of if isinstance(of, list) else ():
        yield from references(inner)


class TestAsyncApi:
    def test_the_file_is_what_the_table_and_the_schemas_make(self) -> None:
        written = (config_directory() / "asyncapi.yaml").read_text(encoding="utf-8")
        assert written == text(), "python -m phasewatch.contract"

    def test_it_is_the_same_when_read_back(self) -> None:
        assert yaml.safe_load(text()) == json.loads(json.dumps(DOCUMENT))

    def test_every_reference_leads_somewhere(self) -> None:
        for reference in references(DOCUMENT):
            place: Any = DOCUMENT
            for step in reference.removeprefix("#/").split("/"):
                place = place[step]

    def test_it_has_the_parts_that_version_3_asks_for(self) -> None:
        assert DOCUMENT["asyncapi"] == "3.0.0"
        assert {"title", "version"} <= DOCUMENT["info"].keys()
        assert all(operation["action"] in ("send", "receive") for operation in DOCUMENT["operations"].values())
        assert all({"host", "protocol"} <= server.keys() for server in DOCUMENT["servers"].values())

    @pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
    def test_a_channel_says_what_is_filled_in_and_how_it_is_sent(self, topic: Topic) -> None:
        channel = DOCUMENT["channels"][topic.name]
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel.get("parameters", {}))
        (operation,) = [
            one for one in DOCUMENT["operations"].values() if one["channel"]["$ref"] == f"#/channels/{topic.name}"
        ]
        assert operation["bindings"]["mqtt"] == {"qos": 1, "retain": topic.retained, "bindingVersion": "0.2.0"}

    def test_every_parameter_is_explained_and_used(self) -> None:
        used = {name for topic in TOPICS for name in topic.parameters}
        assert used == PARAMETERS.keys()
        assert CHOICES.keys() <= used

    def test_the_last_will_is_told(self) -> None:
        will = DOCUMENT["servers"]["broker"]["bindings"]["mqtt"]["lastWill"]
        assert will == {"topic": AVAILABILITY.pattern, "qos": 1, "message": "offline", "retain": True}

    def test_an_event_is_told_once_and_never_retained(self) -> None:
        assert not EVENT.retained


@pytest.mark.parametrize(
    ("topic", "levels", "expected"),
    [
        ("phasewatch/plant/alerts", "phasewatch/plant/alerts", True),
        ("phasewatch/plant/alerts/main/phase_loss", "phasewatch/plant/alerts", False),
        ("phasewatch/plant/alerts/main/phase_loss", "/alerts/main/phase_loss", True),
        ("phasewatch/plant/events/main/phase_loss", "/events/", True),
        ("phasewatch/plant/meters/incomer/availability", "plant/availability", False),
    ],
)
def test_the_subscriber_of_the_tests_compares_whole_levels(topic: str, levels: str, expected: bool) -> None:
    assert below_or_equal(topic, levels) is expected
