"""`status` and `alerts`, against a daemon that only pretends behind a real socket."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from phasewatch.cli import alerts
from phasewatch.cli.daemon_client import end_of, login, sockets, target
from phasewatch.configuration.errors import InputError
from tests.cli.program import SITE, Ended, ended, phasewatch, put_site, started
from tests.served import ALERT, CLEARED, POINT, STATUS, FakeDaemon, served

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAME = "main/voltage_unbalance"


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


@pytest.fixture
def control(daemon: FakeDaemon, tmp_path: Path) -> Iterator[Path]:
    with served(tmp_path / "control.sock", daemon):
        yield tmp_path / "control.sock"


def test_status_tells_people_how_the_daemon_fares(control: Path) -> None:
    answer = phasewatch("status", "--socket", control)
    assert (answer.code, answer.err) == (0, "")
    for words in (
        "phasewatch 1.2.3, site plant, up 1:00:00",
        "clock: synchronised; journal: good",
        "delivery: connected to mqtt://broker, 0 waiting",
        "board",
        "42.0",
        "pump",
        "normal",
        NAME,
        "u2 is 3.1 %",
    ):
        assert words in answer.out


def test_status_answers_machines(control: Path) -> None:
    answer = phasewatch("status", "--socket", control, "--json")
    assert answer.json() == {"status": STATUS, "points": [POINT], "alerts": [ALERT]}


def test_status_names_what_is_wrong_and_has_done_its_work(control: Path, daemon: FakeDaemon) -> None:
    outbox = {**STATUS["outbox"], "depth": 7, "dropped": 3, "last_error": "connection refused"}
    more = {"clock": "unsync", "storage": "disk full", "unserved": "web.listen: taken", "delivery": {}}
    daemon.status_now = {**STATUS, "outbox": outbox, **more}
    daemon.alerts_now, daemon.points_now = [], [{"point": "[red]main", "verdict": None}]
    answer = phasewatch("status", "--socket", control)
    assert answer.code == 0
    for words in (
        "clock: NOT synchronised; journal: disk full",
        "delivery: NOT connected, 7 waiting, 3 dropped, last error: connection refused",
        "trouble: web.listen: taken",
        "[red]main",
        "no alert stands",
    ):
        assert words in answer.out


@pytest.mark.parametrize("words", ["status", "alerts list", "alerts test", f"alerts unshelve {NAME}"])
def test_a_daemon_that_is_not_there_is_wrong_input_in_one_line(words: str, tmp_path: Path) -> None:
    answer = phasewatch(*words.split(), "--socket", tmp_path / "none.sock")
    assert (answer.code, answer.out, len(answer.lines)) == (2, "", 1)
    assert answer.err.startswith(f"{tmp_path}/none.sock: there is no such socket; is the daemon running")


def test_a_daemon_started_by_hand_is_found_by_its_site_file(daemon: FakeDaemon, tmp_path: Path) -> None:
    site = put_site(tmp_path, SITE.format(url="tcp://127.0.0.1:1", meter="") + f"state_dir: {tmp_path}\n")
    assert sockets(None, site) == (tmp_path / "control.sock", Path("/run/phasewatch/control.sock"))
    assert sockets(None, None) == (Path("/run/phasewatch/control.sock"),)
    with served(tmp_path / "control.sock", daemon):
        answer = ended(started("status", "--config", site, "--json"))
    assert (answer.code, answer.json()["status"]) == (0, STATUS)


# alerts


def test_alerts_that_stand_are_listed_the_worst_first(control: Path, daemon: FakeDaemon) -> None:
    of_point = {**ALERT, "rule": "phase_loss", "phase": "L2", "alert_id": "plant-abc-main-phase_loss-3"}
    of_phase = {
        **ALERT,
        "rule": "voltage_deviation",
        "phase": "L2",
        "alert_id": "plant-abc-main-voltage_deviation-l2-1",
    }
    worst = {**of_point, "severity": "critical"}
    worse = {**of_phase, "severity": "high", "shelved_until": "2026-03-01T12:00:00Z"}
    daemon.alerts_now = [CLEARED, ALERT, worse, worst]
    found = phasewatch("alerts", "list", "--socket", control, "--json").json()
    assert [alert["rule"] for alert in found] == ["phase_loss", "voltage_deviation", "voltage_unbalance"]
    assert phasewatch("alerts", "list", "--socket", control).out.splitlines() == [
        "critical  main/phase_loss  active since 2026-01-01 00:30:00 UTC",
        "          u2 is 3.1 %",
        "high      main/voltage_deviation/l2  active since 2026-01-01 00:30:00 UTC",
        "          u2 is 3.1 %",
        "          shelved until 2026-03-01T12:00:00Z",
        "medium    main/voltage_unbalance  active since 2026-01-01 00:30:00 UTC",
        "          u2 is 3.1 %",
    ]


def test_alerts_that_are_cleared_are_listed_on_demand(control: Path) -> None:
    answer = phasewatch("alerts", "list", "--all", "--socket", control, "--json")
    assert [alert["state"] for alert in answer.json()] == ["active", "cleared"]


def test_a_cleared_alert_says_when_it_was_cleared(control: Path, daemon: FakeDaemon) -> None:
    daemon.alerts_now = [{**CLEARED, "at": "2026-01-01T00:45:10.500Z"}]
    answer = phasewatch("alerts", "list", "--all", "--socket", control)
    assert answer.out.splitlines()[0] == "medium    main/voltage_dip  cleared at 2026-01-01 00:45:10 UTC"


def test_without_an_alert_that_is_said(control: Path, daemon: FakeDaemon) -> None:
    daemon.alerts_now = [CLEARED]
    assert phasewatch("alerts", "list", "--socket", control).out == "no alert stands\n"
    assert phasewatch("alerts", "list", "--socket", control, "--json").json() == []


def test_an_alert_is_acknowledged_by_whoever_sits_there(control: Path, daemon: FakeDaemon) -> None:
    answer = phasewatch("alerts", "acknowledge", f"{NAME}/l2", "--socket", control)
    assert (answer.code, answer.out) == (0, f"{NAME}/l2: acknowledged\n")
    ((verb, body),) = daemon.told
    assert (verb, body) == (
        "acknowledge",
        {"subject": "main", "rule": "voltage_unbalance", "phase": "l2", "by": login()},
    )


def test_an_alert_is_shelved_for_a_time_with_a_reason(control: Path, daemon: FakeDaemon) -> None:
    before = datetime.now(UTC)
    words = ("alerts", "shelve", ALERT["alert_id"], "--for", "2h", "--reason", "works", "--by", "ada")
    answer = phasewatch(*words, "--socket", control)
    ((verb, body),) = daemon.told
    until = datetime.fromisoformat(body.pop("until"))
    assert (verb, body) == ("shelve", {"alert_id": ALERT["alert_id"], "by": "ada", "reason": "works"})
    assert timedelta(hours=2) <= until - before + timedelta(milliseconds=1) < timedelta(hours=2, minutes=1)
    assert answer.out.startswith(f"{ALERT['alert_id']}: shelved until 2")


def test_what_the_daemon_notes_is_told(control: Path, daemon: FakeDaemon) -> None:
    daemon.reply = {**daemon.reply, "note": "it was not shelved"}
    answer = phasewatch("alerts", "unshelve", NAME, "--socket", control)
    assert answer.out == f"{NAME}: no longer shelved (it was not shelved)\n"


def test_a_reply_is_shown_to_machines_as_it_came(control: Path) -> None:
    answer = phasewatch("alerts", "unshelve", NAME, "--socket", control, "--json")
    assert answer.json()["alert_id"] == ALERT["alert_id"]


def test_a_command_that_the_daemon_refuses_is_wrong_input(control: Path, daemon: FakeDaemon) -> None:
    daemon.reply = {"ok": False, "error": "no alert stands under main/x; see the list"}
    answer = phasewatch("alerts", "unshelve", "main/x", "--socket", control)
    assert (answer.code, answer.out, answer.lines) == (2, "", ["unshelve: no alert stands under main/x; see the list"])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["a/b/c/d"], "a/b/c/d: must be SUBJECT/RULE or SUBJECT/RULE/PHASE as `phasewatch alerts list` shows it"),
        (["main"], "main: must be SUBJECT/RULE or SUBJECT/RULE/PHASE"),
        (["main-hall-2"], "main-hall-2: must be SUBJECT/RULE or SUBJECT/RULE/PHASE"),
        (["a//c"], "a//c: must be"),
        ([""], ": must be"),
        (["a/b", "--for", "2"], "--for 2: must be a number with s, m, h or d"),
        (["a/b", "--for", "2h", "--until", "2026-01-01"], "--until and --for are both given"),
        (["a/b", "--until", "tomorrow"], "--until tomorrow: must be a time as"),
    ],
)
def test_wrong_words_are_told_before_anything_is_sent(words: list[str], line: str) -> None:
    answer = phasewatch("alerts", "acknowledge", *words)
    assert (answer.code, answer.out, len(answer.lines)) == (2, "", 1)
    assert answer.err.startswith(line)


def test_shelving_needs_an_end_and_a_reason() -> None:
    assert phasewatch("alerts", "shelve", "a/b", "--reason", "x").lines[0].startswith("shelve: needs an end")
    answer = phasewatch("alerts", "shelve", "a/b", "--for", "2h")
    assert answer.code == 2
    assert "--reason" in answer.err


@pytest.mark.parametrize(
    ("until", "lasting", "end"),
    [
        (None, None, None),
        (None, "90m", "2026-03-01T13:30:00.000Z"),
        (None, "1.5h", "2026-03-01T13:30:00.000Z"),
        (None, "7d", "2026-03-08T12:00:00.000Z"),
        ("2026-03-01T18:00:00+01:00", None, "2026-03-01T17:00:00.000Z"),
        ("2026-03-01T17:00:00Z", None, "2026-03-01T17:00:00.000Z"),
    ],
)
def test_an_end_is_a_time_or_a_duration(until: str | None, lasting: str | None, end: str | None) -> None:
    assert end_of(until, lasting, NOW) == end


def test_an_end_before_the_calendar_is_refused() -> None:
    with pytest.raises(InputError, match=r"^--until 0001"):
        end_of("0001-01-01T00:00:00+14:00", None, NOW)


def test_a_target_is_a_path_or_an_id() -> None:
    assert target("plant-abc-main-x-1") == {"alert_id": "plant-abc-main-x-1"}
    assert target("_bus-board/bus_overloaded") == {"subject": "_bus-board", "rule": "bus_overloaded"}


# The test alert


def proved(control: Path, *words: str) -> Ended:
    return phasewatch("alerts", "test", "--socket", control, *words)


def test_a_test_alert_that_the_broker_acknowledged_is_delivered(control: Path, daemon: FakeDaemon) -> None:
    answer = proved(control, "--reason", "after the move")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("the broker mqtt://broker has acknowledged the test alert after ")
    ((verb, body),) = daemon.told
    assert (verb, body) == ("test", {"by": login(), "reason": "after the move"})


def test_a_test_alert_that_nobody_acknowledges_is_a_problem(
    control: Path, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "PATIENCE_S", 0.05)
    monkeypatch.setattr(alerts, "PAUSE_S", 0.01)
    daemon.delivers = False
    answer = proved(control)
    assert (answer.code, answer.out, len(answer.lines)) == (1, "", 1)
    assert "waits in the outbox: no broker is connected (connection refused)" in answer.err
    machine = proved(control, "--json")
    said: dict[str, Any] = json.loads(machine.out)
    assert (machine.code, said["ok"], said["delivered"]) == (1, True, False)
