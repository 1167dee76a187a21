"""`scan`: what answers on a line, which model it is, and the site file at the end."""

import asyncio
import time
from pathlib import Path

import pytest

from phasewatch.commissioning import scan
from phasewatch.commissioning.identify import Found, identify, present
from phasewatch.commissioning.plausibility import likeness, nearest_nominal_v
from phasewatch.commissioning.scan import Wishes, endpoints, units
from phasewatch.configuration.files import load_profile
from phasewatch.meters.profile import Mark
from phasewatch.simulator.device import Fault
from tests.broker import free_port
from tests.bus import FakeBus
from tests.cli.program import (
    Ended,
    all_profiles,
    ended,
    interrupted,
    phasewatch,
    put_site,
    simulated,
    simulated_meter,
    started,
)

SDM630 = load_profile("eastron-sdm630")
QUICK = ("--timeout", "0.05")


@pytest.fixture(autouse=True)
def _profiles_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "every_profile", all_profiles)


def silence(_: str) -> None:
    pass


def accepted(answer: Ended, directory: Path) -> bool:
    site = put_site(directory, answer.json()["site"])
    return phasewatch("check", "--config", site).code == 0


def test_the_units_of_an_endpoint_are_found_with_their_profiles(tmp_path: Path) -> None:
    with simulated({2: simulated_meter(), 5: simulated_meter("carlogavazzi-em24-rs485")}) as server:
        answer = phasewatch("scan", server.url, "--units", "1-6", "--json", *QUICK)
    said = answer.json()
    assert (answer.code, answer.err) == (0, "")
    assert [one["unit_id"] for one in said["found"]] == [2, 5]
    best = [one["proposals"][0] for one in said["found"]]
    assert [one["profile"] for one in best] == ["eastron-sdm630", "carlogavazzi-em24-rs485"]
    assert [one["nominal_v"] for one in best] == [230.0, 230.0]
    assert "profile: eastron-sdm630, unit_id: 2" in said["site"]
    assert accepted(answer, tmp_path)


def test_people_are_shown_a_table_and_the_site_file() -> None:
    with simulated({1: simulated_meter()}) as server:
        answer = phasewatch("scan", server.url, "--units", "1,2", *QUICK)
    assert (answer.code, answer.err) == (0, "")
    assert "values fit: " in answer.out
    assert "\nsite: my-site\nsupply: {nominal_v: 230, frequency_hz: 50}\nbuses:\n" in answer.out


def test_nothing_that_answers_is_a_problem() -> None:
    with simulated({}) as server:
        answer = phasewatch("scan", server.url, "--units", "1-2", *QUICK)
    assert (answer.code, answer.out) == (1, "")
    assert answer.lines[-1].startswith(f"nothing answered at {server.url}; ")


def test_a_port_where_nobody_listens_is_said() -> None:
    answer = phasewatch("scan", f"tcp://127.0.0.1:{free_port()}", *QUICK)
    assert (answer.code, answer.out) == (1, "")
    assert "cannot connect" in answer.lines[0]


def test_a_gateway_that_finds_nobody_is_no_meter() -> None:
    with simulated({1: simulated_meter(), 2: simulated_meter()}) as server:
        server.faults[1] = Fault(refuse=11)
        server.faults[2] = Fault(refuse=4)
        answer = phasewatch("scan", server.url, "--units", "1-2", "--json", *QUICK)
    assert [one["unit_id"] for one in answer.json()["found"]] == [2]


def test_a_meter_that_no_profile_fits_is_listed_with_the_template(tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}) as server:
        server.faults[1] = Fault(refuse=2)
        answer = phasewatch("scan", server.url, "--units", "1", "--json", *QUICK)
        table = phasewatch("scan", server.url, "--units", "1", *QUICK)
    (one,) = answer.json()["found"]
    assert (answer.code, one["identified"], one["proposals"]) == (0, [], [])
    assert "profile: generic, unit_id: 1" in answer.json()["site"]
    assert "no profile fits" in " ".join(table.out.split())
    assert accepted(answer, tmp_path)


def test_a_meter_that_answers_to_every_unit_id_is_one_meter() -> None:
    with simulated({unit_id: simulated_meter() for unit_id in range(1, 7)}) as server:
        answer = phasewatch("scan", server.url, "--units", "1-6", "--json", *QUICK)
    assert [one["unit_id"] for one in answer.json()["found"]] == [1]
    assert "answers to every unit id" in answer.err


def test_a_serial_line_is_tried_with_every_setting(tmp_path: Path) -> None:
    from phasewatch.simulator.server import Server

    async def served() -> Ended:
        async with Server("rtu://?baudrate=115200", {3: simulated_meter()}) as server:
            device = server.url.split("?")[0]
            settings = ("--baudrates", "9600,115200", "--parities", "N")
            command = ("scan", device, "--units", "3", *settings, "--json", *QUICK)
            return await asyncio.to_thread(lambda: ended(started(*command)))

    answer = asyncio.run(served())
    assert answer.code == 0, answer.err
    found = answer.json()["found"]
    assert {one["unit_id"] for one in found} == {3}
    assert {one["url"].split("?")[1].split("&")[0] for one in found} == {"baudrate=115200"}
    assert accepted(answer, tmp_path)


