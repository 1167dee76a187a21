"""Simulated meters on a pseudo terminal, read by the real bus: the line takes its time and has its faults."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import pytest

from phasewatch.adapters.modbus.bus import open_bus
from phasewatch.adapters.modbus.protocol import Bus, BusError, NoReply
from phasewatch.meters.endpoint import parse_url
from phasewatch.meters.profile import Profile
from phasewatch.simulator.device import Fault, Unit
from phasewatch.simulator.serial_line import QUIET, LineFaults, SerialLine
from phasewatch.simulator.server import ListenError, Request, Server, pack_rtu

PATIENCE_S: Final = 5.0
METER = Profile.model_validate(
    {
        "id": "some-meter",
        "maker": "Somebody",
        "models": ["M"],
        "kind": "energy meter",
        "sources": ["made up"],
        "function_code": 4,
        "turnaround_ms": 3,
        "blocks": [{"address": 0, "words": 60}],
        "registers": {"voltage_l1_n": {"address": 0, "type": "u16", "scale": 0.1}},
    }
)
UNITS = {unit_id: Unit(METER, partial(dict, voltage_l1_n=200.0 + unit_id)) for unit_id in (1, 2, 3)}
ASKED = pack_rtu(Request(1, b""), 1, bytes.fromhex("04 0000 0001"))
SHOWN = bytes.fromhex("01 04 02 07da")
"""2010: 201 V."""


def on_a_line(
    talk: Callable[[Server, Bus], Awaitable[None]],
    faults: LineFaults = QUIET,
    line: str = "baudrate=115200",
    timeout_s: float = PATIENCE_S,
) -> None:
    async def main() -> None:
        async with Server(f"rtu://?{line}", UNITS, faults) as server:
            bus = open_bus(parse_url(server.url), timeout_s=timeout_s)
            try:
                await talk(server, bus)
            finally:
                await bus.close()

    asyncio.run(main())


def raw(
    talk: Callable[[Server, int], Awaitable[None]], line: str = "baudrate=9600", faults: LineFaults = QUIET
) -> None:
    """Speak to the meters in bytes; what is read is waited for."""

    async def main() -> None:
        async with Server(f"rtu://?{line}", UNITS, faults, turnaround_s=0.0) as server:
            port = os.open(server.url[6:].split("?")[0], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                await talk(server, port)
            finally:
                os.close(port)

    asyncio.run(main())


async def heard(port: int, size: int) -> bytes:
    come = b""
    async with asyncio.timeout(PATIENCE_S):
        while len(come) < size:
            try:
                come += os.read(port, size - len(come))
            except BlockingIOError:
                await asyncio.sleep(0.002)
    return come


async def requests_heard(server: Server, least: int = 0) -> int:
    """Return how many requests meters heard, once it is the least that is waited for."""
    for _ in range(int(PATIENCE_S / 0.05)):
        await asyncio.sleep(0.05)
        if len(server.requests) >= least:
            break
    return len(server.requests)


async def asked_often(bus: Bus, unit_id: int, times: int) -> tuple[int, int]:
    """Return how many reads were right, and how many brought nothing; none is wrong."""
    right = nothing = 0
    for _ in range(times):
        try:
            words = await bus.read(4, 0, 20, unit_id)
        except BusError:
            nothing += 1
        else:
            assert words == (2000 + 10 * unit_id, *[0] * 19)
            right += 1
    return right, nothing


@pytest.mark.parametrize(("line", "bits"), [("baudrate=9600", 10), ("baudrate=19200&stopbits=2", 11)])
def test_an_answer_takes_the_time_of_the_line_and_the_thinking_of_the_meter(line: str, bits: int) -> None:
    character_s = bits / int(line[9:].split("&")[0])

    async def talk(_: Server, bus: Bus) -> None:
        await bus.read(4, 0, 1, 1)
        begun = time.monotonic()
        await bus.read(4, 0, 20, 1)
        # request, silence, thinking, answer
        assert time.monotonic() - begun >= (8 + 3.5 + 45) * character_s + 0.003

    on_a_line(talk, line=line)


def test_several_units_share_a_line() -> None:
    async def talk(_: Server, bus: Bus) -> None:
        for unit_id in (1, 2, 3, 2):
            assert await bus.read(4, 0, 1, unit_id) == (2000 + 10 * unit_id,)

    on_a_line(talk)


def test_the_characters_of_an_answer_come_one_after_the_other() -> None:
    async def talk(server: Server, port: int) -> None:
        begun = time.monotonic()
        os.write(port, ASKED)
        first = await heard(port, 1)
        assert time.monotonic() - begun >= (8 + 3.5 + 1) * 10 / 1200
        assert first + await heard(port, 6) == pack_rtu(Request(1, b""), 1, SHOWN[1:])
        assert time.monotonic() - begun >= (8 + 3.5 + 7) * 10 / 1200

    raw(talk, line="baudrate=1200")


def test_a_request_in_pieces_is_one_request_and_not_after_a_silence() -> None:
    async def talk(server: Server, port: int) -> None:
        os.write(port, ASKED[:3])
        os.write(port, ASKED[3:])
        assert await requests_heard(server, 1) == 1
        await heard(port, 7)
        await asyncio.sleep(0.1)
        os.write(port, ASKED[:3])
        await asyncio.sleep(0.2)  # 3 characters and a silence are 108 ms
        os.write(port, ASKED[3:])
        assert await requests_heard(server) == 1

    raw(talk, line="baudrate=600")


def test_a_request_into_an_answer_is_not_heard_and_one_after_a_silence_is() -> None:
    async def talk(server: Server, port: int) -> None:
        os.write(port, ASKED)
        await heard(port, 1)
        os.write(port, ASKED)
        assert await requests_heard(server) == 1
        await heard(port, 6)
        await asyncio.sleep(0.15)
        os.write(port, ASKED)
        assert await requests_heard(server, 2) == 2

    raw(talk, line="baudrate=600")


def test_a_line_is_gone_once_its_other_end_is() -> None:
    async def main() -> None:
        ours, theirs = os.openpty()
        line = SerialLine(f"rtu://{os.ttyname(theirs)}")
        os.close(ours)
        os.close(theirs)
        assert (await line.read()).characters == b""
        line.close()

    asyncio.run(main())


def test_stray_bytes_cost_no_sample() -> None:
    async def talk(_: Server, bus: Bus) -> None:
        assert await asked_often(bus, 1, 12) == (12, 0)

    on_a_line(talk, LineFaults(noise=1.0))


def test_an_echo_costs_no_sample() -> None:
    async def talk(_: Server, bus: Bus) -> None:
        assert await asked_often(bus, 1, 5) == (5, 0)

    on_a_line(talk, LineFaults(echo=True))


def test_lost_characters_cost_samples_and_falsify_none() -> None:
    async def talk(_: Server, bus: Bus) -> None:
        nothing = (await asked_often(bus, 1, 3))[1]
        assert nothing == 3

    on_a_line(talk, LineFaults(loss=0.5), timeout_s=0.05)


def test_late_answers_are_never_another_meter_s() -> None:
    async def talk(_: Server, bus: Bus) -> None:
        for unit_id in (1, 2):
            assert await asked_often(bus, unit_id, 1) == (0, 1)

    on_a_line(talk, LineFaults(late=1.0, late_s=0.15), timeout_s=0.1)


def test_another_master_falsifies_no_sample() -> None:
    async def talk(server: Server, bus: Bus) -> None:
        right, _ = await asked_often(bus, 1, 6)
        assert right

    on_a_line(talk, LineFaults(other_master_s=0.08), timeout_s=0.1)


def test_the_answers_to_another_master_are_on_the_line() -> None:
    async def talk(server: Server, port: int) -> None:
        assert await heard(port, 15) == ASKED + pack_rtu(Request(1, b""), 1, SHOWN[1:])

    raw(talk, faults=LineFaults(other_master_s=0.05))


def test_a_slow_unit_delays_no_other() -> None:
    async def talk(server: Server, bus: Bus) -> None:
        server.faults[1] = Fault(delay_s=30.0)
        with pytest.raises(NoReply):
            await bus.read(4, 0, 1, 1)
        assert await bus.read(4, 0, 1, 2) == (2020,)

    on_a_line(talk, timeout_s=0.3)


def test_line_faults_need_a_serial_line() -> None:
    with pytest.raises(ListenError, match="need rtu://"):
        Server("tcp://127.0.0.1:0", UNITS, LineFaults(echo=True))
