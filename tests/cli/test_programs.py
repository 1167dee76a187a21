"""The commands that run until they are stopped, as programs of their own: `simulate` and `demo`."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from phasewatch.adapters.modbus.bus import open_bus
from phasewatch.configuration.files import load_profile
from phasewatch.meters.decode import Decoder, by_address
from phasewatch.meters.endpoint import parse_url
from phasewatch.meters.profile import Profile
from phasewatch.meters.readplan import plan, tcp_cost
from tests.cli.program import Ended, ended, first_line_of, interrupted, phasewatch, started
from tests.documents import ROOT

STOP_S = 2.0
"""A command that is told to stop has ended after this."""

SHORT = """\
name: short
length_s: 20.5
feeder: {emf_l1_v: 234.8, emf_l2_v: 234.6, emf_l3_v: 234.9}
steps:
  - {at_s: 0, name: healthy}
  - {at_s: 1, name: earth, set: {source_bond_ohm: open, electrode_ohm: 30, leak_l1_pe_ohm: 210}}
  - {at_s: 4.5, name: healthy, reset: true}
  - {at_s: 7.5, name: neutral, set: {neutral_ohm: open, load_l1_n_w: 6000, load_l2_n_w: 2000, load_l3_n_w: 1500}}
  - {at_s: 11, name: healthy, reset: true}
  - {at_s: 14, name: L2 lost, set: {line_l2_ohm: open}}
  - {at_s: 17.5, name: healthy, reset: true}
