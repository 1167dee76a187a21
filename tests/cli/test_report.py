"""`report`: from a daemon that only pretends behind a real socket, and from simulated meters without one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from phasewatch.cli import daemon_client
from tests.acceptance import SEED
from tests.cli.program import SITE, phasewatch, put_site, simulated, simulated_meter
from tests.report.told import ALERT, EVIDENCE, STATUS, Page, point, site
from tests.served import FakeDaemon, served


class Reporting(FakeDaemon):
    """Tells what happened, too."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        directory.mkdir()
        self.status_now = {**self.status_now, **STATUS}
        self.points_now = [point(site(directory), SEED.values)]
        self.alerts_now = [ALERT]
        self.asked: list[str] = []
        self.routes = [
            Route("/api/events", lambda _request: JSONResponse({"events": [ALERT]})),
            Route("/api/evidence/{alert_id:path}", self._evidence),
        ]

    def _evidence(self, request: Request) -> JSONResponse:
        alert_id = request.path_params["alert_id"]
        self.asked.append(alert_id)
        known = alert_id == ALERT["alert_id"]
        return JSONResponse(EVIDENCE if known else {"error": "none"}, 200 if known else 404)


@pytest.fixture
def daemon(tmp_path: Path) -> Reporting:
    return Reporting(tmp_path / "elsewhere")


@pytest.fixture
def control(daemon: Reporting, tmp_path: Path) -> Iterator[Path]:
    with served(tmp_path / "control.sock", daemon, more=daemon.routes):
        yield tmp_path / "control.sock"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return site(tmp_path).path


def test_it_reports_what_the_daemon_tells(control: Path, config: Path, tmp_path: Path, daemon: Reporting) -> None:
    out = tmp_path / "report.html"
    answer = phasewatch("report", "--config", config, "--socket", control, "--out", out)
    assert (answer.code, answer.out, answer.lines) == (0, "", [f"{out}: written"])
    read = Page(out.read_text(encoding="utf-8"))
    assert read.loads_nothing()
    assert read.tags.count("svg") == 3
    assert "the earth (PE) is pulled 30 V toward L1" in read.text
    assert daemon.asked == [ALERT["alert_id"]]


def test_it_answers_on_stdout_and_in_chinese(control: Path, config: Path) -> None:
    answer = phasewatch("report", "--config", config, "--socket", control, "--out", "-", "--lang", "zh")
    assert (answer.code, answer.err) == (0, "")
    assert "电压报告" in Page(answer.out).text


def test_a_daemon_that_keeps_no_history_is_no_obstacle(tmp_path: Path, daemon: Reporting, config: Path) -> None:
    daemon.alerts_now = [{**ALERT, "alert_id": "a/b?c d"}]
    with served(tmp_path / "plain.sock", daemon):
        answer = phasewatch("report", "--config", config, "--socket", tmp_path / "plain.sock", "--out", "-")
    assert answer.code == 0
    text = Page(answer.out).text
    assert "/api/events" in text
    assert "No event is on record." in text


def test_the_daemon_of_another_site_is_refused(control: Path, config: Path, daemon: Reporting) -> None:
    daemon.status_now = {**daemon.status_now, "site": "other"}
    answer = phasewatch("report", "--config", config, "--socket", control, "--out", "-")
    assert (answer.code, answer.out) == (2, "")
    assert "the daemon that answers runs other" in answer.lines[0]


def test_a_socket_that_was_named_and_is_silent_is_told(config: Path, tmp_path: Path) -> None:
    answer = phasewatch("report", "--config", config, "--socket", tmp_path / "none.sock", "--out", "-")
    assert (answer.code, answer.out) == (2, "")
    assert "none.sock" in answer.lines[0]


def test_a_language_or_a_place_that_is_none_is_told(control: Path, config: Path, tmp_path: Path) -> None:
    answer = phasewatch("report", "--config", config, "--lang", "tlh")
    assert (answer.code, answer.lines) == (2, ["--lang: tlh is none of en, zh"])
    nowhere = tmp_path / "no" / "report.html"
    answer = phasewatch("report", "--config", config, "--socket", control, "--out", nowhere)
    assert (answer.code, answer.out) == (2, "")
    assert f"--out {nowhere}: cannot be written" in answer.lines[-1]


def test_without_a_daemon_the_meters_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_client, "SYSTEM_SOCKET", tmp_path / "control.sock")
    more: dict[str, Any] = {"meter": "}\n      - {name: silent, profile: eastron-sdm630, unit_id: 9"}
    with simulated({1: simulated_meter()}) as server:
        config = put_site(tmp_path, SITE.format(url=server.url, **more) + f"state_dir: {tmp_path}\n")
        answer = phasewatch("report", "--config", config, "--out", "-")
    assert answer.code == 0
    assert answer.lines[-1] == "no daemon answers: the meters are read once, and there is no history"
    text = Page(answer.out).text
    for words in ("one reading of the meters", "Normal:", "No readings", "No reading: ", "No history"):
        assert words in text, words
