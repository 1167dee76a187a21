"""`watch`: the live table, against a daemon that only pretends behind a real socket."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from phasewatch.cli.watch import Room, Sight, Snapshot, board, toward
from phasewatch.configuration.files import load_messages
from tests.cli.program import ended, interrupted, phasewatch, started
from tests.cli.terminal import CTRL_C, at_terminal
from tests.served import ALERT, POINT, STATUS, FakeDaemon, served

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BROKEN: dict[str, Any] = {
    **POINT,
    "point": "main-distribution-board",
    "readings": {
        **dict(zip(("voltage_l1_n", "voltage_l2_n", "voltage_l3_n"), (124.1, 298.3, 312.2), strict=True)),
        **dict(zip(("voltage_l1_l2", "voltage_l2_l3", "voltage_l3_l1"), (398.2, 399.1, 400.4), strict=True)),
    },
    "picture": {
        "neutral_shift_v": 111.2,
        "neutral_shift_deg": 3.0,
        "earth_shift_v": 30.4,
        "earth_shift_deg": 180.0,
        "neutral_earth_v": 141.6,
        "u2_percent": 0.31,
        "resolution_v": 2.9,
        "severity": "critical",
        "phases": ["L1"],
    },
    "verdict": "neutral_open",
}


def sight(*points: dict[str, Any], alerts: tuple[dict[str, Any], ...] = (ALERT,)) -> Sight:
    return Sight(1.0).after(Snapshot(NOW, STATUS, points, alerts), 100.0)


def drawn(seen: Sight, now_s: float = 100.0, width: int = 80, height: int | None = None, language: str = "en") -> str:
    console = Console(width=width, height=height or 200, markup=False, highlight=False, force_terminal=True)
    with console.capture() as capture:
        console.print(board(seen, load_messages(language), now_s, Room(width, height)))
    return capture.get()


def plain(text: str) -> str:
    return Text.from_ansi(text).plain


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


@pytest.fixture
def control(daemon: FakeDaemon, tmp_path: Path) -> Iterator[Path]:
    with served(tmp_path / "control.sock", daemon):
        yield tmp_path / "control.sock"


# The table


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [80, 130])
def test_every_number_stands_within_the_width_of_the_terminal(width: int, language: str) -> None:
    lines = plain(drawn(sight(BROKEN, POINT), width=width, language=language)).splitlines()
    assert all(cell_len(line.rstrip()) <= width for line in lines)
    text = "\n".join(lines)
    for number in ("111.2 L1", "30.4 L2/L3", "141.6", "0.3", "398", "124"):
        assert number in text


def test_a_verdict_has_its_colour_and_its_words() -> None:
    text = drawn(sight(BROKEN), width=150)
    assert "\x1b[1;37;41mNeutral open L1 (critical)" in text
    assert "\x1b[32mNormal" in drawn(sight(POINT), width=130)


@pytest.mark.parametrize(
    ("degrees", "where"),
    [(0, "L1"), (29, "L1"), (-120, "L2"), (240, "L2"), (120, "L3"), (60, "L1/L3"), (-60, "L1/L2"), (180, "L2/L3")],
)
def test_a_direction_is_named_by_its_phases(degrees: float, where: str) -> None:
    assert toward(degrees) == where


def test_a_shift_that_is_noise_has_no_direction() -> None:
    picture = {**BROKEN["picture"], "neutral_shift_v": 1.1}
    assert "1.1 L1" not in plain(drawn(sight({**BROKEN, "picture": picture}), width=130))


def test_what_was_heard_is_old_once_nothing_is_heard_and_says_how_old() -> None:
    lost = sight(BROKEN).lost("the socket has gone", NOW)
    text = plain(drawn(lost, now_s=112.0))
    assert "No connection to the daemon since 12:00:00, no data for 12 s" in text.replace("\n", " ")
    assert "the socket has gone" in text
    (row,) = (line for line in plain(drawn(lost, now_s=112.0, width=150)).splitlines() if line.startswith("main-"))
    assert "no data for" in row
    assert "live" not in text
    for colour in ("\x1b[32m", "41mNeutral"):
        assert colour not in drawn(lost, now_s=112.0)


def test_a_daemon_that_lets_us_wait_is_not_live_either() -> None:
    assert " live " in plain(drawn(sight(POINT), now_s=101.0))
    assert " not connected " in plain(drawn(sight(POINT), now_s=110.0))


def test_readings_that_are_old_at_the_daemon_are_grey() -> None:
    stale = {**BROKEN, "quality": "stale", "age_s": 45.0}
    text = drawn(sight(stale), width=130)
    assert "no data for" in plain(text)
    assert "41mNeutral" not in text


def test_a_point_without_readings_says_so() -> None:
    assert plain(drawn(sight({"point": "main", "verdict": None}), width=130)).count("No readings") == 2


def test_what_the_screen_has_no_room_for_is_counted_and_the_worst_stay() -> None:
    many = [{**POINT, "point": f"p{number}"} for number in range(40)]
    text = plain(drawn(sight(*many, BROKEN, alerts=(ALERT,) * 30), width=130, height=24))
    assert "more points" in text
    assert "more alerts" in text
    assert "Neutral open" in text
    assert len(text.rstrip().splitlines()) <= 24


# The command


def test_it_is_shown_once_where_nobody_looks_on(control: Path) -> None:
    for options in ((), ("--once",)):
        answer = phasewatch("watch", "--socket", control, *options)
        assert (answer.code, answer.err) == (0, "")
        for words in ("plant", "Normal", "main/voltage_unbalance", "u2 is 3.1 %", "Bus board", "connected to mqtt://"):
            assert words in answer.out


def test_the_words_are_those_of_the_site(daemon: FakeDaemon, tmp_path: Path) -> None:
    async def words(_request: Request) -> Response:
        return JSONResponse({"language": "zh"})

    with served(tmp_path / "control.sock", daemon, more=[Route("/api/words", words)]):
        assert "正常" in phasewatch("watch", "--socket", tmp_path / "control.sock").out


def test_a_daemon_that_was_never_there_is_wrong_input(tmp_path: Path) -> None:
    for options in ((), ("--json",)):
        answer = phasewatch("watch", "--socket", tmp_path / "none.sock", *options)
        assert (answer.code, answer.out, len(answer.lines)) == (2, "", 1)
        assert "is the daemon running (systemctl status phasewatch)?" in answer.err


def test_machines_get_an_object_a_line_and_never_old_values(daemon: FakeDaemon, tmp_path: Path) -> None:
    socket = tmp_path / "control.sock"
    with served(socket, daemon):
        once = phasewatch("watch", "--socket", socket, "--json", "--once").rows()
        assert [(row["connected"], row["points"], row["alerts"]) for row in once] == [(True, [POINT], [ALERT])]
        process = started("watch", "--socket", socket, "--json", "--interval", "0.2")
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["connected"]
    try:
        while (row := json.loads(process.stdout.readline()))["connected"]:
            pass
        assert set(row) == {"at", "connected", "no_data_s", "error"}
        with served(socket, daemon):
            while not json.loads(process.stdout.readline())["connected"]:
                pass
    finally:
        answer, _ = interrupted(process)
    assert (answer.code, answer.err) == (0, "")


def test_at_a_terminal_a_daemon_that_goes_and_comes_is_told(daemon: FakeDaemon, tmp_path: Path) -> None:
    socket = tmp_path / "control.sock"
    daemon.points_now = [BROKEN]
    with ExitStack() as stack:
        with served(socket, daemon):
            terminal = stack.enter_context(at_terminal("watch", "--socket", socket, "--interval", "0.2"))
            terminal.until("Neutral open")
        terminal.until("No connection to the daemon since")
        with served(socket, daemon):
            terminal.until(" live ")
        terminal.keys(CTRL_C)
        assert terminal.end() == 0
    assert "Traceback" not in terminal.shown
    assert "\x1b[?1049l" in terminal.shown  # the screen is as it was before
    assert terminal.shown.rfind("\x1b[?25h") > terminal.shown.rfind("\x1b[?25l")  # the cursor is there again


def test_a_reader_that_goes_ends_it(control: Path) -> None:
    process = started("watch", "--socket", control, "--json", "--interval", "0.2")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    assert ended(process).code == 0
