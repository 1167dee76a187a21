"""A TCP line that can be ill in every way that lines are: a proxy in front of any server."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from tests.broker import free_port


@dataclass(frozen=True, slots=True)
class Fault:
    """What ails one direction of a line."""

    hang: bool = False
    """The connection stands, and what goes in is never seen again."""
    delay_s: float = 0.0
    """Each piece comes so much later."""
    bytes_per_s: float | None = None
    cut_after: int | None = None
    """Every connection ends behind so many bytes, in the middle of whatever they are."""
    flip_at: int | None = None
    """One bit of this byte of every connection is wrong."""


SOUND: Final = Fault()


class FaultProxy:
    """A line to a server; `up` ails what clients send, `down` what they get. Both may change at any time."""

    def __init__(self, target_port: int) -> None:
        self.port, self.target_port = free_port(), target_port
        self.up = self.down = SOUND
        self.accepted = 0
        """Connections so far."""
        self._ends: list[socket.socket] = []
        self._server: socket.socket | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def join(self) -> None:
        """Accept connections from now on."""
        self._server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def drop(self) -> None:
        """End every connection that stands now."""
        ends, self._ends = self._ends, []
        for end in ends:
            _end(end)

    def refuse(self) -> None:
        """End every connection and accept no more, until joined again."""
        server, self._server = self._server, None
        if server:
            _end(server)
        self.drop()

    def ail(self, fault: Fault) -> None:
        """Let both directions be ill in the same way."""
        self.up = self.down = fault

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = server.accept()
                self.accepted += 1
                try:
                    far = socket.create_connection(("127.0.0.1", self.target_port), timeout=5)
                    far.settimeout(None)
                except OSError:
                    near.close()
                    continue
                self._ends += [near, far]
                threading.Thread(target=self._carry, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._carry, args=(far, near, False), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, upwards: bool) -> None:
        passed = 0
        with suppress(OSError):
            while heard := source.recv(4096):
                fault = self.up if upwards else self.down
                piece = _ailing(heard, passed, fault)
                passed += len(heard)
                time.sleep(fault.delay_s + (len(heard) / fault.bytes_per_s if fault.bytes_per_s else 0.0))
                if not fault.hang:
                    sink.sendall(piece)
                if fault.cut_after is not None and passed >= fault.cut_after:
                    break
        _end(sink)
        _end(source)


def _ailing(heard: bytes, passed: int, fault: Fault) -> bytes:
    """Return what comes through of a piece that begins behind `passed` bytes."""
    if fault.flip_at is not None and passed <= fault.flip_at < passed + len(heard):
        place = fault.flip_at - passed
        heard = heard[:place] + bytes([heard[place] ^ 0x10]) + heard[place + 1 :]
    return heard if fault.cut_after is None else heard[: max(0, fault.cut_after - passed)]


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def fault_proxy(target_port: int) -> Iterator[FaultProxy]:
    """Run a proxy that accepts at once."""
    proxy = FaultProxy(target_port)
    proxy.join()
    try:
        yield proxy
    finally:
        proxy.refuse()
