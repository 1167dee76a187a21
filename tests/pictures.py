"""The pictures of the documents, taken from the program itself: `python -m tests.pictures`.

The phasor diagram of the founding question comes from the drawing code; the page from a browser that looks at the demo.
"""

import base64
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from phasewatch.configuration.files import load_messages
from phasewatch.drawing.phasor_diagram import picture
from phasewatch.drawing.places import Limits
from phasewatch.electrical.diagnosis import diagnose, numbers
from phasewatch.electrical.supply import Supply
from phasewatch.meters.quantities import LN, LPE
from tests.browser import Browser, browser
from tests.documents import LANGUAGES, ROOT
from tests.served import until

PLACE: Final = ROOT / "docs" / "pictures"
READINGS: Final = dict(zip((*LN, *LPE), (234.0, 234.0, 234.0, 208.0, 254.0, 254.0), strict=True))
"""The founding question."""
SIZE: Final = (1000, 1150)
_RAISED_S: Final = 60.0


def file_of(name: str, language: str, ending: str) -> Path:
    """Return the file of a picture in a language."""
    return PLACE / f"{name}{'' if language == 'en' else f'.{language}'}.{ending}"


def founding_case(language: str) -> str:
    """Return the SVG of the founding question."""
    diagnosis = diagnose(READINGS, Supply())
    limits = Limits(resolution_v=numbers(diagnosis)["resolution_v"])
    return picture(READINGS, numbers(diagnosis), load_messages(language), limits, nominal_v=230.0) + "\n"


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
    file_of("page", language, "png").write_bytes(base64.b64decode(shot["data"]))


def main() -> None:
    """Write every picture again."""
    PLACE.mkdir(exist_ok=True)
    for language in LANGUAGES:
        file_of("founding-case", language, "svg").write_text(founding_case(language), encoding="utf-8")
    port = _free_port()
    demo = [sys.executable, "-m", "phasewatch", "demo", "--loop", "--web", f"127.0.0.1:{port}"]
    with TemporaryDirectory() as scratch, browser(Path(scratch)) as window:
        process = subprocess.Popen(demo, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: _answers(port), 30.0)
            for language in LANGUAGES:
                _take(window, port, language)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
