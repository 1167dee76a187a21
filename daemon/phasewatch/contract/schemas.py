"""The JSON Schemas of what is published, as they are shipped: the contract with subscribers."""

import json
from typing import Any, Final

from phasewatch.configuration.errors import ConfigurationError
from phasewatch.configuration.files import config_directory

SCHEMAS: Final = ("alert", "alerts", "point", "status", "command", "reply")
"""Name of each schema, which is that of its file."""


def schema(name: str) -> dict[str, Any]:
    """Return a JSON Schema (2020-12).

    Raises: ConfigurationError for a name that is none of `SCHEMAS`, or whose file is missing.
    """
    if name not in SCHEMAS:
        raise ConfigurationError([f"schema {name}: no such schema; one of {', '.join(SCHEMAS)}"])
    path = config_directory() / "schemas" / f"{name}.json"
    try:
        loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError([f"{path}: cannot be read: {error}; install phasewatch again"]) from error
    return loaded
