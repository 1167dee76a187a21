"""Programs of others that tests run; without one a test is skipped, or fails where peers are required."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def program(name: str, package: str) -> str:
    """Return the path of a program."""
    found = shutil.which(name)
    if found is None:
        absent(f"{name} is not installed: apt-get install {package}")
    return str(found)


def absent(reason: str) -> None:
    """Skip a test for want of a program, or fail it where peers are required."""
    (pytest.fail if os.environ.get("PHASEWATCH_REQUIRE_PEERS") else pytest.skip)(reason)


class Started:
    """A program that runs, and what it has said."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log = process, log

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def alive(self) -> bool:
        return self.process.poll() is None


@contextmanager
def started(command: list[str], log: Path, **environment: str) -> Iterator[Started]:
    """Run a program and whatever it starts; end them all afterwards."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    try:
        yield Started(process, log)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a program and its children to end; after five seconds make them."""
    for number in (15, 9):
        try:
            os.killpg(process.pid, number)
            process.wait(5)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            pass
        return