def test_ctrl_c_ends_a_scan_with_what_was_found() -> None:
    with simulated({1: simulated_meter()}) as server:
        process = started("scan", server.url, "--units", "1-200", "--timeout", "5")
        while not any(request.unit_id == 2 for request in server.requests):
            assert process.poll() is None
            time.sleep(0.01)
        answer, took_s = interrupted(process)
    assert (answer.code, "Traceback" in answer.err) == (0, False)
    assert answer.lines[0].startswith("stopped")
    assert "unit_id: 1" in answer.out
    assert took_s < 5.0


def test_the_identification_registers_name_the_model() -> None:
    bus = FakeBus({1: {64514: 32}, 2: {11: 71}, 3: {11: 9}})
    for unit_id, profiles in ((1, ["eastron-sdm120"]), (2, ["carlogavazzi-em24-rs485"]), (3, [])):
        found = Found("fake://bus", unit_id)
        asyncio.run(identify(bus, found, all_profiles(), silence))
        assert found.identified == profiles
        assert found.proposals == []


def test_plausible_voltages_outweigh_an_identification_that_may_be_chance() -> None:
    like = likeness(SDM630, VOLTAGES)
    assert like is not None
    plausible = [("eastron-sdm630", like), ("eastron-sdm72d-m-v2", like)]
    assert Found("fake://bus", 1, ["algodue-upm3xx-family"]).profile == "algodue-upm3xx-family"
    assert Found("fake://bus", 1, ["algodue-upm3xx-family"], plausible).profile == "eastron-sdm630"
    assert Found("fake://bus", 1, ["eastron-sdm72d-m-v2"], plausible).profile == "eastron-sdm72d-m-v2"


def test_a_line_that_is_lost_is_given_up_and_said() -> None:
    bus = FakeBus({1: {0: 1, 1: 2}})
    bus.link_down("unplugged")
    there: list[int] = []
    why = asyncio.run(present(bus, range(1, 100), there.append, silence))
    assert there == []
    assert why is not None
    assert "unplugged" in str(why)
    assert len(bus.reads) == 3


@pytest.mark.parametrize(
    ("text", "expected"), [("1-3", [1, 2, 3]), ("7", [7]), ("1,5,100-101", [1, 5, 100, 101]), ("2,1-2", [2, 1])]
)
def test_unit_ids_are_lists_and_ranges(text: str, expected: list[int]) -> None:
    assert units(text) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ("tcp://127.0.0.1:1", "--units", "0-256"),
        ("tcp://127.0.0.1:1", "--units", "5-1"),
        ("tcp://127.0.0.1:1", "--units", "one"),
        ("tcp://127.0.0.1:1", "--baudrates", "9600"),
        ("rtu:///dev/ttyX", "--baudrates", "fast"),
        ("rtu:///dev/ttyX", "--parities", "X"),
        ("http://127.0.0.1", "--units", "1"),
    ],
)
def test_wrong_usage_is_named(arguments: tuple[str, ...]) -> None:
    answer = phasewatch("scan", *arguments)
    assert (answer.code, answer.out, len(answer.lines)) == (2, "", 1)


def test_settings_in_the_url_are_the_only_ones_tried() -> None:
    def settings(url: str) -> list[tuple[int, str]]:
        return [(one.baudrate, one.parity) for one in endpoints(Wishes(url, "1", None, None, 0.1))]

    assert settings("rtu:///dev/ttyX?baudrate=1200&parity=O") == [(1200, "O")]
    assert settings("rtu:///dev/ttyX?baudrate=1200") == [(1200, "N"), (1200, "E")]
    assert len(settings("rtu:///dev/ttyX")) == 8


VOLTAGES = {"voltage_l1_n": 231.0, "voltage_l2_n": 229.0, "voltage_l3_n": 230.0, "frequency": 50.0}


@pytest.mark.parametrize(
    ("changed", "fits"),
    [
        ({}, 4),
        ({"voltage_l1_l2": 400.0}, 5),
        ({"voltage_l1_l2": 0.0}, 4),
        ({"voltage_l1_n": 0.0}, None),
        ({"voltage_l1_n": 400.0}, None),
        ({"frequency": 500.0}, None),
        ({"frequency": 60.0}, 4),
    ],
)
def test_values_are_plausible_about_one_nominal_voltage(changed: dict[str, float], fits: int | None) -> None:
    like = likeness(SDM630, VOLTAGES | changed)
    assert (None if like is None else like.fits) == fits


def test_the_nearest_common_nominal_voltage_is_found() -> None:
    assert [nearest_nominal_v([volts]) for volts in (121, 228, 280, 0.0)] == [120.0, 230.0, 277.0, None]
    assert nearest_nominal_v([]) is None


def test_a_mark_is_numbers_or_a_text() -> None:
    assert Mark(function_code=3, address=0, words=2, equals=(65537,)).fits((1, 1))
    assert Mark(function_code=3, address=0, words=2, begins="ABC").fits((0x4142, 0x4344))
    for wrong in ({}, {"equals": (1,), "begins": "A"}):
        with pytest.raises(ValueError, match="needs either"):
            Mark(function_code=3, address=0, **wrong)
