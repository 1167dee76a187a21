"""The HTTP API over real sockets, with a daemon that only pretends."""

import getpass
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phasewatch.adapters.http.api import MOST_BYTES, SHORTEST_TOKEN, TokenError, read_token
from tests.served import (
    ALERT,
    CLEARED,
    LOCALHOST,
    POINT,
    STATUS,
    TOKEN,
    FakeDaemon,
    Said,
    asked,
    posted,
    served,
)

SHELVE = {"subject": "main", "rule": "voltage_dip", "until": "2026-01-01T00:00:00Z"}


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


@pytest.fixture
def control(daemon: FakeDaemon, tmp_path: Path) -> Iterator[Path]:
    with served(tmp_path / "control.sock", daemon):
        yield tmp_path / "control.sock"


@pytest.fixture
def port(daemon: FakeDaemon, tmp_path: Path) -> Iterator[int]:
    with served(tmp_path / "control.sock", daemon, LOCALHOST, TOKEN) as server:
        yield server.port


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/api/status", STATUS), ("/api/points", {"points": [POINT]}), ("/api/alerts", {"alerts": [ALERT, CLEARED]})],
)
def test_what_the_daemon_knows_is_shown_at_both_places(path: str, shown: Any, control: Path, port: int) -> None:
    for place in (control, port):
        answer = asked(place, path)
        assert (answer.code, answer.json) == (200, shown)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"


def test_health_and_metrics_are_text(control: Path) -> None:
    assert asked(control, "/api/health").body == b"ok\n"
    metrics = asked(control, "/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=")
    assert b'phasewatch_polls_total{bus="board",meter="incomer"} 10.0' in metrics.body


def test_a_command_reaches_the_daemon_with_the_name_of_who_gave_it(control: Path, daemon: FakeDaemon) -> None:
    answer = posted(control, "shelve", SHELVE)
    assert (answer.code, answer.json["ok"]) == (200, True)
    assert posted(control, "shelve", {**SHELVE, "by": "ada"}).code == 200
    assert daemon.told == [("shelve", {**SHELVE, "by": getpass.getuser()}), ("shelve", {**SHELVE, "by": "ada"})]


def test_a_command_that_is_refused_is_a_bad_request_with_the_reply(control: Path, daemon: FakeDaemon) -> None:
    daemon.reply = {"ok": False, "alert_id": None, "error": "no such alert"}
    answer = posted(control, "unshelve", {"alert_id": "x"})
    assert (answer.code, answer.json["error"]) == (400, "no such alert")


def test_what_a_command_changed_is_seen_at_once(control: Path, daemon: FakeDaemon) -> None:
    assert len(asked(control, "/api/alerts").json["alerts"]) == 2
    daemon.alerts_now = []
    posted(control, "resync", b"")
    assert asked(control, "/api/alerts").json["alerts"] == []


def test_whoever_asks_without_pause_gets_the_same_answer_for_a_moment(control: Path, daemon: FakeDaemon) -> None:
    asked(control, "/api/points")
    daemon.points_now = []
    answers = [asked(control, "/api/points").json["points"] for _ in range(3)]
    assert answers[0] == [POINT]


HOSTILE: dict[str, tuple[bytes, int, str]] = {
    "no JSON": (b"{", 400, "body: Expecting"),
    "a list": (b"[]", 400, "body: must be a JSON object"),
    "a number": (b"1", 400, "body: must be a JSON object"),
    "NaN": (b'{"until": NaN}', 400, "body: NaN is no number"),
    "Infinity": (b'{"until": -Infinity}', 400, "body: -Infinity is no number"),
    "a float too large": (b'{"until": 1e999}', 400, "body: 1e999 is too large"),
    "a whole number too large": (b'{"until": ' + b"9" * 5000 + b"}", 400, "body: Exceeds the limit"),
    "deep": (b'{"a":' + b"[" * 30000 + b"]" * 30000 + b"}", 400, "body: "),
    "half a surrogate pair": (b'{"by": "\\ud800"}', 400, "body: 'utf-8' codec can't encode"),
    "no UTF-8": (b'{"by": "\xff"}', 400, "body: 'utf-8' codec can't decode"),
    "too large": (b" " * (MOST_BYTES + 1), 413, "body: more than 65536 bytes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_refused_in_one_line(name: str, control: Path, daemon: FakeDaemon) -> None:
    body, code, begin = HOSTILE[name]
    answer = posted(control, "shelve", body)
    assert (answer.code, set(answer.json)) == (code, {"error"})
    assert answer.json["error"].startswith(begin)
    assert len(answer.json["error"].splitlines()) == 1
    assert daemon.told == []
    assert asked(control, "/api/health").code == 200


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/", 404),
        ("GET", "/api/status/", 404),
        ("GET", "/api/../etc/passwd", 404),
        ("POST", "/api/alerts/delete", 404),
        ("POST", "/api/status", 405),
        ("GET", "/api/alerts/shelve", 405),
        ("OPTIONS", "/api/alerts/shelve", 405),
    ],
)
def test_what_is_not_there_is_told_in_json(method: str, path: str, code: int, control: Path) -> None:
    answer = asked(control, path, method)
    assert (answer.code, set(answer.json)) == (code, {"error"})
    assert ("allow" in answer.headers) == (code == 405)


