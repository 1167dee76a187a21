"""A broker of MQTT 5 that takes what it likes and drops the connection over everything else."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

_CONNECT, _PUBLISH, _PING = 1, 3, 12
_CONNACK, _PUBACK, _PONG = b"\x20\x03\x00\x00\x00", b"\x40\x02", b"\xd0\x00"


class CrashingBroker:
    """Listens until the test ends; `takes` says of a topic and a payload whether the broker survives it."""

    def __init__(self, takes: Callable[[str, bytes], bool]) -> None:
        self.takes = takes
        self.taken: list[tuple[str, bytes]] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line, suppress(OSError), line.makefile("rb") as stream:
            while answer := self._answer(*_packet(stream.read)):
                line.sendall(answer)

    def _answer(self, kind: int, body: bytes) -> bytes | None:
        if kind != _PUBLISH:
            return {_CONNECT: _CONNACK, _PING: _PONG}.get(kind)
        end = 2 + int.from_bytes(body[:2], "big")
        topic, payload = body[2:end].decode(), body[end + 3 :]  # behind the packet's number and no properties
        if not self.takes(topic, payload):
            return None
        self.taken.append((topic, payload))
        return _PUBACK + body[end : end + 2]


def _packet(read: Callable[[int], bytes]) -> tuple[int, bytes]:
    """Read one packet; its kind is 0 at the end of the line."""
    head = read(1)
    length, shift = 0, 0
    while head and (digit := read(1)):
        length |= (digit[0] & 127) << shift
        shift += 7
        if digit[0] < 128:
            return head[0] >> 4, read(length)
    return 0, b""
