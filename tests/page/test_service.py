"""From the registers of a meter to the page in a browser: simulated meter, real Modbus TCP, real service."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from phasewatch.alerts import point_monitor
from phasewatch.simulator.device import Fault
from tests.browser import ENTER, TAB, Browser
from tests.served import TOKEN, asked, until
from tests.service.plant import Plant, plant, running
from tests.service.site import HEALTHY, PHASE_LOST, bus, meter, site

pytestmark = pytest.mark.browser


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def meters() -> Iterator[Plant]:
    with plant("incomer") as started:
        yield started


@pytest.fixture
def port(tmp_path: Path, meters: Plant) -> Iterator[int]:
    found, token = free_port(), tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    web = {"listen": f"127.0.0.1:{found}", "token_file": str(token)}
    board = bus(meter("incomer", point="main"), url=meters.url("incomer"))
    with running(site(board, state_dir=str(tmp_path / "state"), web=web)):
        until(lambda: answers(found))
        yield found


def answers(port: int) -> bool:
    try:
        return bool(asked(port, "/api/points").json["points"][0]["verdict"] == "normal")
    except OSError:
        return False


def test_what_changes_at_the_meter_is_seen_on_the_page(window: Browser, meters: Plant, port: int) -> None:
    window.look(1280, 900)
    window.open(f"http://127.0.0.1:{port}/")
    window.sees("Normal", ".told")
    window.sees("231.0", ".numbers")
    meters.shown["incomer"] = PHASE_LOST
    window.sees("L2 is lost", ".told")
    window.sees("A fuse has blown", ".causes")
    window.sees("Phase loss · L2 · main", "#alert-list")
    window.sees("raised · Phase loss", "#events")
    window.run("document.querySelector('.trends').open = true")
    until(lambda: window.run("return document.querySelectorAll('.trends svg').length") == 2)
    window.click("#alert-list .acknowledge")
    window.press("Anna" + TAB + TOKEN + ENTER)
    window.sees("acknowledged", "#alert-list")
    meters.shown["incomer"] = HEALTHY
    window.sees("Normal", ".told")
    window.sees("No alert stands.", "#alerts")
    assert window.complaints() == []


@pytest.fixture
def _old_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_monitor, "STALE_S", 2.0)


@pytest.mark.usefixtures("_old_soon")
def test_a_meter_that_falls_silent_leaves_old_values_and_says_so(window: Browser, meters: Plant, port: int) -> None:
    window.look(360, 800)
    window.open(f"http://127.0.0.1:{port}/")
    window.sees("Normal", ".told")
    meters.ail("incomer", Fault(silent=True))
    window.sees("no data for", ".point summary", patience_s=40.0)
    window.sees("do not rely on them", ".inside .old")
