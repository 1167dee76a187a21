"""What every bus holds to: the fake one, and the real ones against a meter with real frames."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from phasewatch.adapters.modbus.bus import open_bus
from phasewatch.adapters.modbus.protocol import Bus, BusError, IllegalDataAddress, LinkDown, NoReply, Refused
from phasewatch.meters.endpoint import parse_url
from tests.bus import FakeBus
from tests.modbus_server import FRAMINGS, Asked, ScriptedMeter, honest, listening, mute, words_at

SILENCE_S = 0.3
"""Time-out where a meter is silent."""
PATIENCE_S = 5.0
"""Time-out where every meter answers: however busy the machine."""
UNITS = (1, 2, 7)


class Bench:
    """One bus with meters 1, 2 and 7 behind it, whose manners can be changed."""

    def __init__(self, bus: Bus, misbehave: Callable[[str, int], None], restore: Callable[[], None]) -> None:
        self.bus, self.misbehave, self.restore = bus, misbehave, restore

    async def works(self, unit_id: int, address: int = 100) -> None:
        assert await self.bus.read(3, address, 4, unit_id) == words_at(unit_id, address, 4)


def _fake() -> Bench:
    bus = FakeBus({unit: dict(enumerate(words_at(unit, 0, 300))) for unit in UNITS})
    manners: dict[str, Callable[[int], None]] = {
        "silent": bus.silent,
        "damaged": bus.damage,
        "illegal": lambda unit: bus.refuse(unit, 101),
        "busy": lambda unit: bus.refuse(unit, 101, 6),
        "slow": lambda unit: bus.slow(unit, 0.02),
    }
    return Bench(bus, lambda manner, unit: manners[manner](unit), bus.restore)


MANNERS: dict[str, Callable[[Asked], Sequence[tuple[float, bytes]]]] = {
    "silent": mute,
    "damaged": lambda asked: [(0.0, asked.honest()[:-2])],
    "illegal": lambda asked: [(0.0, asked.refusal(2))],
    "busy": lambda asked: [(0.0, asked.refusal(6))],
    "slow": lambda asked: [(0.02, asked.honest())],
}


@asynccontextmanager
async def benched(kind: str, where: Path, timeout_s: float) -> AsyncIterator[Bench]:
    if kind == "fake":
        yield _fake()
        return
    meter, manners = ScriptedMeter(kind), {unit: honest for unit in UNITS}
    meter.script = lambda asked: manners.get(asked.unit_id, mute)(asked)
    async with listening(meter, kind, where) as url:
        bus = open_bus(parse_url(url), timeout_s=timeout_s)
        yield Bench(
            bus,
            lambda manner, unit: manners.update({unit: MANNERS[manner]}),  # type: ignore[dict-item]
            lambda: manners.update(dict.fromkeys(UNITS, honest)),
        )
        await bus.close()


class Try(Protocol):
    def __call__(self, scene: Callable[[Bench], Awaitable[None]], timeout_s: float = PATIENCE_S) -> None: ...


@pytest.fixture(params=["fake", *FRAMINGS])
def on_every_bus(request: pytest.FixtureRequest, tmp_path: Path) -> Try:
    def run(scene: Callable[[Bench], Awaitable[None]], timeout_s: float = PATIENCE_S) -> None:
        async def play() -> None:
            async with benched(request.param, tmp_path, timeout_s) as bench:
                await scene(bench)

        asyncio.run(play())

    return run


def test_words_are_read_in_order(on_every_bus: Try) -> None:
    async def scene(bench: Bench) -> None:
        for function_code, address, count, unit in ((3, 0, 1, 1), (4, 17, 2, 2), (3, 100, 125, 7), (4, 1, 99, 1)):
            assert await bench.bus.read(function_code, address, count, unit) == words_at(unit, address, count)

    on_every_bus(scene)


def test_many_askers_get_their_own_words(on_every_bus: Try) -> None:
    async def scene(bench: Bench) -> None:
        await asyncio.gather(*(bench.works(unit, address) for unit in UNITS for address in range(0, 200, 20)))

    on_every_bus(scene)


def test_a_unit_that_does_not_answer_costs_the_others_no_sample(on_every_bus: Try) -> None:
    async def scene(bench: Bench) -> None:
        bench.misbehave("silent", 2)
        await bench.works(1)
        with pytest.raises(NoReply, match="unit 2, function 4, address 100, count 4"):
            await bench.bus.read(4, 100, 4, 2)
        await bench.works(1)
        await bench.works(7)
        bench.restore()
        await bench.works(2)

    on_every_bus(scene, SILENCE_S)


def test_an_illegal_address_is_told_from_other_refusals(on_every_bus: Try) -> None:
    async def scene(bench: Bench) -> None:
        bench.misbehave("illegal", 1)
        bench.misbehave("busy", 2)
        with pytest.raises(
            IllegalDataAddress, match=r"unit 1, function 3, address 100, count 4: .*exception 2"
        ) as illegal:
            await bench.bus.read(3, 100, 4, 1)
        with pytest.raises(Refused, match=re.escape("exception 6 (server device busy)")) as busy:
            await bench.bus.read(3, 100, 4, 2)
        assert (illegal.value.exception_code, busy.value.exception_code) == (2, 6)
        assert not isinstance(busy.value, IllegalDataAddress)
        await bench.works(7)

    on_every_bus(scene)


def test_a_bus_counts_how_its_requests_ended(on_every_bus: Try) -> None:
    async def scene(bench: Bench) -> None:
        await bench.works(1)
        before = bench.bus.counts.copy()
        assert (before.requests, before.answers, before.unsolicited_bytes) == (1, 1, 0)
        for unit_id, manner in ((1, "silent"), (2, "damaged"), (7, "busy")):
            bench.misbehave(manner, unit_id)
            with pytest.raises(BusError):
                await bench.bus.read(3, 100, 4, unit_id)
        bench.restore()
        await bench.works(2)
        counts = bench.bus.counts.since(before)
        assert (counts.requests, counts.answers, counts.timeouts, counts.crc_errors) == (4, 1, 1, 1)
        assert counts.exceptions == {6: 1}
        assert counts.unsolicited_bytes > 0
        strangers = (counts.foreign_requests, counts.foreign_replies, counts.late_replies, counts.second_replies)
        assert not any(strangers)

    on_every_bus(scene, SILENCE_S)


def test_a_slow_meter_is_waited_for(on_every_bus: Try) -> None:
    async def scene(bench: Bench) -> None:
        bench.misbehave("slow", 1)
        await asyncio.gather(bench.works(1), bench.works(2))

    on_every_bus(scene)


@pytest.mark.parametrize(
    ("function_code", "address", "count", "unit_id", "says"),
    [
        (6, 0, 1, 1, "function code 6 is not in 3..4"),
        (3, 0, 0, 1, "count 0 is not in 1..125"),
        (3, 0, 126, 1, "count 126 is not in 1..125"),
        (3, -1, 2, 1, "address"),
        (3, 65535, 2, 1, "last address 65536"),
        (3, 0, 1, 256, "unit id 256 is not in 0..255"),
    ],
)
def test_what_is_no_read_never_reaches_the_line(
    on_every_bus: Try, function_code: int, address: int, count: int, unit_id: int, says: str
) -> None:
    async def scene(bench: Bench) -> None:
        with pytest.raises(ValueError, match=re.escape(says)):
            await bench.bus.read(function_code, address, count, unit_id)

    on_every_bus(scene)


def test_a_closed_bus_reads_no_more(on_every_bus: Try) -> None:
    async def scene(bench: Bench) -> None:
        await bench.works(1)
        await bench.bus.close()
        await bench.bus.close()
        with pytest.raises(LinkDown, match="closed"):
            await bench.bus.read(3, 0, 1, 1)

    on_every_bus(scene)


def test_every_error_is_a_bus_error() -> None:
    assert all(issubclass(kind, BusError) for kind in (LinkDown, NoReply, Refused, IllegalDataAddress))


def test_the_fake_records_what_was_asked_and_can_lose_its_link() -> None:
    async def scene() -> None:
        bus = FakeBus({1: {0: 5}})
        assert await bus.read(4, 0, 1, 1) == (5,)
        bus.link_down("no route")
        with pytest.raises(LinkDown, match="no route"):
            await bus.read(4, 0, 1, 1)
        bus.restore()
        bus.units[1][0] = 6
        assert await bus.read(4, 0, 1, 1) == (6,)
        assert [(read.function_code, read.address, read.count, read.unit_id) for read in bus.reads] == [
            (4, 0, 1, 1)
        ] * 3

    asyncio.run(scene())
