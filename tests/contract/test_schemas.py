"""The schemas of what is published: every key explained, every list of codes equal to the code's own."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from phasewatch.alerts.daemon_monitor import TEST
from phasewatch.alerts.event import SCHEMA, Transition
from phasewatch.alerts.operations import MOST_CHARACTERS, Answer, CommandError, parse
from phasewatch.configuration.errors import ConfigurationError
from phasewatch.contract.schemas import SCHEMAS, schema
from phasewatch.contract.topics import TOPICS
from phasewatch.electrical.causes import EXPLANATIONS
from phasewatch.electrical.diagnosis import NUMBERS
from phasewatch.electrical.severity import Severity
from phasewatch.meters.quantities import PHASES, UNITS, phase_name
from phasewatch.rules.catalogue import RULES
from tests.cli.program import phasewatch
from tests.schema_faults import broken, fault

PUBLISHED = ("alert", "alerts", "point", "status", "reply")
AT = "2026-01-31T12:00:00.000Z"
LIST = {"schema": "phasewatch.alerts/1", "site": "plant", "journal": "0a1b2c3d", "seq": 0, "ended": {}, "active": []}


def parts(of: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a schema, the schema itself first."""
    if isinstance(of, dict):
        yield of
    for inner in of.values() if isinstance(of, dict) else of if isinstance(of, list) else ():
        yield from parts(inner)


def enum(name: str, definition: str) -> list[str]:
    values: list[str] = schema(name)["$defs"][definition]["enum"]
    return values


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_is_explained(name: str) -> None:
    whole = schema(name)
    for part in parts(whole):
        properties = part.get("properties", {})
        bare = {key: one for key, one in properties.items() if "description" not in one}
        for key, one in bare.items():
            definition = one.get("$ref", "").removeprefix("#/$defs/")
            assert "description" in whole["$defs"].get(definition, {}), (name, key)


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_may_be_null_says_what_null_means(name: str) -> None:
    for part in parts(schema(name)):
        nullable = "null" in part.get("type", ()) or {"type": "null"} in part.get("anyOf", ())
        if nullable and "description" in part:
            assert "null: " in part["description"], part


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_definition_is_used(name: str) -> None:
    text = json.dumps(schema(name))
    assert [one for one in schema(name)["$defs"] if f'"#/$defs/{one}"' not in text] == []


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_schema_says_which_it_is_as_the_payload_does(name: str) -> None:
    whole = schema(name)
    assert whole["properties"]["schema"]["const"] == whole["title"]
    assert whole["additionalProperties"] is False


def test_every_schema_belongs_to_a_topic() -> None:
    assert {topic.schema for topic in TOPICS if topic.schema} == set(SCHEMAS)


def test_a_schema_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match="schema reading: no such schema; one of alert, alerts"):
        schema("reading")


class TestTheCodesAreThoseOfTheCode:
    def test_schema_name(self) -> None:
        assert schema("alert")["title"] == SCHEMA

    def test_transitions(self) -> None:
        assert schema("alert")["properties"]["transition"]["enum"] == list(get_args(Transition))

    @pytest.mark.parametrize("name", ["alert", "point"])
    def test_verdicts(self, name: str) -> None:
        assert enum(name, "verdict_code") == list(EXPLANATIONS)

    @pytest.mark.parametrize("name", ["alert", "point"])
    def test_quantities(self, name: str) -> None:
        assert enum(name, "quantity") == list(UNITS)

    @pytest.mark.parametrize("name", ["alert", "alerts", "point"])
    def test_severities_and_phases(self, name: str) -> None:
        assert enum(name, "severity") == list(get_args(Severity))
        assert enum(name, "phase") == [phase_name(slug) for slug in PHASES]

    @pytest.mark.parametrize("name", ["alert", "alerts", "command"])
    def test_rules(self, name: str) -> None:
        assert schema(name)["$defs"]["rule"]["anyOf"][0]["enum"] == [*RULES, TEST]

    def test_numbers_of_the_picture(self) -> None:
        own = {"verdict", "phase", "phases", "severity"}
        assert schema("point")["properties"]["picture"]["properties"].keys() - own == NUMBERS.keys()


