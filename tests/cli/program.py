"""The commands, in this process or as a program of its own, and simulated meters to speak to."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from typer.testing import CliRunner

from phasewatch.cli.app import app
from phasewatch.commissioning.scan import every_profile
from phasewatch.configuration.files import load_profile
from phasewatch.meters.profile import Profile
from phasewatch.simulator.device import Unit, played
from phasewatch.simulator.meter import Meter
from phasewatch.simulator.scenario import healthy
from phasewatch.simulator.serial_line import QUIET, LineFaults
from phasewatch.simulator.server import Server

SITE = """\
site: plant
buses:
  - name: board
    url: {url}
    timeout_s: 0.2
    meters:
      - {{name: incomer, profile: eastron-sdm630{meter}}}
mqtt: {{urls: ["mqtt://127.0.0.1:1"]}}
"""
"""A site file; nothing listens at port 1."""


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.err.splitlines()

    def json(self) -> Any:
        return json.loads(self.out, parse_constant=_no_constant)

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line, parse_constant=_no_constant) for line in self.out.splitlines()]


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def phasewatch(*arguments: object) -> Ended:
    """Run a command in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="phasewatch")
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return Ended(result.exit_code, result.stdout, result.stderr)


def started(*arguments: object) -> subprocess.Popen[str]:
    """Start a command as a program of its own."""
    command = [sys.executable, "-m", "phasewatch", *(str(argument) for argument in arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str], timeout_s: float = 20.0) -> Ended:
    """Wait for a program to end by itself."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    finally:
        process.kill()
        process.wait()
    return Ended(process.returncode, out, err)


def interrupted(process: subprocess.Popen[str]) -> tuple[Ended, float]:
    """Press Ctrl-C; return how the program ended, and the seconds it took."""
    begin_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    return ended(process), time.monotonic() - begin_s


def first_line_of(process: subprocess.Popen[str]) -> str:
    """Return the first line on stderr: the command is up."""
    assert process.stderr is not None
    return process.stderr.readline()


def put_site(directory: Path, text: str) -> Path:
    file = directory / "site.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@cache
def all_profiles() -> dict[str, Profile]:
    """Return every shipped profile, read once: `scan` reads them all each time."""
    return every_profile()


def simulated_meter(profile_id: str = "eastron-sdm630") -> Unit:
    """Return a meter on a healthy feeder whose clock stands still."""
    return played(Meter(load_profile(profile_id), "three_phase"), healthy(), lambda: 0.0)


@contextmanager
def simulated(
    units: Mapping[int, Unit],
    listen: str = "tcp://127.0.0.1:0",
    turnaround_s: float | None = 0.0,
    line_faults: LineFaults = QUIET,
) -> Iterator[Server]:
    """Serve simulated meters on a free port or another line, in a thread of their own; `turnaround_s` is how long they
    think on a serial line, None: as their profiles say."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = Server(listen, units, line_faults=line_faults, turnaround_s=turnaround_s)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(5)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
