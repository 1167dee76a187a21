"""A daemon that only pretends, served over real sockets by the real server in a thread of its own."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

from starlette.routing import BaseRoute

from phasewatch.adapters.http.api import application
from phasewatch.adapters.http.server import HttpServer
from phasewatch.adapters.journal.types import DeliveryStatus
from phasewatch.adapters.metrics import Measures, MeterMeasures, PointMeasures
from phasewatch.alerts.statistics import Counts

TOKEN = "0123456789abcdef0123"
LOCALHOST = "127.0.0.1:0"
STATUS: dict[str, Any] = {
    "schema": "phasewatch.status/1",
    "site": "plant",
    "version": "1.2.3",
    "since": "2026-01-01T00:00:00.000Z",
    "at": "2026-01-01T01:00:00.000Z",
    "heartbeat_s": 60.0,
    "clock": "sync",
    "boot_id": None,
    "buses": {
        "board": {"meters": 2, "failing": ["pump"], "polls": 7200, "failures": 36, "overruns": 1, "load_percent": 42.0}
    },
    "outbox": {"depth": 0, "dropped": 0, "dead_letters": 0, "held": [], "rejects_visible": True, "last_error": None},
    "storage": "good",
    "delivery": {"connected": True, "url": "mqtt://broker", "protocol": "5", "delivered": 5},
}
POINT: dict[str, Any] = {
    "schema": "phasewatch.point/1",
    "point": "main",
    "meters": ["incomer"],
    "age_s": 0.4,
    "quality": "good",
    "readings": {"voltage_l1_n": 230.1},
    "picture": {"neutral_shift_v": 1.2, "earth_shift_v": None, "u2_percent": 0.3},
    "verdict": "normal",
    "summary": "All is well.",
}
ALERT: dict[str, Any] = {
    "schema": "phasewatch.alert/1",
    "alert_id": "plant-abc-main-voltage_unbalance-1",
    "subject": "main",
    "rule": "voltage_unbalance",
    "phase": None,
    "state": "active",
    "severity": "medium",
    "acknowledged": False,
    "shelved_until": None,
    "suppressed_by": None,
    "chattering": False,
    "since": "2026-01-01T00:30:00.000Z",
    "summary": "u2 is 3.1 %",
}
CLEARED = {**ALERT, "alert_id": "plant-abc-main-voltage_dip-4", "rule": "voltage_dip", "state": "cleared"}
MEASURES = Measures(
    "1.2.3",
    "plant",
    DeliveryStatus(connected=True, outbox_depth=3),
    clock_synchronised=True,
    meters=(MeterMeasures("board", "incomer", 10, {"timeout": 2}, 1, 0.5, online=True),),
    bus_loads={"board": 0.42},
    points=(PointMeasures("main", {"voltage_l1_n": 230.1}, 1.2, None, 0.003, "normal"),),
    alerts=Counts(active=1, unacknowledged=1, by_state={("medium", "active"): 1}),
)


class FakeDaemon:
    """Shows what it is given, and remembers what it was told to do."""

    def __init__(self) -> None:
        self.status_now, self.points_now, self.alerts_now = STATUS, [POINT], [ALERT, CLEARED]
        self.reply: dict[str, Any] = {"ok": True, "alert_id": ALERT["alert_id"], "error": None}
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.delivers = True
        """Whether the broker acknowledges a test alert."""
        self.fault: Exception | None = None

    def status(self) -> dict[str, Any]:
        if self.fault is not None:
            raise self.fault
        return self.status_now

    def points(self) -> list[dict[str, Any]]:
        return self.points_now

    async def alerts(self) -> list[dict[str, Any]]:
        return self.alerts_now

    def measures(self) -> Measures:
        return replace(MEASURES)

    def operate(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        self.told.append((verb, body))
        if verb == "test":
            self._deliver()
        return {"request": body.get("request"), "verb": verb, **self.reply}

    def _deliver(self) -> None:
        now = self.status_now
        moved = {"delivered": now["delivery"]["delivered"] + 2} if self.delivers else {"connected": False}
        waits = {} if self.delivers else {"depth": 2, "last_error": "connection refused"}
        self.status_now = {**now, "outbox": {**now["outbox"], **waits}, "delivery": {**now["delivery"], **moved}}


class Served:
    """A server in a thread of its own."""

    def __init__(self, server: HttpServer) -> None:
        self._loop, self._stop, self._started = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
        self._server = server
        self._thread = threading.Thread(target=self._run, name="served", daemon=True)
        self._thread.start()
        assert self._started.wait(10)

    @property
    def problems(self) -> tuple[str, ...]:
        return self._server.problems

    @property
    def listening(self) -> tuple[str, ...]:
        return self._server.listening

    @property
    def port(self) -> int:
        assert self._server.port is not None, self.problems
        return self._server.port

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        await self._server.start()
        self._started.set()
        await self._stop.wait()
        await self._server.stop()
        await self._loop.shutdown_default_executor()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the server ends"


@contextmanager
def serving(server: HttpServer) -> Iterator[Served]:
    """Run a server."""
    running = Served(server)
    try:
        yield running
    finally:
        running.stop()


def served(
    path: Path,
    daemon: FakeDaemon | None = None,
    listen: str | None = None,
    token: str | None = None,
    more: Sequence[BaseRoute] = (),
) -> AbstractContextManager[Served]:
    """Serve a daemon at a unix socket, and at a TCP address if one is given."""
    return serving(HttpServer(application(daemon or FakeDaemon(), token, more), path, listen))


class Said(NamedTuple):
    """An answer over HTTP."""

    code: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def connected(place: Path | int) -> socket.socket:
    """Return a connection to a unix socket or to a port of this machine."""
    channel = socket.socket(socket.AF_UNIX if isinstance(place, Path) else socket.AF_INET)
    channel.settimeout(10)
    channel.connect(str(place) if isinstance(place, Path) else ("127.0.0.1", place))
    return channel


def asked(place: Path | int, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Said:
    """Ask once over a connection of its own; in names of headers `_` stands for `-`."""
    connection = HTTPConnection("localhost", timeout=10)
    connection.sock = connected(place)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        answer = {name.lower(): value for name, value in response.getheaders()}
        return Said(response.status, answer, response.read())
    finally:
        connection.close()


def posted(place: Path | int, verb: str, body: bytes | dict[str, Any], **headers: str) -> Said:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return asked(place, f"/api/alerts/{verb}", "POST", raw, **headers)


def until(true: Callable[[], bool], patience_s: float = 10.0) -> None:
    """Wait for what comes sooner or later."""
    end_s = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end_s, "it never comes"
        time.sleep(0.01)
