"""What open pages are told."""

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from phasewatch.adapters.http import stream as module
from phasewatch.adapters.http.stream import COMMENT, Broadcast, Listener
from tests.page_daemon import CRITICAL, HEALTHY, LEAKING, FakePage, page_served
from tests.served import asked, connected, until


class Sources:
    """Counts what it is asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.names = ["main", "other"]

    def status(self) -> dict[str, Any]:
        return {"site": "plant"}

    def briefs(self) -> list[dict[str, Any]]:
        return [{"point": name, "verdict": "normal"} for name in self.names]

    def point_state(self, point: str) -> dict[str, Any] | None:
        self.asked += 1
        return {"point": point, "number": self.asked}


def played(play: Callable[[Broadcast, Sources], Coroutine[Any, Any, None]], **keys: int) -> None:
    async def run() -> None:
        broadcast, sources = Broadcast(**keys), Sources()
        broadcast.show(sources)
        await play(broadcast, sources)
        broadcast.close()

    asyncio.run(run())


def kind_and_content(told: bytes | None) -> tuple[str, Any]:
    assert told is not None
    event, data = told.decode().strip().split("\n")
    return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_nothing_is_made_when_nobody_looks() -> None:
    async def play(broadcast: Broadcast, sources: Sources) -> None:
        broadcast.changed("main")
        broadcast.tell("alert", {})
        with broadcast.listener(["other"]):
            broadcast.changed("main")
        assert sources.asked == 0

    played(play)


def test_every_listener_gets_the_same_bytes() -> None:
    async def play(broadcast: Broadcast, _sources: Sources) -> None:
        with broadcast.listener([]) as one, broadcast.listener([]) as other:
            broadcast.tell("alert", {"rev": 1})
            first, second = await one.get(), await other.get()
        assert first is second
        assert kind_and_content(first) == ("alert", {"rev": 1})

    played(play)


def test_a_point_that_changes_often_is_told_once_at_once_and_once_when_the_pause_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "POINT_S", 0.05)

    async def play(broadcast: Broadcast, sources: Sources) -> None:
        with broadcast.listener(["main"]) as one:
            for _ in range(50):
                broadcast.changed("main")
            assert kind_and_content(await one.get()) == ("point", {"point": "main", "number": 1})
            assert kind_and_content(await one.get()) == ("point", {"point": "main", "number": 2})
        assert sources.asked == 2

    played(play)


def test_a_listener_that_does_not_keep_up_is_dropped_and_the_others_are_not() -> None:
    async def play(broadcast: Broadcast, _sources: Sources) -> None:
        with broadcast.listener([]) as slow, broadcast.listener([]) as other:
            for number in range(5):
                broadcast.tell("alert", {"rev": number})
                assert kind_and_content(await other.get()) == ("alert", {"rev": number})
            assert await slow.get() is None

    played(play, depth=4)


def test_there_is_room_for_so_many_pages_only() -> None:
    async def play(broadcast: Broadcast, _sources: Sources) -> None:
        with broadcast.listener([]):
            assert not broadcast.full
            with broadcast.listener([]):
                assert broadcast.full
        assert not broadcast.full

    played(play, most=2)


def test_the_heartbeat_and_the_lines_that_have_changed_come_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)

    async def play(broadcast: Broadcast, sources: Sources) -> None:
        with broadcast.listener([]) as one:
            told = [kind_and_content(await one.get()) for _ in range(4)]
        assert [kind for kind, _ in told] == ["status", "points", "status", "status"]
        assert told[1][1] == sources.briefs()

    played(play)


def test_other_points_let_every_page_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)

    async def play(broadcast: Broadcast, sources: Sources) -> None:
        with broadcast.listener([]) as one:
            await one.get()
            sources.names = ["main"]
            while await one.get() is not None:
                pass

    played(play)


def test_silence_is_broken_by_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUIET_S", 0.01)
    assert asyncio.run(Listener([], 4).get()) == COMMENT


# Over the wire


class Stream:
    """An open page, read event by event."""

    def __init__(self, channel: socket.socket) -> None:
        self._file = channel.makefile("rb")

    def close(self) -> None:
        self._file.close()

    def next(self, wanted: str) -> Any:
        """Return the content of the next event of a kind."""
        kind = ""
        while line := self._file.readline():
            if line.startswith(b"event: "):
                kind = line[7:].strip().decode()
            elif line.startswith(b"data: ") and kind == wanted:
                return json.loads(line[6:])
        raise EOFError


@contextmanager
def streaming(path: Path, follow: str = "") -> Iterator[Stream]:
    with connected(path) as channel:
        channel.sendall(f"GET /api/stream?follow={follow} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        page = Stream(channel)
        try:
            yield page
        finally:
            page.close()


def test_a_page_gets_the_whole_state_and_then_what_changes(tmp_path: Path) -> None:
    daemon = FakePage("main", "other")
    with page_served(tmp_path / "s", daemon), streaming(tmp_path / "s", "main") as page:
        whole = page.next("hello")
        assert [state["point"] for state in whole["states"]] == ["main"]
        assert [brief["point"] for brief in whole["points"]] == ["main", "other"]
        assert [alert["rule"] for alert in whole["alerts"]] == ["voltage_unbalance"]
        daemon.show("other", LEAKING)
        daemon.show("main", LEAKING)
        assert page.next("point")["verdict"] == "earth_displaced"
        daemon.alert(CRITICAL)
        assert page.next("alert")["rule"] == "earth_displacement"


def test_a_page_that_is_closed_is_forgotten(tmp_path: Path) -> None:
    daemon = FakePage()
    with page_served(tmp_path / "s", daemon):
        with streaming(tmp_path / "s") as page:
            page.next("hello")
            assert len(daemon.broadcast._listeners) == 1
        until(lambda: not daemon.broadcast._listeners)


def test_the_end_of_the_daemon_ends_the_stream_quietly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with ExitStack() as pages:
        with page_served(tmp_path / "s", FakePage()):
            page = pages.enter_context(streaming(tmp_path / "s"))
            page.next("hello")
        with pytest.raises((EOFError, ConnectionError)):
            page.next("never")
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR", "CRITICAL")]


def test_one_page_too_many_is_told_so(tmp_path: Path) -> None:
    daemon = FakePage()
    daemon.broadcast = Broadcast(most=1)
    with page_served(tmp_path / "s", daemon), streaming(tmp_path / "s") as page:
        page.next("hello")
        refused = asked(tmp_path / "s", "/api/stream")
        assert refused.code == 503
        assert "close some" in refused.json["error"]


def test_a_client_that_takes_nothing_is_dropped_and_the_daemon_goes_on(tmp_path: Path) -> None:
    daemon = FakePage()
    with page_served(tmp_path / "s", daemon), connected(tmp_path / "s") as slow:
        slow.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: daemon.loop is not None and bool(daemon.broadcast._listeners))
        listener = daemon.broadcast._listeners[0]
        for _ in range(40):
            for _ in range(100):
                daemon.alert({**CRITICAL, "summary": "x" * 1000})
            asked(tmp_path / "s", "/api/health")
        until(lambda: listener._ended)
        daemon.show("main", HEALTHY)
        assert asked(tmp_path / "s", "/api/status").code == 200
