"""The link: it comes back by itself, holds one descriptor at a time and keeps its gaps."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from phasewatch.adapters.modbus import connection
from phasewatch.adapters.modbus.bus import open_bus
from phasewatch.adapters.modbus.protocol import Bus, BusError, LinkDown, NoReply
from phasewatch.meters.endpoint import parse_url
from tests.modbus_server import FRAMINGS, HANG_UP, LINES, Asked, ScriptedMeter, honest, listening, mute, words_at

PATIENCE_S = 5.0


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def reads_right(bus: Bus, address: int, unit_id: int = 1) -> None:
    assert await bus.read(3, address, 4, unit_id) == words_at(unit_id, address, 4)


async def comes_back(bus: Bus) -> None:
    """Read until it works; fail after 10 s."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await reads_right(bus, 100)
            except BusError:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_bus_comes_back_after_its_meters_were_away(framing: str, tmp_path: Path) -> None:
    async def scene() -> None:
        port = free_port()
        url = f"rtu://{tmp_path}/ttyMETER" if framing == "rtu" else f"{framing}://127.0.0.1:{port}"
        bus = open_bus(parse_url(url), timeout_s=0.2)
        for _ in range(2):
            with pytest.raises((LinkDown, NoReply)):  # a datagram cannot know that nobody is there
                await bus.read(3, 100, 4, 1)
            async with listening(ScriptedMeter(framing), framing, tmp_path, port):
                await comes_back(bus)
        await bus.close()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("tcp://127.0.0.1:{port}", "tcp://127.0.0.1:{port}: cannot connect: .*(refused|Connect call failed)"),
        ("rtu+tcp://127.0.0.1:{port}", r"rtu\+tcp://127.0.0.1:{port}: cannot connect: .*Connect call failed"),
        ("tcp://meter..example", "tcp://meter..example:502: cannot connect: "),
        ("tcp://" + 70 * "a", "cannot connect: "),
        ("rtu:///dev/ttyNOTHERE", "/dev/ttyNOTHERE.*: cannot connect: .*No such file"),
        ("rtu:///dev/null", "/dev/null.*: cannot connect: "),
    ],
)
def test_a_link_that_cannot_be_made_says_where_and_why(url: str, says: str) -> None:
    port = free_port()

    async def scene() -> None:
        before = descriptors()
        bus = open_bus(parse_url(url.format(port=port)), timeout_s=2.0)
        with pytest.raises(LinkDown, match=says.format(port=port)):
            await bus.read(3, 0, 1, 1)
        with pytest.raises(LinkDown, match="next attempt in"):
            await bus.read(3, 0, 1, 1)
        await bus.close()
        assert descriptors() == before

    asyncio.run(scene())


def test_a_serial_port_in_use_is_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(ScriptedMeter("rtu"), "rtu", tmp_path) as url:
            first, second = (open_bus(parse_url(url), timeout_s=PATIENCE_S) for _ in range(2))
            await reads_right(first, 0)
            with pytest.raises(LinkDown, match="exclusively lock"):
                await second.read(3, 0, 1, 1)
            await first.close()
            await second.close()

    asyncio.run(scene())


def hangs_up(_: Asked) -> Sequence[tuple[float, bytes]]:
    return [(0.0, HANG_UP)]


def says_nonsense(asked: Asked) -> Sequence[tuple[float, bytes]]:
    return [(0.0, asked.frame(asked.words(1)))]


@pytest.mark.parametrize(
    ("framing", "script"), [("tcp", hangs_up), ("tcp", mute), ("tcp", says_nonsense), ("rtu+tcp", mute)]
)
def test_a_meter_never_sees_two_connections_at_a_time(
    framing: str, script: Callable[[Asked], Sequence[tuple[float, bytes]]], tmp_path: Path
) -> None:
    async def scene() -> None:
        meter = ScriptedMeter(framing)
        meter.script = script
        async with listening(meter, framing, tmp_path) as url:
            bus = open_bus(parse_url(url), timeout_s=0.3)
            for _ in range(2):
                with pytest.raises(BusError):
                    await bus.read(3, 0, 4, 1)
            meter.script = honest
            await asyncio.gather(*(reads_right(bus, address) for address in range(5)))
            assert (meter.connections, meter.most_open, meter.open) == (3, 1, 1)
            await bus.close()

    asyncio.run(scene())