@pytest.mark.parametrize("name", ["_daemon", "_bus-board", "main"])
def test_a_subject_may_be_a_bus_or_the_daemon(name: str) -> None:
    active = {"alert_id": "p-j-1", "rev": 1, "severity": "low", "rule": "test", "phase": None, "state": "active"}
    active |= {"acknowledged": False, "shelved_until": None, "suppressed_by": None}
    assert fault("alerts", {**LIST, "active": [{**active, "subject": name, "since": AT}]}) is None


@pytest.mark.parametrize(
    "answer",
    [
        Answer("r1", "shelve", ok=True, alert_id="plant-j1-main-phase_loss-1"),
        Answer("r1", "unshelve", ok=True, alert_id="plant-j1-main-phase_loss-1", note="it was not shelved"),
        Answer(None, "'x'", ok=False, error="body: must be a JSON object"),
    ],
)
def test_a_reply_keeps_the_contract(answer: Answer) -> None:
    assert fault("reply", {"schema": "phasewatch.reply/1", "at": AT, "site": "plant", **answer.payload()}) is None


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("acknowledge", {"request": "r1", "alert_id": "plant-j1-main-phase_loss-1", "by": "anna"}),
        (
            "shelve",
            {"subject": "main", "rule": "wiring", "reason": "works", "by": "anna", "until": "2026-02-01T00:00Z"},
        ),
        ("unshelve", {"subject": "main", "rule": "voltage_deviation", "phase": "l1", "by": "anna"}),
        ("resync", {}),
        ("test", {"by": "anna"}),
    ],
)
def test_a_command_that_is_understood_keeps_the_contract(verb: str, body: dict[str, Any]) -> None:
    assert parse(verb, body, datetime.fromisoformat(AT)).verb == verb
    assert fault("command", body) is None


@pytest.mark.parametrize("body", [{"who": "anna"}, {"by": "a" * (MOST_CHARACTERS + 1)}, {"by": 1}, []])
def test_a_command_that_breaks_the_contract_is_refused(body: Any) -> None:
    assert fault("command", body) is not None
    with pytest.raises(CommandError):
        parse("test", body, datetime.fromisoformat(AT))


@pytest.mark.parametrize(
    ("topic", "payload", "wrong"),
    [
        ("phasewatch/plant/availability", b"online", None),
        ("phasewatch/plant/availability", b"here", "none of"),
        ("phasewatch/plant/alerts", json.dumps(LIST).encode(), None),
        ("phasewatch/plant/alerts", json.dumps({**LIST, "more": 1}).encode(), "'more' was unexpected"),
        ("phasewatch/plant/alerts", json.dumps({**LIST, "seq": None}).encode(), "alerts: $.seq: None is not of type"),
        ("phasewatch/plant/reply", b"", "empty"),
        ("phasewatch/plant/status", b"{", "no UTF-8 JSON"),
        ("phasewatch/plant/alerts/main/phase_loss", b"", None),
        ("phasewatch/plant/meters/a/values", b"{}", "no such topic"),
        ("homeassistant/status", b"whatever", None),
    ],
)
def test_a_message_is_judged_by_its_topic(topic: str, payload: bytes, wrong: str | None) -> None:
    found = broken(topic, payload)
    if wrong is None:
        assert found is None
    else:
        assert found is not None
        assert wrong in found


def test_every_event_of_a_replay_keeps_the_contract(tmp_path: Path) -> None:
    lost, sound = "231,0,231,231,231,400", "231,231,231,400,400,400"
    rows = [f"2026-01-01T00:00:{s:02d}Z,{lost if 10 <= s < 40 else sound}" for s in range(60)]
    file = tmp_path / "rows.csv"
    head = "time,voltage_l1_n,voltage_l2_n,voltage_l3_n,voltage_l1_l2,voltage_l2_l3,voltage_l3_l1"
    file.write_text("\n".join([head, *rows]) + "\n")
    site = tmp_path / "site.yaml"
    meter = "{name: incomer, profile: eastron-sdm630}"
    site.write_text(
        f"site: plant\nbuses: [{{name: b, url: 'tcp://h:502', meters: [{meter}]}}]\nmqtt: {{urls: ['mqtt://h:1']}}\n"
    )
    events = phasewatch("replay", str(file), "--config", str(site)).rows()
    assert [event["transition"] for event in events] == ["raised", "cleared"]
    assert [fault("alert", event) for event in events] == [None, None]
