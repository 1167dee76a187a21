"""SunSpec meters through the poller and the commands: on a fake bus, over real TCP, and against foreign frames."""

import asyncio
import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from phasewatch.commissioning.one_poll import poll_once
from phasewatch.configuration.files import load_profile
from phasewatch.meters.decode import example_problems
from phasewatch.meters.profile import Example, Profile
from phasewatch.meters.quantities import LL, LN
from phasewatch.service.build import meter_plan
from phasewatch.service.poller import BusPoller
from phasewatch.simulator.device import Unit, chain
from tests.cli.program import (
    SITE,
    Ended,
    first_line_of,
    interrupted,
    phasewatch,
    put_site,
    simulated,
    simulated_meter,
    started,
)
from tests.modbus_server import Asked, ScriptedMeter, listening
from tests.polled import Heard, Timed, poll
from tests.service.site import HEALTHY, bus, meter, site
from tests.service.turned_time import TurnedClock, run_turned

INT_ID, FLOAT_ID = "sunspec-201-204-int", "sunspec-211-214-float"
INT, FLOAT = load_profile(INT_ID), load_profile(FLOAT_ID)
BOTH = pytest.mark.parametrize("profile", [INT, FLOAT], ids=lambda profile: profile.id)


class Scene:
    """One SunSpec meter on a fake bus, polled each second in turned time."""

    def __init__(self, profile: Profile) -> None:
        loaded = site(bus(meter("m1", profile=profile.id, interval_s=1.0)))
        settings = loaded.site.buses[0]
        self.line, self.heard = Timed({1: chain(profile, HEALTHY)}), Heard()
        self.line.asked_s = []
        plan = meter_plan(loaded, settings, settings.meters[0])
        self.poller = BusPoller("board", self.line, [(plan, 0.0)], self.heard, TurnedClock())

    async def run(self, *parts: float | Callable[[], object]) -> "Scene":
        await poll(self.poller, *parts)
        return self


def played(profile: Profile, *parts: Callable[[Scene], object] | float) -> Scene:
    async def play() -> Scene:
        scene = Scene(profile)
        return await scene.run(*(part if isinstance(part, float) else lambda p=part: p(scene) for part in parts))

    return run_turned(play())


@BOTH
def test_the_first_poll_walks_the_chain_and_every_poll_is_a_reading(profile: Profile) -> None:
    scene = played(profile, 3.5)
    counts = [request.count for request in scene.line.reads]
    assert counts == [2, 2, 2, *[36 if profile is FLOAT else 23] * 4]
    assert len(scene.heard.readings) == 4
    assert scene.heard.failures == []
    for reading in scene.heard.readings:
        assert reading.missing == {}
        assert reading.values == pytest.approx({name: HEALTHY[name] for name in profile.registers}, rel=1e-3)


@BOTH
def test_a_map_that_changes_costs_one_poll_and_is_never_misread(profile: Profile) -> None:
    delta = max(profile.sunspec.models) if profile.sunspec else 0

    def reflash(scene: Scene) -> None:
        scene.line.units[1] = chain(profile, HEALTHY, model=delta)

    scene = played(profile, 1.5, reflash, 2.0)
    ((name, why),) = scene.heard.failures
    assert name == "m1"
    assert "stood SunSpec model" in why
    assert f"now model {delta} " in why
    before, after = scene.heard.readings[1], scene.heard.readings[2]
    assert {*LN, *LL} <= before.values.keys()
    assert set(LL) <= after.values.keys()
    assert all(after.missing[name] for name in LN)


def test_a_device_that_becomes_another_goes_offline_and_comes_back() -> None:
    def other(scene: Scene) -> None:
        scene.line.units[1] = dict.fromkeys(range(40000, 40300), 230)

    def itself(scene: Scene) -> None:
        scene.line.units[1] = chain(INT, HEALTHY)

    scene = played(INT, 1.5, other, 30.0, itself, 61.0)
    assert len(scene.heard.failures) < 15  # probed ever more rarely
    assert scene.heard.readings[-1].values[LN[0]] == pytest.approx(231.0, rel=1e-3)
    assert not any(reading.values.get(LN[0]) == 230.0 for reading in scene.heard.readings)


