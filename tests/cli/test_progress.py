"""Long work shows a bar on stderr, to people only, and what goes to stdout is not touched."""

import io
import time
from contextlib import redirect_stderr
from pathlib import Path

import pytest
import typer

from phasewatch.cli.check import check_site
from phasewatch.cli.explain import Case, Frame, explain_file
from phasewatch.commissioning import progress
from phasewatch.commissioning.one_poll import poll_site
from phasewatch.commissioning.progress import long_work
from phasewatch.configuration.site import load_site
from tests.cli.program import SITE, put_site, simulated, simulated_meter

BAR = "━"
NOTHING = Case(None, None, None, None, None, None)
FRAME = Frame(230.0, None, 0.5, "en")


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _bars_show_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(progress, "SHOW_AFTER_S", 0.0)


def worked(stderr: io.StringIO, *, hidden: bool = False) -> str:
    """Work for a moment; return what stderr shows."""
    with redirect_stderr(stderr), long_work(2, "working", hidden=hidden) as look:
        look(1, "half of it")
        time.sleep(0.15)  # a bar is drawn ten times a second
        print("a result")
    return stderr.getvalue()


def test_people_see_a_bar_and_results_go_where_they_belong(capsys: pytest.CaptureFixture[str]) -> None:
    shown = worked(Screen())
    assert BAR in shown
    assert "half of it" in shown
    assert capsys.readouterr().out == "a result\n"


def test_a_bar_that_is_hidden_or_has_no_terminal_is_not_there() -> None:
    assert worked(Screen(), hidden=True) == ""
    assert worked(io.StringIO()) == ""


def test_work_that_is_soon_done_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SHOW_AFTER_S", 60.0)
    assert BAR not in worked(Screen())


@pytest.mark.parametrize("as_json", [False, True])
def test_meters_and_brokers_that_are_asked_are_counted(as_json: bool, tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}) as server, redirect_stderr(Screen()) as screen:
        site = put_site(tmp_path, SITE.format(url=server.url, meter=""))
        (poll,) = poll_site(load_site(site), hidden=as_json)
        with pytest.raises(typer.Exit):  # nothing listens at the broker's port
            check_site(site, connect=True, as_json=as_json)
    assert poll.failure is None
    assert (BAR in screen.getvalue()) is not as_json


def test_rows_of_a_file_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cases.csv"
    file.write_text("voltage_l1_n,voltage_l2_n,voltage_l3_n\n" + "230,230,230\n" * 600)
    with redirect_stderr(Screen()) as screen:
        explain_file(file, FRAME, NOTHING)
    assert capsys.readouterr().out.count("\n") == 600
    assert "cases.csv: row 500" in screen.getvalue()
    with redirect_stderr(Screen()) as screen:
        explain_file(file, FRAME, NOTHING, as_json=True)
    assert screen.getvalue() == ""