def test_a_connection_that_works_is_kept(tmp_path: Path) -> None:
    async def scene() -> None:
        meter = ScriptedMeter("tcp")
        async with listening(meter, "tcp", tmp_path) as url:
            bus = open_bus(parse_url(url), timeout_s=PATIENCE_S)
            meter.script = lambda asked: [(0.0, asked.refusal(2) if asked.address == 7 else asked.honest())]
            for address in range(10):
                if address == 7:
                    with pytest.raises(BusError):
                        await bus.read(3, 7, 1, 1)
                else:
                    await reads_right(bus, address)
            assert meter.connections == 1
            assert [asked.transaction_id for asked in meter.asked] == list(range(1, 11))
            await bus.close()

    asyncio.run(scene())


def test_transaction_ids_run_on_over_connections(tmp_path: Path) -> None:
    async def scene() -> None:
        meter = ScriptedMeter("tcp")
        meter.script = hangs_up
        async with listening(meter, "tcp", tmp_path) as url:
            bus = open_bus(parse_url(url), timeout_s=PATIENCE_S)
            for _ in range(5):
                with pytest.raises(LinkDown):
                    await bus.read(3, 0, 4, 1)
            assert [asked.transaction_id for asked in meter.asked] == [1, 2, 3, 4, 5]
            await bus.close()

    asyncio.run(scene())


@pytest.mark.parametrize("framing", ["tcp", "udp"])
def test_two_hundred_reconnects_leak_no_descriptor(framing: str, tmp_path: Path) -> None:
    async def scene() -> None:
        meter = ScriptedMeter(framing)
        async with listening(meter, framing, tmp_path) as url:
            bus = open_bus(parse_url(url), timeout_s=PATIENCE_S)
            await reads_right(bus, 0)
            before = descriptors()
            for turn in range(200):
                meter.script = says_nonsense if turn % 2 or framing == "udp" else hangs_up
                with pytest.raises(BusError):
                    await bus.read(3, turn, 4, 1)
                meter.script = honest
                await reads_right(bus, turn)
            await asyncio.sleep(0.01)
            assert descriptors() <= before
            assert framing == "udp" or (meter.connections, meter.most_open) == (201, 1)
            await bus.close()

    asyncio.run(scene())


def test_two_hundred_serial_ports_leak_no_descriptor(tmp_path: Path) -> None:
    async def scene() -> None:
        bus = open_bus(parse_url(f"rtu://{tmp_path}/ttyMETER?baudrate=115200"), timeout_s=PATIENCE_S)
        before = descriptors()
        for turn in range(200):
            async with listening(ScriptedMeter("rtu"), "rtu", tmp_path):
                await reads_right(bus, turn)
            await asyncio.sleep(0)  # the line tells that it is gone
        await bus.close()
        assert descriptors() == before

    asyncio.run(scene())


def test_a_bus_closed_while_it_waits_lets_go_at_once(tmp_path: Path) -> None:
    async def scene() -> None:
        before = descriptors()
        meter = ScriptedMeter("tcp")
        meter.script = mute
        async with listening(meter, "tcp", tmp_path) as url:
            bus = open_bus(parse_url(url), timeout_s=30.0)
            asking = asyncio.create_task(bus.read(3, 0, 4, 1))
            await meter.was_asked.wait()
            await bus.close()
            with pytest.raises(LinkDown):
                await asyncio.wait_for(asking, 10)
        assert descriptors() == before

    asyncio.run(scene())


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_a_bus_closed_while_it_connects_opens_nothing(framing: str, tmp_path: Path) -> None:
    async def scene() -> None:
        before = descriptors()
        async with listening(ScriptedMeter(framing), framing, tmp_path) as url:
            with_server = descriptors()
            for turns in range(8):
                bus = open_bus(parse_url(url), timeout_s=PATIENCE_S)
                asking = asyncio.create_task(bus.read(3, 0, 4, 1))
                for _ in range(turns):
                    await asyncio.sleep(0)
                await bus.close()
                await asyncio.wait([asking], timeout=10)
                assert asking.done()
                asking.exception()
                await asyncio.sleep(0.01)
                assert descriptors() <= with_server
        assert descriptors() == before

    asyncio.run(scene())


