"""`doctor` on real frames: each thing that is said to be named; over TCP and on a healthy line against `simulate` as a
program of its own, the healthy line with `doctor` as a program too."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from phasewatch.commissioning import doctor_probe
from phasewatch.configuration.files import config_directory
from phasewatch.simulator.serial_line import LineFaults
from tests.cli.program import (
    Ended,
    ended,
    first_line_of,
    interrupted,
    phasewatch,
    put_site,
    simulated,
    simulated_meter,
    started,
)

SITE = """\
site: plant
supply: {{nominal_v: {nominal_v}}}
buses:
  - name: board
    url: {url}
    timeout_s: {timeout_s}
    meters:
{meters}
mqtt: {{urls: ["mqtt://127.0.0.1:1"]}}
"""
METER = "      - {{name: meter-{unit_id}, profile: {profile}, unit_id: {unit_id}{more}}}"
TCP = "tcp://127.0.0.1:0"
PTY = "rtu://?baudrate=115200"


@contextmanager
def simulating(listen: str, *arguments: str, units: Sequence[int] = (1,)) -> Iterator[str]:
    """Run `simulate`; yield its URL."""
    unit_ids = [text for unit_id in units for text in ("--unit-id", str(unit_id))]
    process = started("simulate", "--meter", "eastron-sdm630", "--listen", listen, *unit_ids, *arguments)
    try:
        told = re.search(r" at (\S+);", first_line_of(process))
        assert told is not None
        yield told[1]
    finally:
        interrupted(process)


def site(
    directory: Path,
    url: str,
    units: Sequence[int] = (1,),
    profile: str = "eastron-sdm630",
    more: str = "",
    nominal_v: int = 230,
    timeout_s: float = 0.1,
) -> Path:
    meters = [
        METER.format(unit_id=unit_id, profile=profile, more=more if unit_id == units[-1] else more.partition(";")[0])
        for unit_id in units
    ]
    return put_site(
        directory,
        SITE.format(url=url, nominal_v=nominal_v, timeout_s=timeout_s, meters="\n".join(meters).replace(";", "")),
    )


def doctor(file: Path) -> Ended:
    return ended(started("doctor", "--json", "--config", file), timeout_s=60.0)


@pytest.fixture(autouse=True)
def _who_else_speaks_is_heard_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_probe, "LISTENING_S", 0.8)


def findings(file: Path) -> dict[str, dict[str, Any]]:
    answer = phasewatch("doctor", "--json", "--config", file)
    assert answer.code in (0, 1), answer.err
    return {one["code"]: one for one in answer.json()["findings"]}


def findings_on_a_line(directory: Path, faults: LineFaults, turnaround_s: float | None = 0.0) -> dict[str, Any]:
    """Return what is found on a serial line of two meters that is ill."""
    two = {1: simulated_meter(), 2: simulated_meter()}
    with simulated(two, PTY, turnaround_s, faults) as server:
        return findings(site(directory, server.url, (1, 2)))


def own_profile(directory: Path, *changes: tuple[str, str]) -> str:
    """Write the simulated meter's profile with errors in it, and without the examples that would show them."""
    text = (config_directory() / "meters" / "eastron-sdm630.yaml").read_text("utf-8").partition("\nexamples:")[0]
    for pattern, change in (("^id: .*", "id: acme-3"), *changes):
        assert re.search(pattern, text, re.MULTILINE), pattern
        text = re.sub(pattern, change, text, flags=re.MULTILINE)
    (directory / "meters").mkdir()
    (directory / "meters" / "acme-3.yaml").write_text(text + "\n", "utf-8")
    return "acme-3"


def test_a_healthy_line_of_four_has_no_findings_and_shows_no_bar_where_there_is_no_terminal(tmp_path: Path) -> None:
    units = (1, 2, 3, 4)
    with simulating(PTY, "--line-fault", "echo", "--line-fault", "noise=0.3", units=units) as url:
        answer = doctor(site(tmp_path, url, units))
    assert (answer.code, answer.json()["findings"], len(answer.lines)) == (0, [], 1)


def test_1_the_wrong_framing(tmp_path: Path) -> None:
    with simulating(TCP) as url:
        found = findings(site(tmp_path, url.replace("tcp", "rtu+tcp")))
    assert list(found) == ["wrong_framing"]
    assert url in found["wrong_framing"]["change"]


@pytest.mark.parametrize(
    ("code", "change", "mend"),
    [
        ("swapped_words", ("^word_order: big", "word_order: little"), "word_order"),
        ("address_off_by_one", (r"address: (\d*)([02468]),", r"address: \g<1>\g<2>,"), "every address"),
        ("wrong_function_code", ("^function_code: 4", "function_code: 3"), "function_code"),
    ],
)
def test_2_to_4_a_profile_that_is_nearly_right(code: str, change: tuple[str, str], mend: str, tmp_path: Path) -> None:
    changes = [change]
    if code == "address_off_by_one":
        changes = [("^align_words: 2", "align_words: 1"), ("^blocks:\n(  - .*\n)+", "")]
        changes += [(rf"address: (\d*){digit},", rf"address: \g<1>{digit + 1},") for digit in (8, 6, 4, 2, 0)]
    with simulating(TCP) as url:
        found = findings(site(tmp_path, url, profile=own_profile(tmp_path, *changes)))
    assert list(found) == [code]
    assert mend in found[code]["change"]


def test_5_two_masters(tmp_path: Path) -> None:
    found = findings_on_a_line(tmp_path, LineFaults(other_master_s=0.3))
    assert list(found) == ["two_masters"]
    assert re.search(r"\d+ requests on the line that were not sent from here", found["two_masters"]["seen"])


def test_6_a_line_that_is_not_terminated(tmp_path: Path) -> None:
    found = findings_on_a_line(tmp_path, LineFaults(loss=0.005))
    assert list(found) == ["noisy_line"]
    seen = found["noisy_line"]["seen"]
    assert re.match(r"CRC error rate \d+ %: \d+ of 24 answers at 115200 baud came damaged", seen)
    assert "120 ohm" in found["noisy_line"]["change"]


@pytest.mark.parametrize("apart_s", [0.001, 0.025])
def test_7_a_unit_id_twice(apart_s: float, tmp_path: Path) -> None:
    """The other answers into the first answer, or while the meter thinks (40 ms) about the next request."""
    found = findings_on_a_line(tmp_path, LineFaults(duplicate_s=apart_s), turnaround_s=None)
    assert list(found) == ["duplicate_unit_id"]
    assert found["duplicate_unit_id"]["place"] == "buses[0].meters[0].unit_id"


def test_8_the_wrong_nominal_voltage(tmp_path: Path) -> None:
    with simulating(TCP) as url:
        found = findings(site(tmp_path, url, nominal_v=120))
    assert list(found) == ["wrong_nominal_voltage"]
    assert "nominal_v: 230" in found["wrong_nominal_voltage"]["change"]


def test_9_leads_swapped_between_two_meters_of_a_point(tmp_path: Path) -> None:
    scenario = tmp_path / "uneven.yaml"
    scenario.write_text("name: uneven\nlength_s: 3600\nfeeder: {emf_l1_v: 238, emf_l2_v: 231, emf_l3_v: 224}\n")
    with simulating(TCP, "--scenario", str(scenario), units=(1, 2)) as url:
        found = findings(site(tmp_path, url, (1, 2), more=", point: main;, phases: [l2, l1, l3]"))
    assert list(found) == ["leads_swapped"]
    assert "phases: [l1, l2, l3]" in found["leads_swapped"]["change"]
