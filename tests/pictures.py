"""Screenshots of the page of the running demo, for the documents: `make pictures`."""

import base64
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.browser import Browser, browser
from tests.documents import NAMES
from tests.generated import picture_file
from tests.served import until

SIZE: Final = (1000, 1150)
_RAISED_S: Final = 60.0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _take(window: Browser, port: int, language: str) -> None:
    window.look(*SIZE)
    window.open(f"http://127.0.0.1:{port}/")
    until(lambda: window.text(f"[data-language={language}]") != "", 20.0)
    window.click(f"[data-language={language}]")
    until(lambda: window.run("return document.querySelectorAll('#alert-list li').length") == 1, _RAISED_S)
    time.sleep(1.5)  # the drawing follows the next message
    shot = window.command("Page.captureScreenshot", format="png")
    picture_file("page", language, "png").write_bytes(base64.b64decode(shot["data"]))


def main() -> None:
    """Take every screenshot again."""
    port = _free_port()
    demo = [sys.executable, "-m", "phasewatch", "demo", "--loop", "--web", f"127.0.0.1:{port}"]
    with TemporaryDirectory() as scratch, browser(Path(scratch)) as window:
        process = subprocess.Popen(demo, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: _answers(port), 30.0)
            for language in NAMES:
                _take(window, port, language)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
