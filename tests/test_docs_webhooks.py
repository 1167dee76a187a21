"""The receiver's code in the page on webhooks verifies what the daemon signs, and the page names what is sent."""

import re
import time
from pathlib import Path
from typing import Any

import yaml

from phasewatch.adapters.http.webhook import signature
from phasewatch.settings import WebhookSettings

PAGE = (Path(__file__).parents[1] / "docs" / "how-to" / "webhooks.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", PAGE, re.DOTALL | re.MULTILINE)
    return "\n".join(line.removeprefix(found[0]) for line in found[1].splitlines())


def test_the_code_of_the_receiver_tells_genuine_requests_from_others() -> None:
    shown: dict[str, Any] = {}
    exec(block("python"), shown)
    is_genuine, now_s, body = shown["is_genuine"], int(time.time()), '{"summary":"开路"}'.encode()
    assert is_genuine(signature(b"key", now_s, body), body, b"key")
    assert not is_genuine(signature(b"key", now_s, body), body + b" ", b"key")
    assert not is_genuine(signature(b"other", now_s, body), body, b"key")
    assert not is_genuine(signature(b"key", now_s - 3600, body), body, b"key")


def test_the_section_of_the_site_file_is_one() -> None:
    (written,) = yaml.safe_load(block("yaml"))["webhooks"]
    assert WebhookSettings.model_validate(written).min_severity == "high"


def test_the_headers_are_those_that_are_sent() -> None:
    source = Path(signature.__code__.co_filename).read_text(encoding="utf-8")
    sent = set(re.findall(r'^ +"([A-Z][\w-]+)": ', source, re.MULTILINE)) - {"User-Agent"}
    assert set(re.findall(r"^\| `([A-Z][\w-]+)` \|", PAGE, re.MULTILINE)) == sent
