"""Writes config/asyncapi.yaml, the MQTT contract for machines: the table of topics and the schemas, put together.

`python -m phasewatch.contract`
"""

from typing import Any, Final

import yaml

from phasewatch.alerts.operations import VERBS
from phasewatch.contract.schemas import SCHEMAS, schema
from phasewatch.contract.topics import AVAILABILITY, COMMAND, QOS, REPLY, TOPICS, Topic
from phasewatch.meters.quantities import PHASES

HEAD: Final = "# Generated: python -m phasewatch.contract\n"
CONTRACT_VERSION: Final = "1.0.0"
BINDING: Final = "0.2.0"
"""Version of the MQTT binding of AsyncAPI."""

PARAMETERS: Final = {
    "site": "`site` of the site file.",
    "meter": "Name of a meter in the site file.",
    "point": "Name of a point: `point` of a meter, or else the meter's name.",
    "subject": "What the alert is about: a point, a meter, `_bus-<bus>`, or `_daemon`.",
    "rule": "Name of a rule, built in or the site file's own.",
    "phase": "Phase that the alert is kept for.",
    "verb": "What is asked for.",
    "device": "A point, or `_daemon`.",
}
CHOICES: Final = {
    "phase": list(PHASES),
    "verb": list(VERBS),
}
"""Parameters that have few values, all known."""


def document() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "phasewatch over MQTT",
            "version": CONTRACT_VERSION,
            "description": "What phasewatch publishes, and what it can be asked. UTF-8 JSON without NaN, times in UTC."
            " MQTT 5, or 3.1.1 where the broker has no other. Delivery is at least once: drop a known `id`, ignore an"
            " older `rev`.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {_operation_name(topic): _operation(topic) for topic in TOPICS},
        "components": {
            "messages": {topic.name: _message(topic) for topic in TOPICS},
            "schemas": {name: _embedded(schema(name), name) for name in SCHEMAS},
        },
    }


def text() -> str:
    """Return the document as it stands in config/asyncapi.yaml."""
    return HEAD + yaml.dump(document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


class _Plain(yaml.SafeDumper):
    """Says the same thing twice rather than pointing to it."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _server() -> dict[str, Any]:
    will = {"topic": AVAILABILITY.pattern, "qos": QOS, "message": "offline", "retain": True}
    return {
        "host": "broker.example:8883",
        "protocol": "secure-mqtt",
        "description": "One of `mqtt.urls`; the names in the topic of the last will are filled in.",
        "bindings": {"mqtt": {"lastWill": will, "keepAlive": 30, "bindingVersion": BINDING}},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    channel: dict[str, Any] = {"address": topic.pattern, "description": topic.what}
    if topic.parameters:
        channel["parameters"] = {name: _parameter(name) for name in topic.parameters}
    channel["messages"] = {topic.name: {"$ref": f"#/components/messages/{topic.name}"}}
    return channel


def _parameter(name: str) -> dict[str, Any]:
    parameter: dict[str, Any] = {"description": PARAMETERS[name]}
    return parameter | ({"enum": CHOICES[name]} if name in CHOICES else {})


def _operation_name(topic: Topic) -> str:
    verb = "publish" if topic.direction == "published" else "take"
    return f"{verb}{topic.name[0].upper()}{topic.name[1:]}"


def _operation(topic: Topic) -> dict[str, Any]:
    """Return what the daemon does with a topic: it sends what it publishes."""
    operation: dict[str, Any] = {
        "action": "send" if topic.direction == "published" else "receive",
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "bindings": {"mqtt": {"qos": QOS, "retain": topic.retained, "bindingVersion": BINDING}},
    }
    if topic is COMMAND:
        operation["reply"] = {"channel": {"$ref": f"#/channels/{REPLY.name}"}}
    return operation


def _message(topic: Topic) -> dict[str, Any]:
    return {"contentType": topic.content, "payload": _payload(topic)}


def _payload(topic: Topic) -> dict[str, Any]:
    if topic.schema is not None:
        return {"$ref": f"#/components/schemas/{topic.schema}"}
    return {"type": "string", "enum": list(topic.words)} if topic.words else {"type": "object"}


def _embedded(part: Any, name: str) -> Any:
    """Return a schema as a part of the document: its inner references lead from the document's root."""
    if isinstance(part, list):
        return [_embedded(item, name) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _embedded(value, name) for key, value in part.items() if key not in ("$schema", "$id")}
    if isinstance(kept.get("$ref"), str):
        kept["$ref"] = kept["$ref"].replace("#/", f"#/components/schemas/{name}/", 1)
    return kept
