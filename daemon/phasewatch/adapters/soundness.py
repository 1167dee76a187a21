"""Cells of the journal's file that may be damaged: SQLite proves the pages of a file, and not what stands in a cell."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from phasewatch.adapters.store import REPLACED


class Numbering(NamedTuple):
    """Which journal counts, how far it came, and the last `seq` of those before it."""

    uuid: str
    seq: int
    ended: dict[str, int]


def json_object(payload: object) -> dict[str, Any] | None:
    """Return what a payload says; None if it is no JSON object."""
    if not isinstance(payload, bytes):
        return None
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def number(value: object, otherwise: float) -> float:
    """Return a number as it is, and `otherwise` for anything else."""
    return value if isinstance(value, int | float) else otherwise


def numbering(meta: Mapping[str, object]) -> Numbering | None:
    """Return the numbering that `meta` holds; None if no event can be numbered by it."""
    uuid, seq = meta.get("uuid"), meta.get("seq")
    if not isinstance(uuid, str) or REPLACED in uuid or not isinstance(seq, int) or seq < 0:
        return None
    ended = json_object(str(meta.get("ended")).encode()) or {}
    return Numbering(uuid, seq, {key: last for key, last in ended.items() if isinstance(last, int)})
