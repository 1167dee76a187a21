"""The notifier against real datagram sockets."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from phasewatch.adapters.systemd import LONGEST_STATUS, Notifier


class Systemd:
    """The receiving end of sd_notify."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(65536).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        self._socket.close()


def notifier(address: str | None) -> Notifier:
    return Notifier({} if address is None else {"NOTIFY_SOCKET": address})


def fill(address: str) -> None:
    """Send until the receiver's queue takes no more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler, contextlib.suppress(BlockingIOError):
        filler.setblocking(False)
        while True:
            filler.sendto(b"x", address)


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@phasewatch-test-{os.getpid()}"
    receiver = Systemd(address)
    yield receiver
    receiver.close()


def test_each_call_is_one_datagram_in_order(systemd: Systemd) -> None:
    told = notifier(systemd.address)
    sent = [told.ready(), told.status("3 meters, 1 alert"), told.watchdog(), told.stopping()]
    assert sent == [True] * 4
    assert systemd.heard() == ["READY=1", "STATUS=3 meters, 1 alert", "WATCHDOG=1", "STOPPING=1"]


def test_a_status_is_one_short_line_whatever_the_text(systemd: Systemd) -> None:
    told = notifier(systemd.address)
    assert told.status("broker says: no\nREADY=1\r\nMAINPID=1")
    assert told.status("缺" * 5000)
    assert told.status("half a pair \ud800")
    assert systemd.heard() == [
        "STATUS=broker says: no READY=1 MAINPID=1",
        "STATUS=" + "缺" * LONGEST_STATUS,
        "STATUS=half a pair ?",
    ]


@pytest.mark.parametrize("address", [None, "", "vsock:2:1234", "relative"])
def test_nothing_happens_outside_systemd(address: str | None) -> None:
    told = notifier(address)
    assert not any([told.ready(), told.status("x"), told.watchdog(), told.stopping()])


@pytest.mark.parametrize("address", ["/nonexistent/notify", "@nobody-listens-here", "/" + "x" * 200, "/nul\0inside"])
def test_a_socket_that_fails_is_told_and_raises_nothing(address: str) -> None:
    assert not notifier(address).ready()


def test_a_socket_that_is_full_does_not_stop_the_daemon(tmp_path: Path) -> None:
    receiver = Systemd(str(tmp_path / "notify"))
    fill(receiver.address)
    assert not notifier(receiver.address).watchdog()
    receiver.heard()
    assert notifier(receiver.address).watchdog()
    receiver.close()


@pytest.mark.parametrize(
    ("environment", "expected_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getppid())}, None),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "self"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time_by_the_process_it_watches(
    environment: dict[str, str], expected_s: float | None
) -> None:
    assert Notifier(environment).watchdog_interval_s == expected_s


def test_the_environment_names_the_socket(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    told = Notifier()
    assert told.watchdog_interval_s == 5.0
    assert told.ready()
    assert systemd.heard() == ["READY=1"]