def test_a_silent_gateway_is_connected_anew(tmp_path: Path) -> None:
    async def scene() -> None:
        meter = ScriptedMeter("rtu+tcp")
        async with listening(meter, "rtu+tcp", tmp_path) as url:
            bus = open_bus(parse_url(url), timeout_s=0.2)
            meter.script = mute
            with pytest.raises(NoReply):
                await bus.read(3, 0, 4, 1)
            meter.script = honest
            await reads_right(bus, 0)
            assert meter.connections == 2
            await bus.close()

    asyncio.run(scene())


@pytest.mark.parametrize("framing", LINES)
def test_a_line_stays_quiet_after_trouble_and_keeps_its_gaps(framing: str, tmp_path: Path) -> None:
    async def scene() -> None:
        meter, at = ScriptedMeter(framing), []

        def script(asked: Asked) -> Sequence[tuple[float, bytes]]:
            at.append(asyncio.get_running_loop().time())
            return [] if len(at) == 4 else [(0.0, asked.honest())]

        meter.script = script
        async with listening(meter, framing, tmp_path) as url:
            bus = open_bus(parse_url(url), timeout_s=0.2, gap_s=0.02, unit_gap_s=0.06, gaps_s={3: 0.1})
            for unit_id in (1, 1, 2):
                await reads_right(bus, 0, unit_id)
            with pytest.raises(NoReply):
                await bus.read(3, 0, 4, 2)
            await reads_right(bus, 0, 2)
            await reads_right(bus, 0, 3)
            await bus.close()
        waited = [later - earlier for earlier, later in pairwise(at)]
        least = [0.02, 0.06, 0.02, 0.25, 0.1]
        assert all(wait >= bound - 0.002 for wait, bound in zip(waited, least, strict=True)), waited

    asyncio.run(scene())


def test_one_request_is_on_the_line_at_a_time(tmp_path: Path) -> None:
    async def scene() -> None:
        meter, pending = ScriptedMeter("tcp"), [0]

        def script(asked: Asked) -> Sequence[tuple[float, bytes]]:
            pending[0] = len(meter.asked) - answered[0]
            most[0] = max(most[0], pending[0])
            asyncio.get_running_loop().call_later(0.005, lambda: answered.__setitem__(0, answered[0] + 1))
            return [(0.005, asked.honest())]

        answered, most = [0], [0]
        meter.script = script
        async with listening(meter, "tcp", tmp_path) as url:
            bus = open_bus(parse_url(url), timeout_s=2.0)
            await asyncio.gather(*(reads_right(bus, address) for address in range(20)))
            await bus.close()
        assert most == [1]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (None, "no_answer"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), "nothing_listens"),
        (OSError("Multiple exceptions: [Errno 111] ('::1', 502), [Errno 111] ('127.0.0.1', 502)"), "nothing_listens"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no_answer"),
        (OSError(errno.EAGAIN, "Could not exclusively lock port"), "port_taken"),
        (socket.gaierror(-2, "Name or service not known"), "unknown_host"),
        (ValueError("no such baud rate"), "other"),
    ],
)
def test_why_there_is_no_connection_is_a_kind_of_its_own(error: Exception | None, trouble: str) -> None:
    assert connection.trouble_of(error) == trouble
