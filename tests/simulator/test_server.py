import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient, AsyncModbusUdpClient

from phasewatch.meters.profile import Profile
from phasewatch.simulator.device import Fault, Unit, played
from phasewatch.simulator.meter import Meter
from phasewatch.simulator.scenario import parse_scenario
from phasewatch.simulator.server import ListenError, Server

DEMO = Path(__file__).parents[2] / "config" / "scenarios" / "demo.yaml"
SDM630 = Profile.model_validate(
    {
        "id": "eastron-sdm630",
        "maker": "Eastron",
        "models": ["SDM630"],
        "kind": "energy meter",
        "sources": ["made up"],
        "function_code": 4,
        "max_words": 60,
        "align_words": 2,
        "blocks": [{"address": 0, "words": 72}, {"address": 200, "words": 26}],
        "registers": {
            name: {"address": address, "type": "f32"}
            for name, address in {
                **{f"voltage_l{n}_n": 2 * n - 2 for n in (1, 2, 3)},
                **{f"current_l{n}": 2 * n + 4 for n in (1, 2, 3)},
                "frequency": 70,
                "voltage_l1_l2": 200,
                "voltage_l2_l3": 202,
                "voltage_l3_l1": 204,
                "current_n": 224,
            }.items()
        },
    }
)
UNITS = {unit_id: Unit(SDM630, lambda: {"voltage_l1_n": 230.5}) for unit_id in (1, 2)}
LINES = ("tcp://127.0.0.1:0", "rtu+tcp://127.0.0.1:0", "udp://127.0.0.1:0", "rtu://?baudrate=19200")
Client = AsyncModbusTcpClient | AsyncModbusSerialClient | AsyncModbusUdpClient


def client_of(server: Server, timeout_s: float = 2.0) -> Client:
    quiet: dict[str, Any] = {"timeout": timeout_s, "retries": 0, "reconnect_delay": 0}
    scheme = server.url.split(":")[0]
    if scheme == "rtu":
        return AsyncModbusSerialClient(server.url[6:].split("?")[0], baudrate=19200, **quiet)
    if scheme == "udp":
        return AsyncModbusUdpClient("127.0.0.1", port=server.port, **quiet)
    framer = FramerType.RTU if scheme == "rtu+tcp" else FramerType.SOCKET
    return AsyncModbusTcpClient("127.0.0.1", port=server.port, framer=framer, **quiet)


def converse(
    talk: Callable[[Server, Client], Awaitable[None]],
    listen: str = LINES[0],
    units: dict[int, Unit] = UNITS,
    timeout_s: float = 2.0,
) -> None:
    async def main() -> None:
        async with Server(listen, units) as server:
            client = client_of(server, timeout_s)
            assert await client.connect()
            try:
                await talk(server, client)
            finally:
                client.close()

    asyncio.run(main())