"""


def read_by_pymodbus(url: str, profile: Profile, unit_id: int) -> dict[str, float]:
    """Return what a meter says to a client that is not ours."""

    async def read() -> dict[int, tuple[int, ...]]:
        host, port = url.removeprefix("tcp://").split(":")
        client = AsyncModbusTcpClient(host, port=int(port), timeout=2.0, retries=0)
        assert await client.connect()
        blocks = {}
        for request in plan(profile, profile.registers, tcp_cost()):
            ask = client.read_input_registers if request.function_code == 4 else client.read_holding_registers
            answer = await ask(request.address, count=request.count, device_id=unit_id)
            assert not answer.isError()
            blocks[request.address] = tuple(answer.registers)
        client.close()
        return blocks

    values, missing = Decoder(profile, nominal_v=230.0)(by_address(asyncio.run(read())))
    assert missing == {}
    return values


def test_a_simulated_meter_answers_and_ends_when_it_is_told_to() -> None:
    process = started("simulate", "--meter", "eastron-sdm630", "--listen", "tcp://127.0.0.1:0", "--unit-id", "7")
    try:
        line = first_line_of(process)
        up = re.fullmatch(r"unit 7 answers at (tcp://127\.0\.0\.1:\d+); stop with Ctrl-C\n", line)
        assert up is not None, line
        values = read_by_pymodbus(up[1], load_profile("eastron-sdm630"), 7)
    finally:
        answer, took_s = interrupted(process)
    assert values["voltage_l1_n"] == pytest.approx(230, rel=0.02)
    assert values["frequency"] == pytest.approx(50, abs=0.1)
    assert answer == (0, "", "")
    assert took_s < STOP_S


def test_several_meters_are_simulated_on_one_bad_serial_line() -> None:
    units, faults = ("--unit-id", "3", "--unit-id", "4"), ("--line-fault", "echo", "--line-fault", "noise=1")
    process = started("simulate", "--meter", "generic", "--listen", "rtu://?baudrate=115200", *units, *faults)

    async def read(url: str) -> list[tuple[int, ...]]:
        bus, profile = open_bus(parse_url(url), timeout_s=STOP_S), load_profile("generic")
        code, address = profile.function_code, profile.registers["voltage_l1_n"].address
        words = [await bus.read(code, address, 2, unit_id) for unit_id in (3, 4)]
        await bus.close()
        return words

    try:
        line = first_line_of(process)
        up = re.fullmatch(r"units 3, 4 answer at (rtu:///dev/pts/\d+\?baudrate=115200); stop with Ctrl-C\n", line)
        assert up is not None, line
        three, four = asyncio.run(read(up[1]))
    finally:
        interrupted(process)
    assert three != four  # each errs in its own way


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--listen", "http://127.0.0.1"), "--listen: http://127.0.0.1: no such line; one of tcp://, udp://, rtu://, "),
        (("--listen", "tcp://127.0.0.1:x"), "--listen: tcp://127.0.0.1:x: Port could not be cast to integer"),
        (("--listen", "rtu:///nowhere/tty"), "--listen: rtu:///nowhere/tty: "),
        (("--wiring", "delta"), "--wiring: delta is none of three_phase, neutral_on_pe, n_pe, l1, l2, l3"),
        (("--scenario", "gone.yaml"), "gone.yaml: cannot be read: No such file or directory"),
        (("--unit-id", "256"), "Error: Invalid value for '--unit-id'"),
        (
            ("--line-fault", "hum"),
            "--line-fault hum: no such fault of a line; there are noise, loss, late, late_s, echo",
        ),
        (("--line-fault", "echo"), "--listen: tcp://127.0.0.1:0: no serial line; its faults need rtu://"),
    ],
)
def test_a_meter_that_cannot_be_simulated_is_one_clear_line(arguments: tuple[str, str], line: str) -> None:
    given = dict((("--listen", "tcp://127.0.0.1:0"), arguments))
    words = [word for option in given.items() for word in option]
    answer = phasewatch("simulate", "--meter", "generic", *words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.lines[-1].startswith(line)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"name: x\nlength_s: 5\nfeeder: {neutral_om: 1}\n", " feeder.neutral_om: no such parameter of the feeder"),
        (b"name: [\n", "2: not YAML"),
        (b"\xff", " not UTF-8 at byte 0; save it as UTF-8"),
    ],
)
@pytest.mark.parametrize("command", [("demo",), ("simulate", "--meter", "generic", "--listen", "tcp://127.0.0.1:0")])
def test_a_scenario_that_cannot_be_played_is_named(
    command: tuple[str, ...], content: bytes, line: str, tmp_path: Path
) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_bytes(content)
    answer = phasewatch(*command, "--scenario", file)
    assert (answer.code, answer.out) == (2, "")
    assert answer.lines[0].startswith(f"{file}:{line}")


def clean(answer: Ended) -> None:
    assert answer.code == 0, answer
    assert "Traceback" not in answer.err
    assert "rror" not in answer.err.replace(str(ROOT), "")  # a checkout may lie below any folder


def test_a_demo_of_three_seconds_says_nothing_but_json() -> None:
    answer = ended(started("demo", "--seconds", 3, "--json"))
    clean(answer)
    assert all(row["schema"] == "phasewatch.alert/1" for row in answer.rows())
    assert answer.err.startswith("broker mqtt://127.0.0.1:")
    assert "0 alerts raised, 0 cleared" in answer.err


def test_a_demo_ends_when_it_is_told_to() -> None:
    process = started("demo", "--loop")
    try:
        assert process.stdout is not None
        while not process.stdout.readline().endswith(" s  healthy\n"):
            assert process.poll() is None
    finally:
        answer, took_s = interrupted(process)
    clean(answer)
    assert answer.err == ""
    assert took_s < STOP_S
    assert "events received from the broker" in answer.out


def told(event: dict[str, Any]) -> tuple[str, str, str, str]:
    return event["subject"], event["rule"], event["verdict"]["code"], event["phase"]


def test_a_short_story_raises_and_clears_each_fault_once(tmp_path: Path) -> None:
    file = tmp_path / "short.yaml"
    file.write_text(SHORT)
    answer = ended(started("demo", "--scenario", file, "--json"), timeout_s=60)
    clean(answer)
    events = answer.rows()
    assert [event["transition"] for event in events] == ["raised", "cleared"] * 3
    assert [told(event) for event in events[::2]] == [
        ("main", "earth_displacement", "earth_displaced", "L1"),
        ("main", "neutral_displacement", "neutral_open", "L1"),
        ("main", "phase_loss", "phase_lost", "L2"),
    ]
    for rise, fall in zip(events[::2], events[1::2], strict=True):
        assert rise["alert_id"] == fall["alert_id"]
        assert (rise["rule"], rise["state"], fall["state"]) == (fall["rule"], "active", "cleared")
    assert [event["seq"] for event in events] == list(range(events[0]["seq"], events[0]["seq"] + 6))
    assert "3 alerts raised, 3 cleared, 6 events received from the broker." in answer.err
