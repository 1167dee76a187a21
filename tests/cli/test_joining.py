"""`read` and the offline `report` of points that have two meters: they are asked until they can be joined."""

from collections.abc import Mapping
from itertools import count
from pathlib import Path

import pytest

from phasewatch.cli import daemon_client
from phasewatch.configuration.files import load_profile
from phasewatch.meters.quantities import LL, LN
from phasewatch.simulator.device import Unit, played
from phasewatch.simulator.meter import Meter
from phasewatch.simulator.scenario import parse_scenario
from tests.cli.program import Ended, phasewatch, put_site, simulated
from tests.report.told import Page

DISPLACED = parse_scenario(
    "name: x\nlength_s: 9\nvoltage_wander_percent: 0\nload_wander_percent: 0\nsteps: [{at_s: 0, name: x,"
    " set: {source_bond_ohm: open, electrode_ohm: 30, leak_l1_pe_ohm: 210}}]"
)
SDM630 = load_profile("eastron-sdm630")
SOUND = {**dict.fromkeys(LN, 231.0), **dict.fromkeys(LL, 400.1)}
SITE = """\
site: plant
state_dir: {state}
buses:
  - name: board
    url: {url}
    timeout_s: 0.2
    meters:
      - {{name: incomer, profile: eastron-sdm630, point: main, interval_s: 0.1{lead}}}
      - {{name: earth, profile: eastron-sdm630, unit_id: 2, point: main, wiring: neutral_on_pe, interval_s: 0.1}}
mqtt: {{urls: ["mqtt://127.0.0.1:1"]}}
"""
NOT_YET = "Earth: not judged, the readings of its meters do not stand still together yet."


def displaced() -> dict[int, Unit]:
    return {
        1: played(Meter(SDM630), DISPLACED, lambda: 1.0),
        2: played(Meter(SDM630, "neutral_on_pe"), DISPLACED, lambda: 1.0),
    }


def showing(values: Mapping[str, float]) -> Unit:
    return Unit(SDM630, lambda: values)


def restless() -> Unit:
    """Return a meter whose voltages never stand still."""
    moments = count()
    return Unit(SDM630, lambda: {name: value - 9.0 * (next(moments) % 5) for name, value in SOUND.items()})


def read(directory: Path, units: Mapping[int, Unit], *more: str, command: str = "read", lead: str = "") -> Ended:
    with simulated(units) as server:
        file = put_site(directory, SITE.format(url=server.url, state=directory, lead=lead))
        return phasewatch(command, "--config", file, *more)


def test_read_asks_until_two_meters_make_one_picture(tmp_path: Path) -> None:
    answer = read(tmp_path, displaced())
    assert (answer.code, answer.err) == (0, "")
    assert "Verdict: earth_displaced" in answer.out
    assert "not judged" not in answer.out


def test_read_tells_machines_that_everything_is_judged(tmp_path: Path) -> None:
    (point,) = read(tmp_path, displaced(), "--json").json()["points"]
    assert (point["verdict"], point["unjudged"], point["contradiction"]) == ("earth_displaced", {}, None)


def test_read_says_that_the_earth_is_not_judged_while_its_meters_do_not_stand_still(tmp_path: Path) -> None:
    units = {1: showing(SOUND), 2: restless()}
    answer, machine = read(tmp_path, units), read(tmp_path, units, "--json")
    assert "Verdict: normal" in answer.out
    assert NOT_YET in " ".join(answer.out.split())
    assert "could not be taken together" in answer.out
    (point,) = machine.json()["points"]
    assert set(point["unjudged"].values()) == {"not_steady"}


def test_a_dead_meter_is_not_waited_for(tmp_path: Path) -> None:
    answer = read(tmp_path, {1: showing(SOUND)})
    assert answer.code == 1
    assert "Earth: not judged, its meter gives no reading." in " ".join(answer.out.split())
    assert len(answer.lines) == 1


def test_read_names_meters_that_contradict_each_other(tmp_path: Path) -> None:
    units = {1: showing(SOUND), 2: showing({**SOUND, LL[0]: 235.0})}
    answer, machine = read(tmp_path, units), read(tmp_path, units, "--json")
    assert "Verdict: impossible_point" in answer.out
    assert "L1-L2 reads 400 V at incomer and 235 V at earth" in " ".join(answer.out.split())
    (point,) = machine.json()["points"]
    assert point["contradiction"] == {
        "quantity": LL[0],
        "meters": ["incomer", "earth"],
        "values_v": pytest.approx([400.1, 235.0], abs=0.01),
    }


class TestTheReportOfASiteWithoutADaemon:
    @pytest.fixture(autouse=True)
    def _no_daemon(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(daemon_client, "SYSTEM_SOCKET", tmp_path / "control.sock")

    @staticmethod
    def report(directory: Path, units: Mapping[int, Unit], *more: str) -> str:
        answer = read(directory, units, "--out", "-", *more, command="report")
        assert answer.code == 0
        return Page(answer.out).text

    def test_it_asks_until_two_meters_make_one_picture(self, tmp_path: Path) -> None:
        assert "the earth (PE) is pulled" in self.report(tmp_path, displaced())

    def test_it_says_that_the_earth_is_not_judged(self, tmp_path: Path) -> None:
        text = self.report(tmp_path, {1: showing(SOUND), 2: restless()})
        assert NOT_YET in text
        assert "the earth (PE) is pulled" not in text
        assert "; incomplete; " in text

    @pytest.mark.parametrize(("l2_v", "verdict"), [(231.0, "contradict each other"), (0.0, "L2 is lost")])
    def test_meters_that_contradict_each_other_are_wired_wrong(self, l2_v: float, verdict: str, tmp_path: Path) -> None:
        main = SOUND if l2_v else {**SOUND, LN[1]: 0.0, **dict.fromkeys(LL[:2], 231.0)}
        earth = {**SOUND, LL[0]: 235.0} if l2_v else SOUND
        text = self.report(tmp_path, {1: showing(main), 2: showing(earth)})
        assert verdict in text
        assert "contradict each other" in text
        assert "Wiring of the meters: to be corrected first" in text

    def test_a_contradiction_is_told_in_the_language_of_the_report(self, tmp_path: Path) -> None:
        text = self.report(tmp_path, {1: showing(SOUND), 2: showing({**SOUND, LL[0]: 235.0})}, "--lang", "zh")
        assert "相互矛盾" in text
