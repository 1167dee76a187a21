"""`scan` with real frames: several models on a line, other settings, one function, slow meters, a terminal."""

import os
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from phasewatch.commissioning import scan
from phasewatch.meters.profile import Mark
from phasewatch.simulator.device import Fault, Unit
from tests.cli.program import SITE, Ended, all_profiles, phasewatch, put_site, simulated, simulated_meter

QUICK = ("--timeout", "0.05")
PTY = "rtu://?baudrate=115200"
"""Frames take the time that they take at the baud rate: a fast line asks the same in less."""
FEW = ("carlogavazzi-em24-rs485", "eastron-sdm120", "eastron-sdm630", "generic", "schneider-pm5000")
"""Enough where it is not the choice among models that matters: each answer of a slow meter is waited for."""


@pytest.fixture(autouse=True)
def _profiles_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "every_profile", all_profiles)


@pytest.fixture
def few_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "every_profile", lambda: {name: all_profiles()[name] for name in FEW})


def accepted(answer: Ended, directory: Path) -> bool:
    return phasewatch("check", "--config", put_site(directory, answer.json()["site"])).code == 0


def found_at(answer: Ended) -> list[tuple[int, str]]:
    """Return unit and profile of all that was found."""
    assert answer.code == 0, answer.err
    return [(one["unit_id"], (one["identified"] or [p["profile"] for p in one["proposals"]] or [""])[0])
            for one in answer.json()["found"]]  # fmt: skip


def of_model(profile_id: str) -> Unit:
    """Return a meter that has its identification registers too."""
    bare = simulated_meter(profile_id)
    return Marked(bare.profile, bare.values)


class Marked(Unit):
    """A meter with its identification registers."""

    def answer(self, pdu: bytes) -> bytes:
        code, address, count = struct.unpack(">BHH", pdu)
        for mark in self.profile.identification:
            if (mark.function_code, mark.address, mark.words) == (code, address, count) and mark.equals:
                return struct.pack(f">BB{count}H", code, 2 * count, *words_of(mark))
        answer = super().answer(pdu)
        return answer if answer[1:] != b"\1" else answer[:1] + b"\2"  # it knows the function of its marks


def words_of(mark: Mark) -> tuple[int, ...]:
    number = mark.equals[0]
    return tuple(number >> 16 * place & 0xFFFF for place in reversed(range(mark.words)))


class OneFunction(Unit):
    """A meter that is silent, or refuses, where it is asked with another function than its own."""

    refuses = False

    def answer(self, pdu: bytes) -> bytes:
        if pdu[0] == self.profile.function_code:
            return super().answer(pdu)
        return bytes((pdu[0] | 0x80, 1)) if self.refuses else b""


class Refusing(OneFunction):
    refuses = True


def test_models_on_one_line_are_told_by_identification_and_by_voltages(tmp_path: Path) -> None:
    mixed = {1: simulated_meter(), 2: of_model("carlogavazzi-em24-rs485"), 4: of_model("eastron-sdm120")}
    for listen in (PTY, "tcp://127.0.0.1:0", "rtu+tcp://127.0.0.1:0"):
        with simulated(mixed, listen) as server:
            answer = phasewatch("scan", server.url, "--units", "1-4", "--json", *QUICK)
        assert found_at(answer) == [(1, "eastron-sdm630"), (2, "carlogavazzi-em24-rs485"), (4, "eastron-sdm120")]
        assert [one["identified"] for one in answer.json()["found"]][1:] == [
            ["carlogavazzi-em24-rs485"], ["eastron-sdm120"]
        ]  # fmt: skip
        assert accepted(answer, tmp_path)


def test_at_another_baud_rate_nobody_is_heard_and_a_setting_that_the_port_refuses_harms_no_other(
    tmp_path: Path,
) -> None:
    with simulated({1: simulated_meter(), 3: simulated_meter()}, PTY) as server:
        device = server.url.split("?")[0]
        settings = ("--baudrates", "9600,115200", "--parities", "E,N")
        answer = phasewatch("scan", device, "--units", "1-3", *settings, "--json", *QUICK)
    assert [one["unit_id"] for one in answer.json()["found"]] == [1, 3]
    assert {one["url"].split("?")[1] for one in answer.json()["found"]} == {"baudrate=115200&parity=N&stopbits=1"}
    assert accepted(answer, tmp_path)


@pytest.mark.usefixtures("few_profiles")
@pytest.mark.parametrize("listen", [PTY, "tcp://127.0.0.1:0"])
@pytest.mark.parametrize("kind", [OneFunction, Refusing])
@pytest.mark.parametrize("profile_id", ["eastron-sdm630", "schneider-pm5000"])
def test_a_meter_of_one_function_is_met(profile_id: str, kind: type[Unit], listen: str) -> None:
    bare = simulated_meter(profile_id)
    with simulated({2: kind(bare.profile, bare.values)}, listen) as server:
        answer = phasewatch("scan", server.url, "--units", "2,3", "--json", *QUICK)
    assert [one["unit_id"] for one in answer.json()["found"]] == [2]
    assert profile_id in [one["profile"] for one in answer.json()["found"][0]["proposals"]]


@pytest.mark.usefixtures("few_profiles")
@pytest.mark.parametrize("listen", [PTY, "tcp://127.0.0.1:0"])
def test_a_slow_meter_is_met_with_the_usual_time_out(listen: str, tmp_path: Path) -> None:
    with simulated({1: simulated_meter(), 2: simulated_meter()}, listen) as server:
        server.faults[2] = Fault(delay_s=0.35)
        answer = phasewatch("scan", server.url, "--units", "1-2", "--json")
    assert found_at(answer) == [(1, "eastron-sdm630"), (2, "eastron-sdm630")]
    assert accepted(answer, tmp_path)
    if listen == PTY:
        assert "unit 2 answers later than 0.3 s" in answer.err
        assert "timeout_s: 1\n" in answer.json()["site"]


@pytest.mark.parametrize("command", ["scan", "doctor"])
def test_long_work_shows_a_bar_on_a_terminal(command: str, tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}) as server:
        site = put_site(tmp_path, SITE.format(url=server.url, meter=""))
        what = {"scan": ("scan", server.url, "--units", "1-3", *QUICK), "doctor": ("doctor", "--config", site)}[command]
        shown = on_a_terminal(*what)
    assert "━" in shown


def on_a_terminal(*arguments: object) -> str:
    """Run a command whose stderr is a terminal; return what it shows there."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "phasewatch", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=os.environ | {"TERM": "xterm"}) as ran:
        os.close(theirs)
        shown = b""
        with suppress(OSError):
            while chunk := os.read(ours, 4096):
                shown += chunk
        assert ran.wait(20) == 0
    os.close(ours)
    return shown.decode()
