"""The process that plays the meters: each on a port of its own, all answering from ready-made bytes.

It is told the states once, then which meter is to change to which; a change is made at the meter's next poll, as its
first request comes in, and told with that moment: so the phase of the poll is no part of what follows from it.
"""

import asyncio
import json
import os
import struct
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

States = dict[str, dict[int, int]]
"""Name -> address -> word."""


@dataclass(slots=True)
class Shown:
    """What one meter shows."""

    number: int
    states: States
    answers: dict[tuple[str, bytes], bytes]
    """State and request -> answer, shared by all meters."""
    state: str
    next_state: str | None = None
    first_address: bytes | None = None
    """Address of the request that a poll begins with."""

    def answer(self, request: bytes) -> bytes:
        """Return the frame that answers a frame."""
        asked = request[7:]
        if self.first_address is None:
            self.first_address = asked[:3]
        if self.next_state is not None and asked[:3] == self.first_address:
            _tell({"meter": self.number, "state": self.next_state, "at_s": time.monotonic()})
            self.state, self.next_state = self.next_state, None
        key = (self.state, asked)
        if key not in self.answers:
            self.answers[key] = _pdu(self.states[self.state], asked)
        pdu = self.answers[key]
        return request[:4] + struct.pack(">H", len(pdu) + 1) + request[6:7] + pdu


def _pdu(shown: dict[int, int], asked: bytes) -> bytes:
    code, address, count = struct.unpack(">BHH", asked)
    found = (shown.get(place, 0) for place in range(address, address + count))
    return struct.pack(f">BB{count}H", code, 2 * count, *found)


@dataclass(slots=True)
class Line(asyncio.Protocol):
    """One connection."""

    meter: Shown
    heard: bytes = b""
    transport: asyncio.Transport = field(init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers go out by."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request: a read is 12 bytes."""
        self.heard += data
        while len(self.heard) >= 12:
            request, self.heard = self.heard[:12], self.heard[12:]
            self.transport.write(self.meter.answer(request))


def _tell(message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def _serve(count: int, states: States) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    answers: dict[tuple[str, bytes], bytes] = {}
    meters = [Shown(n, states, answers, next(iter(states))) for n in range(count)]
    servers = [await loop.create_server(partial(Line, meter), "127.0.0.1", 0) for meter in meters]
    _tell([server.sockets[0].getsockname()[1] for server in servers])
    pending = b""

    def take() -> None:
        nonlocal pending
        told = os.read(0, 65536)
        *lines, pending = (pending + told).split(b"\n")
        for change in map(json.loads, lines):
            meters[change["meter"]].next_state = change["state"]
        if not told:
            ended.set()

    loop.add_reader(0, take)
    await ended.wait()


def main() -> None:
    """Serve until standard input ends."""
    begin = b""
    while not begin.endswith(b"\n"):
        begin += os.read(0, 65536)  # not through a buffer, which would swallow the first change
    told = json.loads(begin)
    states = {name: {int(place): word for place, word in shown.items()} for name, shown in told["states"].items()}
    asyncio.run(_serve(told["count"], states))


if __name__ == "__main__":
    main()
