"""Clients that hang, crowd, or speak something else."""

import logging
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from phasewatch.adapters.http import connection
from phasewatch.adapters.http.connection import MOST_CONNECTIONS
from tests.served import LOCALHOST, FakeDaemon, asked, connected, posted, served, until


def test_a_crowd_at_one_place_does_not_keep_people_from_the_other(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with served(path, listen=LOCALHOST) as server, ExitStack() as crowd:
        for _ in range(MOST_CONNECTIONS):
            crowd.enter_context(connected(server.port))
        with connected(server.port) as late:
            assert late.recv(100).startswith(b"HTTP/1.1 503 ")
        assert asked(path, "/api/health").code == 200
        crowd.close()
        until(lambda: asked_or_busy(server.port) == 200)


def asked_or_busy(port: int) -> int:
    try:
        return asked(port, "/api/health").code
    except OSError:
        return 503


@pytest.mark.parametrize(
    "begin",
    [b"", b"GET /api/he", b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /api/he"],
    ids=["nothing", "half a head", "half a second head"],
)
def test_a_client_that_sends_no_whole_request_is_cut_off(
    begin: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE_S", 0.05)
    with served(tmp_path / "control.sock"), connected(tmp_path / "control.sock") as slow:
        slow.sendall(begin)
        while True:  # the test's own time-out ends it if it is not cut off
            try:
                if not slow.recv(10_000):
                    break
            except ConnectionResetError:
                break
        assert asked(tmp_path / "control.sock", "/api/health").code == 200


def test_a_client_that_takes_no_answer_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PATIENCE_S", 0.05)
    daemon = FakeDaemon()
    daemon.points_now = [{"point": "main", "summary": "x" * 5_000_000}]
    with served(tmp_path / "control.sock", daemon), connected(tmp_path / "control.sock") as slow:
        slow.sendall(b"GET /api/points HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.2)
        received = 0
        try:
            while part := slow.recv(1_000_000):
                received += len(part)
        except ConnectionResetError:
            pass
        assert received < 5_000_000


def test_a_body_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phasewatch.adapters.http.api.BODY_S", 0.05)
    with served(tmp_path / "control.sock"), connected(tmp_path / "control.sock") as slow:
        slow.sendall(b"POST /api/alerts/test HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
        assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "noise",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000,
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /api/alerts/test HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/alerts/test HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n\x00\x00\x00\r\n\r\n",
        b"GET /%00%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n\r\n",
    ],
    ids=["TLS", "endless head", "two hosts", "negative length", "bad chunk", "noise behind", "odd path", "websocket"],
)
def test_noise_does_not_stop_the_server(noise: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with served(tmp_path / "control.sock"):
        with connected(tmp_path / "control.sock") as odd:
            try:
                odd.sendall(noise)
                heard = odd.recv(1000)
                assert not heard or heard.startswith(b"HTTP/1.1 4")
            except ConnectionError:
                pass  # cut off before it had said it all
        assert posted(tmp_path / "control.sock", "test", b"").code == 200
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_many_requests_go_over_one_connection(tmp_path: Path) -> None:
    with served(tmp_path / "control.sock"), connected(tmp_path / "control.sock") as channel:
        channel.sendall(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5)
        heard = b""
        while heard.count(b"ok\n") < 5:
            heard += channel.recv(10_000)