def test_a_daemon_that_fails_to_answer_says_so_and_goes_on(control: Path, daemon: FakeDaemon) -> None:
    daemon.fault = KeyError("points")
    answer = asked(control, "/api/status")
    assert (answer.code, set(answer.json)) == (500, {"error"})
    assert "points" not in answer.json["error"]
    daemon.fault = None
    assert asked(control, "/api/status").code == 200


@pytest.mark.parametrize("path", ["/api/status", "/nowhere", "/api/alerts/shelve"])
def test_every_answer_tells_browsers_to_be_careful(path: str, port: int) -> None:
    headers = asked(port, path).headers
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert headers["x-frame-options"] == "DENY"
    assert not [name for name in headers if name.startswith("access-control")]
    assert "server" not in headers


# Over TCP


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ({}, 401),
        ({"Authorization": TOKEN}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": f"Bearer {TOKEN[:-1]}"}, 401),
        ({"Authorization": "Bearer \xe9"}, 401),
        ({"Authorization": f"bearer {TOKEN}"}, 200),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
    ],
)
def test_over_tcp_a_command_needs_the_token(
    authorization: dict[str, str], code: int, port: int, daemon: FakeDaemon
) -> None:
    answer = posted(port, "shelve", SHELVE, **authorization)
    assert answer.code == code
    assert ("www-authenticate" in answer.headers) == (code == 401)
    assert [body["by"] for _, body in daemon.told] == (["http 127.0.0.1"] if code == 200 else [])


def test_without_a_token_there_are_no_commands_over_tcp(daemon: FakeDaemon, tmp_path: Path) -> None:
    with served(tmp_path / "control.sock", daemon, LOCALHOST) as server:
        answer = posted(server.port, "shelve", SHELVE, Authorization="Bearer None")
    assert answer.code == 403
    assert "set web.token_file" in answer.json["error"]
    assert daemon.told == []


def test_the_unix_socket_needs_no_token(daemon: FakeDaemon, tmp_path: Path) -> None:
    with served(tmp_path / "control.sock", daemon, LOCALHOST, TOKEN):
        assert posted(tmp_path / "control.sock", "test", b"").code == 200


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("localhost", 200),
        ("LOCALHOST:8600", 200),
        ("127.0.0.1:8600", 200),
        ("[::1]:8600", 200),
        ("evil.example", 421),
        ("evil.example:8600", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
def test_a_name_that_was_bound_to_this_machine_reads_nothing(host: str, code: int, port: int, control: Path) -> None:
    assert asked(port, "/api/points", Host=host).code == code
    assert asked(control, "/api/points", Host=host).code == 200  # no browser gets there


def test_a_page_at_an_address_for_all_may_have_any_name(tmp_path: Path) -> None:
    with served(tmp_path / "control.sock", listen="0.0.0.0:0") as server:
        assert asked(server.port, "/api/points", Host="edge.example").code == 200


# The token


def test_the_token_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o640)
    assert read_token(file) == TOKEN


@pytest.mark.parametrize(
    ("content", "mode", "mend"),
    [
        (None, 0, "No such file"),
        (b"", 0o600, "openssl rand"),
        (b"x" * (SHORTEST_TOKEN - 1), 0o600, "16 or more characters"),
        (b"two words of a token", 0o600, "without blanks"),
        (b"\xff" * 20, 0o600, "is no text; write a token into it"),
        (TOKEN.encode(), 0o644, "chmod o="),
    ],
)
def test_a_token_that_is_none_names_the_file_and_the_mend(
    content: bytes | None, mode: int, mend: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    with pytest.raises(TokenError) as caught:
        read_token(file)
    assert str(caught.value).startswith(f"web.token_file: {file}: ")
    assert mend in str(caught.value)


def test_answers_are_json_whatever_the_daemon_holds(control: Path, daemon: FakeDaemon) -> None:
    daemon.points_now = [{"point": "main", "readings": {"voltage_l1_n": float("nan")}, "summary": "\ud800"}]

    def no_constant(name: str) -> None:
        raise AssertionError(name)

    answer: Said = asked(control, "/api/points")
    (point,) = json.loads(answer.body, parse_constant=no_constant)["points"]
    assert point["readings"] == {"voltage_l1_n": None}
