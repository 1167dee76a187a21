"""An in-memory bus for tests: the second implementation of the Bus protocol."""

import asyncio
from collections.abc import Mapping

from phasewatch.adapters.modbus.protocol import BadReply, LineCounts, LinkDown, NoReply, Refused, refusal
from phasewatch.meters.framing import Request


class FakeBus:
    """Meters as tables of words; a unit without a table does not answer, an address without a word is refused."""

    def __init__(self, units: Mapping[int, Mapping[int, int]], url: str = "fake://bus") -> None:
        self.url = url
        self.units = {unit_id: dict(words) for unit_id, words in units.items()}
        """Unit id -> address -> word, the same for both function codes. Change them as the test goes on."""
        self.reads: list[Request] = []
        """Every request, answered or not."""
        self.counts = LineCounts()
        self.closed = False
        self._silent: set[int] = set()
        self._damaged: set[int] = set()
        self._refused: dict[tuple[int, int], int] = {}
        self._slow_s: dict[int, float] = {}
        self._link_down: str | None = None
        self._turn = asyncio.Lock()

    def silent(self, unit_id: int) -> None:
        """Let a unit answer no more."""
        self._silent.add(unit_id)

    def damage(self, unit_id: int) -> None:
        """Let what a unit answers come in pieces."""
        self._damaged.add(unit_id)

    def refuse(self, unit_id: int, address: int, exception_code: int = 2) -> None:
        """Let a unit refuse every request that touches an address."""
        self._refused[unit_id, address] = exception_code

    def slow(self, unit_id: int, delay_s: float) -> None:
        """Let a unit think before it answers."""
        self._slow_s[unit_id] = delay_s

    def link_down(self, reason: str = "connection refused") -> None:
        """Let nothing be reached."""
        self._link_down = reason

    def restore(self, unit_id: int | None = None) -> None:
        """Let a unit be well again; None: all of them, and the link."""
        if unit_id is None:
            self._link_down = None
        for sick in self.units.keys() | self._silent | self._damaged if unit_id is None else {unit_id}:
            self._silent.discard(sick)
            self._damaged.discard(sick)
            self._slow_s.pop(sick, None)
            self._refused = {place: code for place, code in self._refused.items() if place[0] != sick}

    async def read(self, function_code: int, address: int, count: int, unit_id: int) -> tuple[int, ...]:
        request = Request(self.url, function_code, address, count, unit_id)
        async with self._turn:
            self.reads.append(request)
            await asyncio.sleep(self._slow_s.get(unit_id, 0.0))
            self._check_link(request)
            return self._counted(request)

    async def close(self) -> None:
        self.closed = True

    def _check_link(self, request: Request) -> None:
        if self.closed or self._link_down:
            raise LinkDown(f"{request}: {self._link_down or 'the bus is closed'}")

    def _counted(self, request: Request) -> tuple[int, ...]:
        counts = self.counts
        counts.requests += 1
        try:
            words = self._answer(request)
        except Refused as error:
            counts.exceptions[error.exception_code] += 1
            raise
        except NoReply:
            counts.timeouts += 1
            raise
        except BadReply:
            counts.crc_errors += 1
            counts.unsolicited_bytes += 2
            raise
        counts.answers += 1
        return words

    def _answer(self, request: Request) -> tuple[int, ...]:
        words = self.units.get(request.unit_id)
        if words is None or request.unit_id in self._silent:
            raise NoReply(f"{request}: no answer")
        if request.unit_id in self._damaged:
            raise BadReply(f"{request}: 2 bytes without a whole frame (CRC)")
        asked = range(request.address, request.address + request.count)
        for address in asked:
            code = self._refused.get((request.unit_id, address), 0 if address in words else 2)
            if code:
                raise refusal(request, code)
        return tuple(words[address] for address in asked)
