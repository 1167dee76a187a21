"""Listening: modes, what others left behind, addresses that are taken, and clients that hang."""

import asyncio
import os
import signal
import socket
import stat
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from phasewatch.adapters.http import server as http_server
from phasewatch.adapters.http.api import application
from phasewatch.adapters.http.server import HttpServer, server_of
from tests.served import LOCALHOST, TOKEN, FakeDaemon, asked, connected, posted, served, serving, until
from tests.service.site import bus, meter, site


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def left_behind(path: Path) -> None:
    """Leave a socket as a killed daemon does."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


@pytest.mark.parametrize("mask", [0o077, 0o022, 0o000])
def test_the_group_may_use_the_socket_whatever_the_umask(mask: int, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with umask(mask), served(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_the_socket_is_gone_after_the_stop(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with served(path) as server:
        assert server.listening == (str(path),)
    assert not path.exists()


def test_the_socket_of_a_killed_daemon_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    left_behind(path)
    with served(path) as server:
        assert server.problems == ()
        assert asked(path, "/api/health").code == 200


def test_the_socket_of_a_living_daemon_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with served(path):
        with served(path) as second:
            (problem,) = second.problems
            assert problem.startswith(f"control socket: {path}: another daemon listens there; ")
        assert asked(path, "/api/health").code == 200


def test_what_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("mine")
    with served(path) as server:
        (problem,) = server.problems
    assert "is no socket; remove it" in problem
    assert path.read_text() == "mine"


def test_another_socket_under_the_same_name_is_not_removed_at_the_stop(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with served(path):
        path.unlink()
        left_behind(path)
    assert path.exists()


@pytest.mark.parametrize(
    ("parent", "mend"),
    [("nowhere", "a directory that this user may write to"), ("n" * 120, "shorten state_dir")],
    ids=["no directory", "too long"],
)
def test_a_socket_that_cannot_be_made_names_the_mend(parent: str, mend: str, tmp_path: Path) -> None:
    with served(tmp_path / parent / "control.sock") as server:
        (problem,) = server.problems
    assert mend in problem
    assert "\n" not in problem


def test_an_address_in_use_does_not_stop_the_other_place(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with served(tmp_path / "control.sock", listen=address) as server:
            (problem,) = server.problems
            assert problem.startswith(f"web.listen: {address}: ")
            assert problem.endswith("another program listens there: choose another port")
            assert asked(tmp_path / "control.sock", "/api/health").code == 200


def test_an_address_of_another_machine_names_the_mend(tmp_path: Path) -> None:
    with served(tmp_path / "control.sock", listen="192.0.2.1:8600") as server:
        (problem,) = server.problems
    assert "0.0.0.0 for all" in problem


def test_what_could_not_be_listened_at_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "RETRY_S", 0.02)
    taken = socket.create_server(("127.0.0.1", 0))
    with served(tmp_path / "control.sock", listen=f"127.0.0.1:{taken.getsockname()[1]}") as server:
        assert server.problems
        taken.close()
        until(lambda: not server.problems)
        assert asked(server.port, "/api/health").code == 200


# As the site file asks for


def asked_for(directory: Path, **web: object) -> HttpServer:
    loaded = site(bus(meter("incomer")), state_dir=str(directory), web=web or None)
    return server_of(FakeDaemon(), loaded.site, {})


def test_without_web_there_is_the_unix_socket_alone(tmp_path: Path) -> None:
    with serving(asked_for(tmp_path)) as server:
        assert (server.listening, server.problems) == ((str(tmp_path / "control.sock"),), ())


def test_with_a_token_file_commands_come_over_tcp(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    with serving(asked_for(tmp_path, listen=LOCALHOST, token_file=str(tmp_path / "token"))) as server:
        assert posted(server.port, "test", b"", Authorization=f"Bearer {TOKEN}").code == 200


def test_a_token_file_that_is_none_stops_commands_over_tcp_and_nothing_else(tmp_path: Path) -> None:
    with serving(asked_for(tmp_path, listen=LOCALHOST, token_file=str(tmp_path / "token"))) as server:
        (problem,) = server.problems
        assert problem.startswith(f"web.token_file: {tmp_path}/token: ")
        assert posted(server.port, "test", b"").code == 403
        assert asked(server.port, "/api/health").code == 200


# The end, and signals


def test_a_stream_without_an_end_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    async def stream(_request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            while True:
                yield b"data: x\n\n"
                await asyncio.sleep(60)

        return StreamingResponse(parts(), media_type="text/event-stream")

    path = tmp_path / "control.sock"
    with served(path, more=[Route("/api/stream", stream)]), connected(path) as channel:
        channel.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while b"data: x" not in channel.recv(1000):
            pass
        begin_s = time.monotonic()
    assert time.monotonic() - begin_s < 5.0, "it ends, and not by the patience of the test"


def test_the_signals_of_the_process_are_left_alone(tmp_path: Path) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)

    async def serve() -> None:
        before = [signal.getsignal(number) for number in numbers]
        server = HttpServer(application(FakeDaemon()), tmp_path / "control.sock")
        await server.start()
        assert [signal.getsignal(number) for number in numbers] == before
        await server.stop()

    asyncio.run(serve())


def test_a_server_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    async def serve() -> None:
        server, stop = HttpServer(application(FakeDaemon()), tmp_path / "control.sock"), asyncio.Event()
        asyncio.get_running_loop().call_soon(stop.set)
        await server.run(stop)

    asyncio.run(serve())
    assert not (tmp_path / "control.sock").exists()
