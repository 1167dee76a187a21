"""Turns validation errors into lines that name the file, the key and how to fix it."""

import re
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

WORDING: Final = {
    "extra_forbidden": "unknown key; check its spelling or remove it",
    "missing": "is required; add it",
    "too_short": "needs at least one entry; add it",
    "tuple_type": "must be a list, as [a, b]",
    "path_type": "must be a path, as text",
    "model_type": "must be a mapping of keys to values; fill it or remove the key",
    "dict_type": "must be a mapping of keys to values; fill it or remove the key",
}
SLUG: Final = "must be lower-case letters, digits, _ and -, beginning with a letter or digit, 64 at most"

_SECRET: Final = re.compile(r"password|secret|token", re.IGNORECASE)
_HARMLESS: Final = re.compile(r"[\w.+-]{0,40}")


def validation_lines(error: ValidationError, prefix: str) -> list[str]:
    """Return `prefix: key.path[n]: message` for each problem; secrets and addresses are not repeated."""
    found = error.errors(include_url=False)
    return [_line(details, prefix) for details in found if not _follows(details, found)]


def _follows(details: ErrorDetails, found: list[ErrorDetails]) -> bool:
    """Return whether a list is too short only because its items are wrong."""
    place = details["loc"]
    return details["type"] == "too_short" and any(
        other["loc"][: len(place)] == place and len(other["loc"]) > len(place) for other in found
    )


def _line(details: ErrorDetails, prefix: str) -> str:
    path = _path(details["loc"])
    message = WORDING.get(details["type"]) or details["msg"].removeprefix("Value error, ")
    if details["type"] == "string_pattern_mismatch":
        message = SLUG
    parts = [part for part in (prefix, path, message + _given(details, path)) if part]
    return ": ".join(parts)


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for step in location:
        if step == "[key]":
            continue  # the name before it is the place
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def _given(details: ErrorDetails, path: str) -> str:
    given = details["input"]
    if details["type"] in (*WORDING, "value_error") or _SECRET.search(path):
        return ""
    if isinstance(given, bool | int | float) or (isinstance(given, str) and _HARMLESS.fullmatch(given)):
        return f" (is {given!r})"
    return " (is empty)" if given is None else ""
