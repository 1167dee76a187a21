"""`phasewatch run` as a process of its own, and systemd as it sees it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.broker import wait_until


class Systemd:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "200000"}

    def count(self, what: str) -> int:
        """Return how often something was told so far."""
        with suppress(BlockingIOError):
            while True:
                self.heard.append(self._socket.recv(4096).decode())
        return self.heard.count(what)

    def close(self) -> None:
        self._socket.close()


class Daemon:
    """One life of the daemon."""

    def __init__(self, config: Path, systemd: Systemd) -> None:
        command = [sys.executable, "-m", "phasewatch", "run", "--config", str(config)]
        self.systemd = systemd
        systemd.heard.clear()
        with (config.parent / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env={**os.environ, **systemd.environment})
        wait_until(lambda: systemd.count("READY=1") or self.process.poll() is not None, "ready", timeout_s=30)
        assert self.process.poll() is None, (config.parent / "log").read_text()

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)


@contextmanager
def daemon(config: Path) -> Iterator[Daemon]:
    systemd = Systemd(config.parent / f"notify-{len(list(config.parent.iterdir()))}")
    started = Daemon(config, systemd)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()
        systemd.close()