def test_a_scale_factor_that_changes_changes_no_value() -> None:
    def fewer_digits(scene: Scene) -> None:
        scene.line.units[1] = chain(INT, {**HEALTHY, LL[0]: 4000.0})

    scene = played(INT, 0.5, fewer_digits, 1.0)
    first, second = scene.heard.readings
    assert second.values[LN[0]] == pytest.approx(first.values[LN[0]], rel=1e-2)


def command(name: str, url: str, directory: Path, *arguments: str, profile: str = INT_ID) -> Ended:
    text = SITE.format(url=url, meter="").replace("eastron-sdm630", profile)
    return phasewatch(name, "--config", put_site(directory, text), *arguments)


@BOTH
def test_a_simulated_meter_is_read_over_tcp(profile: Profile, tmp_path: Path) -> None:
    with simulated({1: simulated_meter(profile.id)}) as server:
        answer = command("read", server.url, tmp_path, "--json", profile=profile.id)
    (read,), (point,) = answer.json()["meters"], answer.json()["points"]
    assert (answer.code, answer.err, read["missing"]) == (0, "", {})
    assert read["values"].keys() == profile.registers.keys()
    assert read["values"][LN[0]] == pytest.approx(230.0, rel=0.02)
    assert point["verdict"] == "normal"


def test_the_simulator_is_a_program_that_serves_the_chain(tmp_path: Path) -> None:
    process = started("simulate", "--meter", INT_ID, "--listen", "tcp://127.0.0.1:0")
    try:
        up = re.fullmatch(r"unit 1 answers at (tcp://127\.0\.0\.1:\d+); stop with Ctrl-C\n", first_line_of(process))
        assert up is not None
        answer = command("read", up[1], tmp_path)
    finally:
        interrupted(process)
    assert (answer.code, answer.err) == (0, "")
    assert "Verdict: normal" in answer.out


@BOTH
def test_the_words_of_a_poll_are_an_example_with_the_header(profile: Profile, tmp_path: Path) -> None:
    with simulated({1: simulated_meter(profile.id)}) as server:
        answer = command("read", server.url, tmp_path, "--raw", profile=profile.id)
    (example,) = [Example.model_validate(entry) for entry in yaml.safe_load(answer.out)["examples"]]
    assert answer.code == 0
    assert list(example.words) == [0]
    assert example.words[0][0] in (203, 213)
    assert example.values.keys() == profile.registers.keys()
    assert example_problems(profile.model_copy(update={"examples": (example,)})) == []


def test_a_device_without_the_models_is_a_failure_that_says_what_it_has(tmp_path: Path) -> None:
    with simulated({1: simulated_meter(FLOAT_ID)}) as server:
        answer = command("read", server.url, tmp_path)
    assert answer.code == 1
    assert answer.lines[-1] == (
        "meter incomer: unit 1: the SunSpec chain has models 1, 213, and none of 201, 202, 203, 204 that is whole"
    )


def test_check_plans_the_model_at_its_usual_place_and_says_so(tmp_path: Path) -> None:
    answer, said = command("check", "tcp://127.0.0.1:1", tmp_path), command("check", "tcp://h", tmp_path, "--json")
    (planned,) = said.json()["buses"][0]["meters"]
    assert (answer.code, said.code) == (0, 0)
    assert "incomer: the chain of SunSpec models is walked at the first poll" in answer.out
    assert (planned["plan"], planned["walks_chain"]) == ([[3, 40069, 23]], True)


def test_a_profile_is_shown_with_its_models() -> None:
    answer, said = phasewatch("meters", "show", INT_ID), phasewatch("meters", "show", INT_ID, "--json")
    assert "SunSpec models 201, 202, 203, 204" in answer.out
    assert list(said.json()["sunspec"]["models"]) == ["201", "202", "203", "204"]


