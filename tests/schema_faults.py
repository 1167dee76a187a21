"""Holds what was published against the contract: each topic against its schema, or its plain words."""

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from phasewatch.contract.schemas import schema
from phasewatch.contract.topics import Topic, kind_of


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema(name))


def fault(name: str, body: Any) -> str | None:
    """Return how a payload breaks a schema; None if it keeps it."""
    found = best_match(validator(name).iter_errors(body))
    return None if found is None else f"{name}: {found.json_path}: {found.message}"


def broken(topic: str, payload: bytes) -> str | None:
    """Return how a message breaks the contract; None if it keeps it, or is not ours."""
    if not topic.startswith("phasewatch/"):
        return None
    kind = kind_of(topic)
    try:
        found = "no such topic" if kind is None else _broken(kind, payload)
    except ValueError as error:
        found = f"no UTF-8 JSON: {error}"
    return None if found is None else f"{topic}: {found}"


def _broken(kind: Topic, payload: bytes) -> str | None:
    if kind.words:
        return None if payload.decode() in kind.words else f"{payload!r} is none of {kind.words}"
    if not payload:
        return None if kind.retained else "empty"
    assert kind.schema is not None
    return fault(kind.schema, json.loads(payload))