def raw(
    talk: Callable[[Server, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], listen: str = LINES[0]
) -> None:
    async def main() -> None:
        async with Server(listen, UNITS) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            try:
                await talk(server, reader, writer)
            finally:
                writer.close()
                await writer.wait_closed()

    asyncio.run(main())


def floats(registers: Sequence[int]) -> list[float]:
    return list(struct.unpack(f">{len(registers) // 2}f", struct.pack(f">{len(registers)}H", *registers)))


REQUEST = bytes.fromhex("0007 0000 0006 01 04 0000 0002")
REPLY = bytes.fromhex("0007 0000 0007 01 04 04") + struct.pack(">f", 230.5)


@pytest.mark.parametrize("listen", LINES)
def test_every_line_gives_the_same_registers(listen: str) -> None:
    async def talk(server: Server, client: Client) -> None:
        for unit_id in (1, 2):
            reply = await client.read_input_registers(0, count=4, device_id=unit_id)
            assert floats(reply.registers) == [230.5, 0.0]
            await asyncio.sleep(0.01)  # the library leaves no silence between frames, which a serial line needs

    converse(talk, listen)


@pytest.mark.parametrize("listen", LINES)
def test_an_unknown_unit_stays_silent_and_the_line_lives_on(listen: str) -> None:
    async def talk(server: Server, client: Client) -> None:
        with pytest.raises(ModbusException, match="No response"):
            await client.read_input_registers(0, count=2, device_id=9)
        assert server.requests[-1].unit_id == 9
        assert not (await client.read_input_registers(0, count=2, device_id=1)).isError()

    converse(talk, listen, timeout_s=0.2)


@pytest.mark.parametrize(
    ("address", "count", "code"),
    [(72, 2, 2), (70, 4, 2), (100, 2, 2), (1, 2, 2), (0, 3, 2), (0, 62, 3)],
)
def test_a_refusal_reaches_the_client_as_an_exception_code(address: int, count: int, code: int) -> None:
    async def talk(server: Server, client: Client) -> None:
        reply = await client.read_input_registers(address, count=count, device_id=1)
        assert reply.isError()
        assert reply.exception_code == code

    converse(talk)


def test_another_function_code_is_refused() -> None:
    async def talk(server: Server, client: Client) -> None:
        assert (await client.read_holding_registers(0, count=2, device_id=1)).exception_code == 1
        assert (await client.write_register(0, 1, device_id=1)).exception_code == 1
        assert (await client.read_device_information(device_id=1)).exception_code == 1

    converse(talk)


def test_a_fault_is_of_one_unit_and_can_be_lifted() -> None:
    async def talk(server: Server, client: Client) -> None:
        server.faults[1] = Fault(refuse=6)
        assert (await client.read_input_registers(0, count=2, device_id=1)).exception_code == 6
        assert not (await client.read_input_registers(0, count=2, device_id=2)).isError()
        del server.faults[1]
        assert not (await client.read_input_registers(0, count=2, device_id=1)).isError()

    converse(talk)


@pytest.mark.parametrize("fault", [Fault(silent=True), Fault(truncate_bytes=3), Fault(unit_id=2), Fault(hang_up=True)])
def test_a_client_gets_no_answer_from_a_broken_unit(fault: Fault) -> None:
    async def talk(server: Server, client: Client) -> None:
        server.faults[1] = fault
        with pytest.raises(ModbusException):
            await client.read_input_registers(0, count=2, device_id=1)

    converse(talk, timeout_s=0.2)


@pytest.mark.parametrize(
    ("fault", "bytes_"),
    [
        (Fault(), REPLY),
        (Fault(truncate_bytes=3), REPLY[:-3]),
        (Fault(truncate_bytes=99), b""),
        (Fault(noise=b"\xff\x00"), b"\xff\x00" + REPLY),
        (Fault(unit_id=5), REPLY[:6] + b"\x05" + REPLY[7:]),
        (Fault(refuse=4), bytes.fromhex("0007 0000 0003 01 84 04")),
        (Fault(delay_s=0.01), REPLY),
        (Fault(silent=True), b""),
    ],
)
def test_a_fault_changes_the_bytes_on_the_wire(fault: Fault, bytes_: bytes) -> None:
    async def talk(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.faults[1] = fault
        writer.write(REQUEST + b"\x00\x08" + REQUEST[2:6] + b"\x02" + REQUEST[7:])
        behind = b"\x00\x08" + REPLY[2:6] + b"\x02" + REPLY[7:]
        assert await reader.readexactly(len(bytes_) + len(behind)) == bytes_ + behind

    raw(talk)


def test_hanging_up_closes_the_connection() -> None:
    async def talk(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.faults[1] = Fault(hang_up=True)
        writer.write(REQUEST)
        assert await reader.read() == b""

    raw(talk)


def test_bytes_that_are_not_modbus_close_the_connection() -> None:
    async def talk(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == b""

    raw(talk)


def test_a_request_that_comes_in_pieces_is_one_request() -> None:
    async def talk(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in (REQUEST[:3], REQUEST[3:9], REQUEST[9:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        assert await reader.readexactly(len(REPLY)) == REPLY
        assert len(server.requests) == 1

    raw(talk)


def test_two_meters_at_one_board_live_through_the_founding_case() -> None:
    now_s = 3.0
    scenario = parse_scenario(DEMO.read_text(encoding="utf-8"))
    units = {
        1: played(Meter(SDM630), scenario, lambda: now_s),
        2: played(Meter(SDM630, wiring="neutral_on_pe"), scenario, lambda: now_s),
    }

    async def talk(server: Server, client: Client) -> None:
        nonlocal now_s
        for moment_s, earth_v in ((3.0, [234, 234, 234]), (10.0, [204, 250.5, 250.5])):
            now_s = moment_s
            incomer = await client.read_input_registers(0, count=6, device_id=1)
            earth = await client.read_input_registers(0, count=6, device_id=2)
            assert floats(incomer.registers) == pytest.approx([234, 234, 234], abs=1)
            assert floats(earth.registers) == pytest.approx(earth_v, abs=1.5)

    converse(talk, units=units)


def test_stopping_drops_connections_and_frees_the_port() -> None:
    async def main() -> None:
        server = Server(LINES[0], UNITS)
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(REQUEST)
        await reader.readexactly(len(REPLY))
        await server.stop()
        assert await reader.read() == b""
        writer.close()
        async with Server(server.url, UNITS) as again:
            assert again.url == server.url

    asyncio.run(main())


def test_a_line_that_cannot_be_had_says_so(tmp_path: Path) -> None:
    async def attempt(listen: str) -> None:
        await Server(listen, UNITS).start()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for listen, complaint in (
            (f"tcp://127.0.0.1:{taken.getsockname()[1]}", "tcp://127.0.0.1"),
            (f"rtu://{tmp_path}/none", "none"),
            ("rtu://?baudrate=fast", "baudrate=fast: no such setting"),
            ("rtu://?parity=X", "parity=X: no such setting"),
            ("tcp://127.0.0.1:99999", "99999"),
            ("http://127.0.0.1", "one of tcp://"),
        ):
            with pytest.raises(ListenError, match=complaint):
                asyncio.run(attempt(listen))
