"""The way to the daemon: which socket, and what is said when nobody answers."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from phasewatch.adapters.http.client import Control, ControlError, socket_of
from tests.served import STATUS, FakeDaemon, served

STATE = Path("/var/lib/phasewatch")


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({"RUNTIME_DIRECTORY": "/run/phasewatch"}, "/run/phasewatch/control.sock"),
        ({"RUNTIME_DIRECTORY": "/run/phasewatch:/run/other"}, "/run/phasewatch/control.sock"),
        ({"RUNTIME_DIRECTORY": ""}, "/var/lib/phasewatch/control.sock"),
        ({}, "/var/lib/phasewatch/control.sock"),
    ],
)
def test_the_socket_lies_in_the_runtime_directory_or_beside_the_journal(environment: dict[str, str], path: str) -> None:
    assert socket_of(environment, STATE) == Path(path)


def test_the_first_daemon_that_answers_is_asked(tmp_path: Path) -> None:
    with served(tmp_path / "b.sock"):
        assert Control([tmp_path / "a.sock", tmp_path / "b.sock"]).get("/api/status") == STATUS


def test_a_refusal_is_an_answer(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    daemon.reply = {"ok": False, "error": "no such alert"}
    with served(tmp_path / "a.sock", daemon):
        answer = Control([tmp_path / "a.sock"]).post("/api/alerts/shelve", {"alert_id": "x"})
    assert (answer.ok, answer.code, answer.content["error"]) == (False, 400, "no such alert")


def test_what_is_not_there_is_an_error_with_its_reason(tmp_path: Path) -> None:
    with served(tmp_path / "a.sock"), pytest.raises(ControlError, match=r"^/nothing: the daemon answers 404: "):
        Control([tmp_path / "a.sock"]).get("/nothing")


def why_not(*places: Path) -> str:
    with pytest.raises(ControlError) as caught:
        Control(places, timeout_s=0.2).get("/api/status")
    return str(caught.value)


def test_every_socket_that_was_tried_is_named_with_the_mend(tmp_path: Path) -> None:
    dead = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as channel:
        channel.bind(str(dead))
    missing, refused, long = why_not(tmp_path / "a.sock", dead, tmp_path / ("n" * 200)).splitlines()
    assert missing.startswith(f"{tmp_path}/a.sock: there is no such socket; ")
    assert refused.startswith(f"{dead}: nobody listens any more; ")
    assert "too long" in long


def test_whoever_may_not_is_told_of_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with served(tmp_path / "a.sock"):
        monkeypatch.setattr(socket, "socket", lambda *_: forbidden())
        with pytest.raises(ControlError, match="usermod -aG phasewatch USER"):
            Control([tmp_path / "a.sock"]).get("/api/status")
        monkeypatch.undo()


@contextmanager
def saying(path: Path, words: bytes) -> Iterator[None]:
    """Listen, and say the same to everybody; nothing at all if there are no words."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            channel, _ = listener.accept()
            with channel:
                channel.recv(1000)
                channel.sendall(words)
                if not words:
                    channel.recv(1000)

        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join(5)


@pytest.mark.parametrize(
    "words",
    [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", b"HTTP/1.1 200 OK\r\n\r\n<html>"],
    ids=["nothing", "not HTTP", "cut short", "not JSON"],
)
def test_what_makes_no_sense_is_told_in_one_line(words: bytes, tmp_path: Path) -> None:
    with saying(tmp_path / "a.sock", words):
        text = why_not(tmp_path / "a.sock")
    assert text.startswith(f"{tmp_path}/a.sock: no usable answer (")
    assert len(text.splitlines()) == 1
