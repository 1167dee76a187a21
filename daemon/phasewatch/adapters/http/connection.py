"""One client of the HTTP server: who it is, and how long it may take."""

import asyncio
import socket
import struct
from dataclasses import dataclass, replace
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS: Final = 32
"""At each of the two places, so that a crowd at one does not keep people from the other."""
PATIENCE_S: Final = 20.0
"""A client that takes longer to send the head of a request, or to take an answer, is cut off."""
BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Peer:
    """From where a request came; the application finds it as `scope["state"]["peer"]`."""

    local: bool = False
    """Over the unix socket, where the mode of the file is the permission."""
    loopback: bool = False
    """Over a TCP socket that only this machine reaches."""
    uid: int | None = None
    """The user at the other end of the unix socket."""


class Connection(H11Protocol):
    """One client, who can neither crowd out the others nor keep the connection by being slow."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer: Peer = self.app_state["peer"]
        if peer.local:
            self.app_state = {**self.app_state, "peer": replace(peer, uid=_uid(transport))}
        if len(self.connections) > MOST_CONNECTIONS:
            transport.write(BUSY)
            transport.close()
            return
        self._arm()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete or self.flow.write_paused:
            self._arm()
        else:
            self._disarm()  # a request is being answered, however long that takes

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; while a request is being answered there is no room for a second answer."""
        if self.cycle is None or self.cycle.response_complete:
            super().send_400_response(msg)
        else:
            self.cycle.disconnected = True
            self.transport.abort()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:  # else the next request is under way already
            self._arm()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._arm()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._disarm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def _arm(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(PATIENCE_S, self.transport.abort)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _uid(transport: asyncio.Transport) -> int | None:
    channel: socket.socket = transport.get_extra_info("socket")
    try:
        credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    except OSError:
        return None
    return int(struct.unpack("3i", credentials)[1])
