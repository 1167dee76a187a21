"""A real browser, driven over the W3C WebDriver protocol; only as much of it as tests of the page need."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import pytest

from tests.served import until

REQUIRED: Final = "PHASEWATCH_REQUIRE_BROWSER"
_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"
_ARGUMENTS: Final = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio",
)  # fmt: skip
TAB, ENTER, ESCAPE = "\ue004", "\ue007", "\ue00c"


def program(name: str) -> str:
    """Return the path of a program; without it skip, or fail where a browser is required."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin")
    if found is None:
        reason = f"{name} is not installed: apt-get install chromium chromium-driver"
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)(reason)
    return str(found)


class Browser:
    """One window."""

    def __init__(self, port: int, options: dict[str, Any]) -> None:
        self._port, self._session = port, ""
        wanted = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options, **_LOGGED}}
        self._session = "/" + self._ask("POST", "/session", {"capabilities": wanted})["sessionId"]

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            content = None if body is None else json.dumps(body)
            where = f"/session{self._session}{path}" if self._session else path
            connection.request(method, where, content, {"content-type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        assert not (isinstance(value, dict) and "error" in value), f"{path}: {value}"
        return value

    def open(self, address: str) -> None:
        self._ask("POST", "/url", {"url": address})

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script in the page and return what it returns; it may await."""
        wrapped = f"return (async (...given) => {{ {script} }})(...arguments)"
        return self._ask("POST", "/execute/sync", {"script": wrapped, "args": list(arguments)})

    def text(self, selector: str = "body") -> str:
        """Return what can be seen of an element; nothing if it is not there."""
        return str(self.run("return document.querySelector(given[0])?.innerText ?? ''", selector))

    def sees(self, text: str, selector: str = "body", patience_s: float = 20.0) -> None:
        """Wait until a text can be seen."""
        try:
            until(lambda: text in self.text(selector), patience_s)
        except AssertionError:
            raise AssertionError(f"{text!r} is not in {selector}: {self.text(selector)!r}") from None

    def press(self, keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def click(self, selector: str) -> None:
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        self._ask("POST", f"/element/{found[_ELEMENT]}/click", {})

    def focused(self) -> str:
        """Return tag, id and classes of what has the focus."""
        script = "const e = document.activeElement; return [e.tagName, e.id, e.className].join(' ').trim()"
        return str(self.run(script))

    def command(self, name: str, **parameters: Any) -> Any:
        """Do what only Chromium's own protocol can."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def look(self, width: int, height: int, scheme: str = "light") -> None:
        """Set the size of the window and the colour scheme that the reader prefers."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.command("Emulation.setDeviceMetricsOverride", **size)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path: Path) -> None:
        """Save what the whole page looks like."""
        shot = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """Return and forget what the browser's console says."""
        said = self._ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in said if entry["level"] in ("WARNING", "SEVERE")]

    def close(self) -> None:
        self._ask("DELETE", "")


def leave(window: Browser) -> None:
    """Close the page, so that the end of its server is no complaint of the next test."""
    window.open("about:blank")
    window.complaints()


_LOGGED: Final = {"goog:loggingPrefs": {"browser": "ALL"}}


@contextmanager
def browser(directory: Path) -> Iterator[Browser]:
    """Run a browser with a fresh profile."""
    chromium, driver = program("chromium"), program("chromedriver")
    options = {"binary": chromium, "args": [*_ARGUMENTS, f"--user-data-dir={directory / 'profile'}"]}
    environment = {**os.environ, "HOME": str(directory), "LANG": "en_US.UTF-8", "TZ": "UTC"}
    process = subprocess.Popen(
        [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )
    try:
        window = Browser(_port(process), options)
        try:
            yield window
        finally:
            window.close()
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _port(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"successfully on port (\d+)", line):
            return int(found[1])
    raise AssertionError("chromedriver did not start")
