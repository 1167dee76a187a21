"""What `scan` says where nobody could be asked: the reason and its own mend, and no word of units and time-outs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from phasewatch.adapters.modbus.protocol import LinkDown, LinkTrouble
from phasewatch.commissioning import scan
from phasewatch.commissioning.scan import advice
from phasewatch.commissioning.serial_ports import holder
from phasewatch.meters.endpoint import parse_url
from tests.broker import free_port
from tests.cli.program import all_profiles, phasewatch


@pytest.fixture(autouse=True)
def _profiles_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "every_profile", all_profiles)


@pytest.fixture
def port() -> Iterator[str]:
    ends = os.openpty()
    yield os.ttyname(ends[1])
    for descriptor in ends:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        ("nothing_listens", "h is there, and nothing listens at port 502: see the port"),
        ("unknown_host", "no host is known as h: see its spelling, or write its IP address"),
        ("no_answer", "h does not answer: is the device on, its address right"),
        ("lost", "h closes the connection: a gateway may serve one client only"),
        ("other", "is the device on, its address right"),
    ],
)
def test_every_reason_has_its_advice(trouble: LinkTrouble, expected: str) -> None:
    said = advice(LinkDown("whatever the system says", trouble), parse_url("tcp://h:502"))
    assert said.startswith(f"whatever the system says; {expected}")


def test_a_refused_connection_is_one_line_with_its_mend() -> None:
    url = f"tcp://127.0.0.1:{free_port()}"
    answer = phasewatch("scan", url, "--timeout", "0.05")
    assert (answer.code, answer.out, len(answer.lines)) == (1, "", 1)
    assert answer.lines[0].startswith(f"{url}: cannot connect: [Errno 111] ")
    assert "nothing listens at port" in answer.lines[0]
    found = phasewatch("scan", url, "--timeout", "0.05", "--json")
    assert (found.code, found.json()) == (1, {"found": [], "site": None})


def test_a_port_that_another_program_holds_is_said_with_the_program(port: str) -> None:
    with holding(port) as holder_id:
        answer = phasewatch("scan", f"rtu://{port}", "--units", "1-3", "--timeout", "0.05")
        assert holder(Path(port)) is not None
    assert (answer.code, len(answer.lines)) == (1, 1)
    assert answer.lines[0].startswith(f"{port}: ")
    assert f"(process {holder_id}) has it open; stop that first" in answer.lines[0]


def test_a_port_that_is_locked_and_nobody_seems_to_hold_is_said_too(port: str) -> None:
    with serial.Serial(port, exclusive=True):
        answer = phasewatch("scan", f"rtu://{port}", "--units", "1", "--timeout", "0.05")
    assert answer.lines == [
        f"{port}: another program (sudo fuser -v shows which) has it open; stop that first,"
        " as with systemctl stop phasewatch"
    ]


def test_a_port_that_is_not_there_or_not_permitted_is_said(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = phasewatch("scan", "rtu:///dev/ttyNONE", "--timeout", "0.05")
    assert answer.lines == [
        "/dev/ttyNONE: there is no such port; is the adapter plugged in (ls /dev/serial/by-id /dev/ttyUSB*)?"
    ]
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "usermod -aG " in advice(LinkDown("[Errno 13] could not open port"), parse_url(f"rtu://{port}"))


@contextmanager
def holding(port: str) -> Iterator[int]:
    """Have another program hold a port."""
    code = f"import serial, sys; s = serial.Serial({port!r}, exclusive=True); print(1, flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process.pid
    finally:
        process.communicate()
