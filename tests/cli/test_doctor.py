"""`doctor`: what is wrong with a bus or a meter is named, with what to change."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from phasewatch.commissioning import doctor_probe
from phasewatch.commissioning.doctor_evidence import BusSeen, Finding, Kind, MeterSeen, PointSeen
from phasewatch.commissioning.doctor_findings import findings
from phasewatch.commissioning.plausibility import MISREADINGS, Misreading, at_point, misreadings, swapped_phases
from phasewatch.configuration.files import load_profile
from phasewatch.meters.measuring_point import Member
from phasewatch.meters.profile import Profile
from phasewatch.simulator.device import Fault, Unit
from phasewatch.simulator.feeder import OPEN, Feeder, solve
from phasewatch.simulator.meter import Meter, Wiring
from phasewatch.simulator.server import Server
from tests.cli.program import SITE, Ended, phasewatch, put_site, simulated, simulated_meter

RTU = "rtu+tcp://127.0.0.1:0"
SDM630 = load_profile("eastron-sdm630")
UNEVEN = Feeder(emf_l1_v=238.0, emf_l2_v=231.0, emf_l3_v=224.0)
TWO = "\n      - {{name: second, profile: eastron-sdm630, unit_id: 2{more}}}\nmqtt"


@pytest.fixture(autouse=True)
def _who_else_speaks_is_heard_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_probe, "LISTENING_S", 0.1)


def doctor(directory: Path, text: str) -> Ended:
    return phasewatch("doctor", "--json", "--config", put_site(directory, text))


def told(answer: Ended) -> list[tuple[str, str]]:
    """Return code and place of every finding."""
    found = answer.json()["findings"]
    assert answer.code == (1 if found else 0)
    assert all(set(one) == {"code", "place", "seen", "means", "change"} and all(one.values()) for one in found)
    return [(one["code"], one["place"]) for one in found]


def site(server: Server, second: str | None = None, url: str | None = None, meter: str = ", unit_id: 1") -> str:
    text = SITE.format(url=url or server.url, meter=meter).replace("timeout_s: 0.2", "timeout_s: 0.05")
    return text if second is None else text.replace("\nmqtt", TWO.format(more=second), 1)


def on_feeder(feeder: Feeder, profile: Profile = SDM630, wiring: Wiring = "three_phase") -> Unit:
    meter = Meter(profile, wiring)
    return Unit(profile, lambda: meter.readings(solve(feeder)))


def mended(wrong: Misreading, profile: Profile = SDM630) -> Unit:
    """Return a meter of which the profile is wrong in this way."""
    return on_feeder(Feeder(), next(right for one, right in misreadings(profile) if one == wrong))


class Sometimes(dict[int, Fault]):
    """Faults of which only every third request of a unit suffers."""

    def __init__(self, faults: Mapping[int, Fault]) -> None:
        super().__init__(faults)
        self.asked: Counter[int] = Counter()

    def get(self, unit_id: int, sound: Any = None) -> Any:
        self.asked[unit_id] += 1
        return super().get(unit_id, sound) if self.asked[unit_id] % 3 == 0 else sound


def test_a_healthy_site_has_no_findings(tmp_path: Path) -> None:
    with simulated({1: simulated_meter(), 2: simulated_meter()}) as server:
        text = site(server, ", point: incomer")
        answer = doctor(tmp_path, text)
        shown = phasewatch("doctor", "--config", put_site(tmp_path, text))
    assert told(answer) == []
    assert (shown.code, shown.out) == (0, "No problem found.\n")


@pytest.mark.parametrize(("spoken", "configured"), [("tcp", "rtu+tcp"), ("rtu+tcp", "tcp")])
def test_the_wrong_framing_is_named(spoken: str, configured: str, tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}, f"{spoken}://127.0.0.1:0") as server:
        answer = doctor(tmp_path, site(server, url=server.url.replace(spoken, configured)))
    assert told(answer) == [("wrong_framing", "buses[0].url")]
    assert server.url in answer.json()["findings"][0]["change"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (Misreading(swapped=True), "swapped_words"),
        (Misreading(offset=1), "address_off_by_one"),
        (Misreading(other_function=True), "wrong_function_code"),
    ],
)
def test_a_profile_that_is_nearly_right_is_named(wrong: Misreading, code: str, tmp_path: Path) -> None:
    with simulated({1: mended(wrong)}) as server:
        answer = doctor(tmp_path, site(server))
    assert told(answer) == [(code, "buses[0].meters[0].profile")]


def test_two_errors_at_once_are_both_named(tmp_path: Path) -> None:
    with simulated({1: mended(Misreading(offset=1, other_function=True))}) as server:
        answer = doctor(tmp_path, site(server))
    assert [code for code, _ in told(answer)] == ["address_off_by_one", "wrong_function_code"]


def test_either_direction_of_an_address_off_by_one_is_told_for_any_map(tmp_path: Path) -> None:
    for name in ("janitza-umg511", "camillebauer-aplus", "abb-b23-b24", "schneider-pm5000"):
        for offset in (-1, 1):
            profile = load_profile(name)
            with simulated({1: mended(Misreading(offset=offset), profile)}) as server:
                answer = doctor(tmp_path, site(server).replace("eastron-sdm630", name))
            assert told(answer) == [("address_off_by_one", "buses[0].meters[0].profile")], (name, offset)
            sign = "add 1 to" if offset > 0 else "take 1 from"
            assert sign in answer.json()["findings"][0]["change"]


def test_another_model_is_named(tmp_path: Path) -> None:
    with simulated({1: simulated_meter("carlogavazzi-em24-rs485")}) as server:
        answer = doctor(tmp_path, site(server))
    assert told(answer) == [("wrong_profile", "buses[0].meters[0].profile")]
    assert "carlogavazzi-em24-rs485" in answer.json()["findings"][0]["means"]


@pytest.mark.parametrize("listen", ["tcp://127.0.0.1:0", RTU])
def test_a_unit_that_answers_in_place_of_the_one_asked_is_named(
    listen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_probe, "OTHER_UNITS", range(5, 9))  # each that is silent costs a serial line its quiet
    with simulated({7: simulated_meter()}, listen) as server:
        answer = doctor(tmp_path, site(server))
    assert told(answer) == [("other_unit_id", "buses[0].meters[0].unit_id")]
    assert "set unit_id: 7" in answer.json()["findings"][0]["change"]


def test_a_meter_that_is_off_is_named_and_the_others_are_not(tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}) as server:
        answer = doctor(tmp_path, site(server, ""))
    assert told(answer) == [("no_answer", "buses[0].meters[1].unit_id")]


def test_an_endpoint_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    answer = doctor(tmp_path, SITE.format(url="tcp://127.0.0.1:1", meter=""))
    assert told(answer) == [("unreachable", "buses[0].url")]


def test_a_line_on_which_answers_are_damaged_now_and_then_is_named(tmp_path: Path) -> None:
    with simulated({1: simulated_meter(), 2: simulated_meter()}, RTU) as server:
        server.faults = Sometimes({1: Fault(truncate_bytes=3), 2: Fault(truncate_bytes=1)})
        answer = doctor(tmp_path, site(server, ""))
    assert told(answer) == [("noisy_line", "buses[0]")]


def test_one_unit_whose_answers_collide_among_clean_ones_is_named(tmp_path: Path) -> None:
    with simulated({1: simulated_meter(), 2: simulated_meter()}, RTU) as server:
        server.faults = {2: Fault(truncate_bytes=2)}
        answer = doctor(tmp_path, site(server, ""))
    assert told(answer) == [("duplicate_unit_id", "buses[0].meters[1].unit_id")]


def test_a_meter_that_refuses_everything_is_named(tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}) as server:
        server.faults = {1: Fault(refuse=4)}
        answer = doctor(tmp_path, site(server))
    assert told(answer) == [("refuses", "buses[0].meters[0].profile")]


@pytest.mark.parametrize("fault", [Fault(silent=True), Fault(hang_up=True)])
def test_a_meter_that_leaves_out_answers_is_named(fault: Fault, tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}) as server:
        server.faults = Sometimes({1: fault})
        answer = doctor(tmp_path, site(server))
    assert told(answer) == [("misses_requests", "buses[0].timeout_s")]


def test_answers_to_another_master_are_named(tmp_path: Path) -> None:
    with simulated({1: simulated_meter(), 2: simulated_meter()}, RTU) as server:
        server.faults = Sometimes({1: Fault(unit_id=9)})
        answer = doctor(tmp_path, site(server, ""))
    assert told(answer) == [("two_masters", "buses[0]")]


def test_a_wrong_nominal_voltage_is_named_where_it_is_set(tmp_path: Path) -> None:
    low = Feeder(nominal_v=120.0, emf_l1_v=121.0, emf_l2_v=121.0, emf_l3_v=121.0)
    with simulated({1: on_feeder(low)}) as server:
        answer = doctor(tmp_path, site(server))
        own = doctor(tmp_path, site(server) + "points: {incomer: {supply: {nominal_v: 230}}}\n")
    assert told(answer) == [("wrong_nominal_voltage", "supply.nominal_v")]
    assert told(own) == [("wrong_nominal_voltage", "points.incomer.supply.nominal_v")]
    assert "nominal_v: 120 " in own.json()["findings"][0]["change"]


@pytest.mark.parametrize("wiring", ["three_phase", "neutral_on_pe"])
def test_leads_swapped_between_two_meters_of_a_point_are_named(wiring: Wiring, tmp_path: Path) -> None:
    turned = Feeder(emf_l1_v=UNEVEN.emf_l2_v, emf_l2_v=UNEVEN.emf_l1_v, emf_l3_v=UNEVEN.emf_l3_v,
                    load_l1_n_w=UNEVEN.load_l2_n_w, load_l2_n_w=UNEVEN.load_l1_n_w)  # fmt: skip
    more = f", point: incomer, wiring: {wiring}"
    with simulated({1: on_feeder(UNEVEN), 2: on_feeder(turned, wiring=wiring)}) as server:
        answer = doctor(tmp_path, site(server, more))
        put_right = doctor(tmp_path, site(server, f"{more}, phases: [l2, l1, l3]"))
    assert told(answer) == [("leads_swapped", "buses[0].meters[1].phases")]
    assert "phases: [l2, l1, l3]" in answer.json()["findings"][0]["change"]
    assert told(put_right) == []


def test_a_schedule_that_cannot_be_kept_is_named(tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}, RTU) as server:
        url = f"{server.url}?baudrate=1200"
        answer = doctor(tmp_path, site(server, url=url, meter=", unit_id: 1, interval_s: 0.1"))
    assert told(answer) == [("impossible_schedule", "buses[0].meters")]


@pytest.mark.parametrize("name", ["eastron-sdm630", "carlogavazzi-em24-rs485", "chint-dtsu666", "schneider-pm800"])
@pytest.mark.parametrize("fault", [{"emf_l1_v": 0.0}, {"neutral_ohm": OPEN}, {"emf_l1_v": 0.0, "emf_l3_v": 0.0}])
def test_a_fault_of_the_supply_is_no_fault_of_the_profile(fault: dict[str, float], name: str, tmp_path: Path) -> None:
    with simulated({1: on_feeder(Feeder(**fault), load_profile(name))}) as server:
        assert told(doctor(tmp_path, site(server).replace("eastron-sdm630", name))) == []


def test_people_are_told_place_and_mend(tmp_path: Path) -> None:
    with simulated({7: simulated_meter()}) as server:
        answer = phasewatch("doctor", "--config", put_site(tmp_path, site(server)))
    lines = answer.out.splitlines()
    assert (answer.code, lines[0]) == (1, "buses[0].meters[0].unit_id: other_unit_id")
    assert [line.split()[0] for line in lines[1:]] == ["seen", "means", "change"]


def test_every_misreading_mends_itself() -> None:
    assert len(MISREADINGS) == 11
    assert [one.changes for one in MISREADINGS] == sorted(one.changes for one in MISREADINGS)
    for wrong, right in misreadings(load_profile("schneider-pm5000")):
        back = Misreading(wrong.swapped, -wrong.offset, wrong.other_function)
        again = next(profile for one, profile in misreadings(right) if one == back)
        assert again.registers == load_profile("schneider-pm5000").registers


def meter_seen(**kinds: int) -> MeterSeen:
    counted: Counter[Kind] = Counter(kinds)  # type: ignore[arg-type]
    return MeterSeen("buses[0].meters[0]", "incomer", "generic", 1, counted, "no answer")


def codes(*meters: MeterSeen, serial_line: bool = True, other_units: tuple[int, ...] = ()) -> list[str]:
    bus = BusSeen("buses[0]", "rtu:///dev/ttyX", serial_line, 50.0, list(meters), None, other_units=other_units)
    return [one.code for one in findings([bus], [])]


@pytest.mark.parametrize(
    ("meters", "expected"),
    [
        ([meter_seen(words=12)], []),
        ([meter_seen(words=11, silent=1)], []),
        ([meter_seen(words=11, damaged=1)], ["noisy_line"]),
        ([meter_seen(words=11, damaged=1), meter_seen(words=12)], ["noisy_line"]),
        ([meter_seen(words=6, damaged=6), meter_seen(words=12)], ["duplicate_unit_id"]),
        ([meter_seen(words=6, damaged=6), meter_seen(words=11, damaged=1)], ["noisy_line"]),
        ([meter_seen(damaged=12)], ["noisy_line"]),
        ([meter_seen(words=11, babble=1)], ["two_masters"]),
        ([meter_seen(silent=3)], ["no_answer"]),
        ([meter_seen(unreachable=3)], ["unreachable"]),
        ([meter_seen(refused=3)], ["refuses"]),
        ([meter_seen(words=8, silent=4)], ["misses_requests"]),
    ],
)
def test_evidence_has_one_meaning(meters: list[MeterSeen], expected: list[str]) -> None:
    assert codes(*meters) == expected


def test_damaged_answers_are_no_matter_of_the_line_where_there_is_none() -> None:
    assert codes(meter_seen(words=11, damaged=1), serial_line=False) == []
    assert codes(meter_seen(damaged=12), serial_line=False) == ["no_answer"]


def test_line_settings_are_told_from_framings() -> None:
    bus = BusSeen("buses[0]", "rtu:///dev/ttyX", True, 50.0, [meter_seen(silent=3)], "rtu:///dev/ttyX?baudrate=19200")
    assert [one.code for one in findings([bus], [])] == ["wrong_line_settings"]


def test_a_point_without_doubt_has_no_finding() -> None:
    found: Callable[[], list[Finding]] = lambda: findings([], [PointSeen("supply.nominal_v", 230.0)])  # noqa: E731
    assert found() == []


def test_leads_are_not_judged_by_voltages_that_are_alike() -> None:
    values = {"voltage_l1_n": 230.4, "voltage_l2_n": 230.0, "voltage_l3_n": 229.6}
    turned = {"voltage_l1_n": 230.0, "voltage_l2_n": 230.4, "voltage_l3_n": 229.6}
    assert swapped_phases(at_point(Member("a"), values), Member("b"), turned, 2.3) is None
    assert swapped_phases({}, Member("b"), turned, 2.3) is None
