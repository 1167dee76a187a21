"""The automation in config/examples: it hears every alert, and asks only for what the contract holds.

Home Assistant itself runs it in tests/peers/homeassistant_check.py, which is too large for every run.
"""

import re
from pathlib import Path
from typing import Any

from phasewatch.configuration.files import config_directory, read_yaml
from phasewatch.contract.schemas import schema
from phasewatch.contract.topics import ALERT, PHASE_ALERT

FILE = config_directory() / "examples" / "home-assistant.yaml"
TEXT = FILE.read_text("utf-8")
PAGE = (Path(__file__).parents[1] / "docs" / "how-to" / "notifications.md").read_text("utf-8")
AUTOMATION: dict[str, Any] = read_yaml(FILE)[0]  # type: ignore[index]


def test_it_hears_every_alert_and_nothing_else() -> None:
    heard = {trigger["topic"] for trigger in AUTOMATION["triggers"]}
    kinds = {re.sub(r"{\w+}", "+", kind.pattern.replace("{site}", "plant-7")) for kind in (ALERT, PHASE_ALERT)}
    assert heard == kinds
    assert {(trigger["trigger"], trigger["qos"]) for trigger in AUTOMATION["triggers"]} == {("mqtt", 1)}
    assert ALERT.retained
    assert PHASE_ALERT.retained


def test_it_asks_only_for_what_an_alert_has() -> None:
    used = set(re.findall(r"payload_json\.(\w+)", TEXT))
    known = schema("alert")["properties"]
    assert {"state", "severity", "summary"} <= used <= set(known)
    assert known["schema"]["const"] in TEXT


def test_no_message_is_passed_over_while_another_is_told() -> None:
    assert (AUTOMATION["mode"], AUTOMATION["max"] >= 50) == ("queued", True)


def test_what_comes_twice_replaces_what_was_told() -> None:
    (choice,) = AUTOMATION["actions"]
    tags = {step["data"]["data"]["tag"] for step in (*choice["then"], *choice["else"])}
    assert tags == {"{{ trigger.topic }}"}


def test_the_documents_show_the_same() -> None:
    (shown,) = re.findall(r"^```yml\n(.*?)^```$", PAGE, re.M | re.S)
    assert shown == re.sub(r"^#.*\n", "", TEXT, flags=re.M)