@BOTH
def test_scan_finds_the_model_by_the_chain(profile: Profile) -> None:
    with simulated({3: simulated_meter(profile.id)}) as server:
        answer = phasewatch("scan", server.url, "--units", "3", "--json", "--timeout", "0.05")
    (found,) = answer.json()["found"]
    assert found["identified"] == [profile.id]
    assert found["proposals"][0]["profile"] == profile.id
    assert f"profile: {profile.id}, unit_id: 3" in answer.json()["site"]


def test_doctor_finds_nothing_wrong_with_a_sunspec_meter(tmp_path: Path) -> None:
    with simulated({1: simulated_meter(FLOAT_ID)}) as server:
        answer = command("doctor", server.url, tmp_path, "--json", profile=FLOAT_ID)
    assert (answer.code, answer.json()["findings"]) == (0, [])


def test_doctor_names_the_models_that_the_device_has_instead(tmp_path: Path) -> None:
    with simulated({1: simulated_meter(FLOAT_ID)}) as server:
        answer = command("doctor", server.url, tmp_path, "--json")
    (finding,) = answer.json()["findings"]
    assert (finding["code"], finding["change"]) == ("wrong_profile", f"try profile: {FLOAT_ID}")


def foreign(*headers_and_bodies: Sequence[int], base: int) -> dict[int, int]:
    words = [word for part in headers_and_bodies for word in part]
    return dict(enumerate(words, start=base))


def floats(*values: float) -> list[int]:
    return list(struct.unpack(f">{2 * len(values)}H", struct.pack(f">{len(values)}f", *values)))


NAN = float("nan")
INVERTER = foreign(
    (0x5375, 0x6E53),
    (1, 66, *[0x2020] * 66),
    (103, 50, *[0x8000] * 50),
    (212, 124, *floats(3, 1, 2, NAN, 120, 119.5, 120.5, 0, 240, 240, 0, 0, 60, 400), *floats(*[NAN] * 48)),
    (0xFFFF, 0),
    base=50000,
)
"""An inverter with a split-phase meter behind it."""


def test_a_foreign_device_is_read_with_what_a_split_phase_meter_sees(tmp_path: Path) -> None:
    device = ScriptedMeter("tcp")

    def script(asked: Asked) -> Sequence[tuple[float, bytes]]:
        places = range(asked.address, asked.address + asked.count)
        if not all(place in INVERTER for place in places):
            return [(0.0, asked.refusal(2))]
        words = [INVERTER[place] for place in places]
        return [(0.0, asked.frame(struct.pack(f">BB{len(words)}H", asked.function_code, 2 * len(words), *words)))]

    device.script = script

    async def read() -> dict[str, float]:
        async with listening(device, "tcp", tmp_path) as url:
            (poll,) = await poll_once(site(bus(meter("m1", profile=FLOAT_ID), url=url)))
        assert poll.reading is not None, poll.failure
        assert poll.reading.missing[LN[2]] == "SunSpec model 212 does not see it"
        return poll.reading.values

    values = asyncio.run(read())
    assert values == {
        LN[0]: 119.5,
        LN[1]: 120.5,
        LL[0]: 240.0,
        "current_l1": 1.0,
        "current_l2": 2.0,
        "frequency": 60.0,
        "active_power_total": 400.0,
    }
    walk = [(asked.address, asked.count) for asked in device.asked]
    assert walk == [(40000, 2), (50000, 2), (50002, 2), (50070, 2), (50122, 2), (50122, 36)]


def test_a_simulated_device_refuses_what_is_not_in_its_chain() -> None:
    unit = Unit(INT, lambda: HEALTHY)
    end = 40000 + len(chain(INT, {}))
    for address, count in ((39999, 2), (end - 1, 2), (0, 2)):
        assert unit.answer(struct.pack(">BHH", 3, address, count)) == b"\x83\x02"
    assert unit.answer(struct.pack(">BHH", 3, end - 2, 2)) == b"\x03\x04\xff\xff\x00\x00"
    assert unit.answer(struct.pack(">BHH", 3, 40004, 5))[2:] == b"phasewatch"
