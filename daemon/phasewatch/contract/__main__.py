"""Writes what is derived from the code into `config/`: the names of rules in the JSON Schemas, and AsyncAPI.

Run as `python -m phasewatch.contract` after a rule or a topic was added; tests hold the files against the code.
"""

import json
from typing import Final

from phasewatch.alerts.daemon_monitor import TEST
from phasewatch.configuration.files import config_directory
from phasewatch.contract.asyncapi import text
from phasewatch.contract.schemas import schema
from phasewatch.rules.catalogue import RULES

NAMING_RULES: Final = ("alert", "alerts", "command")
"""Schemas that list the rules."""


def main() -> None:
    """Write the files."""
    for name in NAMING_RULES:
        content = schema(name)
        content["$defs"]["rule"]["anyOf"][0]["enum"] = [*RULES, TEST]
        file = config_directory() / "schemas" / f"{name}.json"
        file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (config_directory() / "asyncapi.yaml").write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
