"""Foreign peers: our simulator read by mbpoll, our bus against a meter made with libmodbus."""

import asyncio
import os
import re
import select
import subprocess
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from phasewatch.adapters.modbus.bus import open_bus
from phasewatch.adapters.modbus.protocol import BusError, IllegalDataAddress, NoReply
from phasewatch.configuration.files import load_profile
from phasewatch.meters.endpoint import parse_url
from phasewatch.simulator.device import Fault, Unit
from phasewatch.simulator.server import Server
from tests.peers.program import absent, program

pytestmark = pytest.mark.peer

SOURCE = Path(__file__).with_name("meter.c")
PATIENCE_S = 10.0
SDM630 = load_profile("eastron-sdm630")
SHOWN = {"voltage_l1_n": 230.5, "voltage_l2_n": 231.25, "voltage_l3_n": 229.75}
UNITS = {unit_id: Unit(SDM630, lambda: SHOWN) for unit_id in (1, 2)}


@pytest.fixture(scope="session")
def mbpoll() -> str:
    return program("mbpoll", "mbpoll")


@pytest.fixture(scope="session")
def meter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the meter."""
    compiler, made_meter = program("gcc", "gcc libc6-dev"), tmp_path_factory.mktemp("peers") / "meter"
    if not any(Path(place, "modbus/modbus.h").exists() for place in ("/usr/include", "/usr/local/include")):
        absent("libmodbus is not installed: apt-get install libmodbus-dev")
    made = [compiler, "-Wall", "-Wextra", "-Werror", "-O1", "-o", str(made_meter), str(SOURCE), "-lmodbus"]
    done = subprocess.run(made, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return made_meter


async def polled(mbpoll: str, server: Server, *options: str) -> tuple[int, str]:
    """Read a simulator once with mbpoll; return its status and what it says."""
    line = ["-m", "rtu", "-b", "9600", "-P", "none"] if server.port == 0 else ["-m", "tcp", "-p", str(server.port)]
    place = server.url[6:].split("?")[0] if server.port == 0 else "127.0.0.1"
    command = [mbpoll, *line, "-0", "-1", *options, place]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    async with asyncio.timeout(PATIENCE_S):
        said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


def floats(said: str) -> list[float]:
    return [float(value) for value in re.findall(r"^\[\d+\]:\s+([\d.]+)", said, re.MULTILINE)]


LINES = ("tcp://127.0.0.1:0", "rtu://?baudrate=9600")


@pytest.mark.parametrize("listen", LINES)
def test_mbpoll_reads_the_simulator(listen: str, mbpoll: str) -> None:
    async def scene() -> None:
        async with Server(listen, UNITS) as server:
            for unit_id in ("1", "2"):
                status, said = await polled(mbpoll, server, "-a", unit_id, "-t", "3:float", "-B", "-r", "0", "-c", "3")
                assert (status, floats(said)) == (0, list(SHOWN.values())), said

    asyncio.run(scene())


@pytest.mark.parametrize("listen", LINES)
def test_mbpoll_is_refused_in_the_words_of_the_standard(listen: str, mbpoll: str) -> None:
    async def scene() -> None:
        async with Server(listen, UNITS) as server:
            _, said = await polled(mbpoll, server, "-t", "3", "-r", "9000", "-c", "2")
            assert "Illegal data address" in said
            _, said = await polled(mbpoll, server, "-t", "3", "-r", "0", "-c", "62")
            assert "Illegal data value" in said

    asyncio.run(scene())


@pytest.mark.parametrize("listen", LINES)
def test_mbpoll_waits_in_vain_for_a_silent_unit(listen: str, mbpoll: str) -> None:
    async def scene() -> None:
        async with Server(listen, UNITS) as server:
            server.faults[1] = Fault(silent=True)
            _, said = await polled(mbpoll, server, "-o", "0.2", "-t", "3", "-r", "0", "-c", "2")
            assert "timed out" in said
            assert len(server.requests) == 1

    asyncio.run(scene())


@contextmanager
def _running(meter: Path, *words: str) -> Iterator[str]:
    with subprocess.Popen([meter, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert select.select([process.stdout], [], [], PATIENCE_S)[0], "the meter does not listen"
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def _line() -> Iterator[tuple[str, str]]:
    """Lay a line between two pseudo terminals; yield the paths of its ends."""
    pairs = [os.openpty(), os.openpty()]
    for _, end in pairs:
        tty.setraw(end)
    (one, _), (other, _) = pairs
    loop = asyncio.get_running_loop()
    loop.add_reader(one, lambda: os.write(other, os.read(one, 4096)))
    loop.add_reader(other, lambda: os.write(one, os.read(other, 4096)))
    try:
        yield os.ttyname(pairs[0][1]), os.ttyname(pairs[1][1])
    finally:
        for ours, theirs in pairs:
            loop.remove_reader(ours)
            os.close(ours)
            os.close(theirs)


@asynccontextmanager
async def foreign(meter: Path, framing: str) -> AsyncIterator[str]:
    """Run the meter; yield the URL of its bus."""
    if framing == "tcp":
        with _running(meter, "tcp", "0") as port:
            yield f"tcp://127.0.0.1:{port}"
    else:
        with _line() as (ours, theirs), _running(meter, "rtu", theirs):
            yield f"rtu://{ours}?baudrate=9600"


def words(unit_id: int, address: int, count: int) -> tuple[int, ...]:
    return tuple(3 * place + unit_id for place in range(address, address + count))


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
@pytest.mark.parametrize("function_code", [3, 4])
def test_a_meter_of_libmodbus_is_read(framing: str, function_code: int, meter: Path) -> None:
    async def scene() -> None:
        async with foreign(meter, framing) as url:
            bus = open_bus(parse_url(url), timeout_s=PATIENCE_S)
            for address, count in ((0, 1), (17, 2), (75, 125), (199, 1)):
                assert await bus.read(function_code, address, count, 1) == words(1, address, count)
            with pytest.raises(IllegalDataAddress):
                await bus.read(function_code, 199, 2, 1)
            assert await bus.read(function_code, 5, 5, 1) == words(1, 5, 5)
            await bus.close()

    asyncio.run(scene())


def test_the_units_behind_a_gateway_of_libmodbus_are_told_apart(meter: Path) -> None:
    async def scene() -> None:
        async with foreign(meter, "tcp") as url:
            bus = open_bus(parse_url(url), timeout_s=PATIENCE_S)
            for unit_id in (1, 7, 1):
                assert await bus.read(3, 10, 4, unit_id) == words(unit_id, 10, 4)
            await bus.close()

    asyncio.run(scene())


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_a_unit_that_libmodbus_does_not_play_is_no_sample_and_the_other_lives_on(framing: str, meter: Path) -> None:
    async def scene() -> None:
        async with foreign(meter, framing) as url:
            bus = open_bus(parse_url(url), timeout_s=0.3)
            with pytest.raises(NoReply):
                await bus.read(3, 0, 1, 9)
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    try:
                        assert await bus.read(3, 0, 1, 1) == words(1, 0, 1)
                        break
                    except BusError:
                        await asyncio.sleep(0.05)
            await bus.close()

    asyncio.run(scene())
