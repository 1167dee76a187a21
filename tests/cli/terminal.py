"""A program at a terminal of its own: what it shows there, and what is typed."""

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 20.0
CTRL_C = "\x03"
CTRL_D = "\x04"


class Terminal:
    """The screen and the keys."""

    def __init__(self, master: int, program: subprocess.Popen[bytes]) -> None:
        self._master, self.program = master, program
        self.shown = ""
        self._seen = 0

    def until(self, text: str) -> None:
        """Wait until a text is shown behind what was waited for last."""
        end_s = time.monotonic() + PATIENCE_S
        while (place := self.shown.find(text, self._seen)) < 0:
            assert time.monotonic() < end_s, f"{text!r} never came: {self.shown[-2000:]!r}"
            assert self._read(), f"ended before {text!r}: {self.shown[-2000:]!r}"
        self._seen = place + len(text)

    def keys(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> int:
        """Wait for the program to end by itself; return its exit status."""
        while self._read():
            pass
        return self.program.wait(PATIENCE_S)

    def _read(self) -> bool:
        if not select.select([self._master], [], [], PATIENCE_S)[0]:
            return False
        try:
            chunk = os.read(self._master, 65536)
        except OSError:  # so Linux tells that the other side has closed
            return False
        self.shown += chunk.decode(errors="replace")
        return bool(chunk)


@contextmanager
def at_terminal(*arguments: object, columns: int = 80, lines: int = 24) -> Iterator[Terminal]:
    """Start a command at a terminal, which is the controlling one: Ctrl-C reaches it."""
    master, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    command = [sys.executable, "-c", _LEADER, *(str(argument) for argument in arguments)]
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    program = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=environment | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
    )
    os.close(theirs)
    try:
        yield Terminal(master, program)
    finally:
        program.kill()
        program.wait()
        os.close(master)


_LEADER = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from phasewatch.cli.app import app
app(prog_name="phasewatch")
"""
