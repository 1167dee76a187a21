from collections.abc import Mapping
from datetime import timedelta
from itertools import permutations

import pytest

from phasewatch.meters.measuring_point import (
    APART,
    NOT_STEADY,
    SILENT,
    Joined,
    MeasuringPoint,
    Member,
    Wiring,
    translation,
)
from phasewatch.meters.quantities import CURRENT_N, CURRENTS, FREQUENCY, LL, LN, LPE, NPE, PHASES, UNITS, VOLTAGES
from phasewatch.meters.reading import Reading
from tests.timeline import START

TURNED = ("l2", "l3", "l1")
SWAPPED = ("l2", "l1", "l3")


def names(member: Member) -> dict[str, str]:
    return {own: target for own, (target, _) in translation(member).items()}


def reading(meter: str, at_s: float, values: Mapping[str, float], missing: Mapping[str, str] | None = None) -> Reading:
    return Reading(meter, START + timedelta(seconds=at_s), at_s, dict(values), dict(missing or {}))


def three(names_of: tuple[str, str, str], *values: float) -> dict[str, float]:
    return dict(zip(names_of, values, strict=True))


def test_a_meter_as_wired_says_everything_as_it_is() -> None:
    assert names(Member("m")) == {quantity: quantity for quantity in UNITS}


@pytest.mark.parametrize(
    ("phases", "own", "real"),
    [
        (TURNED, LN, ("voltage_l2_n", "voltage_l3_n", "voltage_l1_n")),
        (TURNED, LL, ("voltage_l2_l3", "voltage_l3_l1", "voltage_l1_l2")),
        (TURNED, LPE, ("voltage_l2_pe", "voltage_l3_pe", "voltage_l1_pe")),
        (TURNED, CURRENTS, ("current_l2", "current_l3", "current_l1")),
        (SWAPPED, LN, ("voltage_l2_n", "voltage_l1_n", "voltage_l3_n")),
        (SWAPPED, LL, ("voltage_l1_l2", "voltage_l3_l1", "voltage_l2_l3")),
        (SWAPPED, ("active_power_l1", "thd_voltage_l2"), ("active_power_l2", "thd_voltage_l1")),
        (SWAPPED, (NPE, CURRENT_N, FREQUENCY), (NPE, CURRENT_N, FREQUENCY)),
    ],
)
def test_swapped_leads_are_put_right(phases: tuple[str, str, str], own: tuple[str, ...], real: tuple[str, ...]) -> None:
    table = names(Member("m", phases=phases))
    assert tuple(table[name] for name in own) == real


@pytest.mark.parametrize("phases", list(permutations(PHASES)))
@pytest.mark.parametrize("wiring", ["three_phase", "neutral_on_pe"])
def test_every_order_of_the_leads_keeps_every_quantity_once(phases: tuple[str, str, str], wiring: Wiring) -> None:
    table = names(Member("m", wiring, phases))
    assert len(set(table.values())) == len(table)
    assert set(table.values()) <= set(UNITS)


@pytest.mark.parametrize("phases", list(permutations(PHASES)))
def test_a_neutral_terminal_on_pe_reads_phase_to_earth(phases: tuple[str, str, str]) -> None:
    table = names(Member("m", "neutral_on_pe", phases))
    assert [table[name] for name in LN] == [f"voltage_{phase}_pe" for phase in phases]
    assert not set(table.values()) & set(LN)
    assert not set(table) & set(LPE)
    assert set(LL) <= set(table.values())
    assert not set(table) & set(CURRENTS)


def test_a_fourth_voltage_input_beside_a_neutral_terminal_on_pe_is_neutral_to_earth() -> None:
    assert translation(Member("m", "neutral_on_pe", vt_ratio=2.0))[NPE] == (NPE, 2.0)


def test_a_meter_between_neutral_and_earth_says_only_that() -> None:
    assert names(Member("m", "n_pe")) == {NPE: NPE, LN[0]: NPE}


@pytest.mark.parametrize("phase", PHASES)
def test_a_single_phase_meter_speaks_for_its_phase(phase: Wiring) -> None:
    assert names(Member("m", phase)) == {
        "voltage_l1_n": f"voltage_{phase}_n",
        "current_l1": f"current_{phase}",
        "active_power_l1": f"active_power_{phase}",
        "frequency": "frequency",
    }


@pytest.mark.parametrize("wiring", ["three_phase", "neutral_on_pe", "n_pe", "l1", "l2", "l3"])
def test_a_voltage_transformer_scales_voltages_only(wiring: Wiring) -> None:
    for target, factor in translation(Member("m", wiring, vt_ratio=100.0)).values():
        assert factor == (100.0 if target in VOLTAGES else 1.0)


def alone(member: Member) -> MeasuringPoint:
    return MeasuringPoint("main", [member], 230.0)


def test_one_meter_is_its_own_point() -> None:
    point = alone(Member("m", phases=TURNED, vt_ratio=2.0))
    joined = point.feed(reading("m", 5.0, {LN[0]: 115.0, CURRENTS[0]: 7.0, "thd_voltage_l1": 2.0}, {LN[1]: "NaN"}))
    assert joined is not None
    assert (joined.reading.source, joined.reading.monotonic_s) == ("main", 5.0)
    assert joined.reading.values == {LN[1]: 230.0, "current_l2": 7.0, "thd_voltage_l2": 2.0}
    assert joined.geometry == joined.reading.values
    assert joined.reading.missing == {LN[2]: "NaN"}


def test_one_meter_is_never_unsteady() -> None:
    point = alone(Member("m"))
    for at_s in range(20):
        joined = point.feed(reading("m", at_s, {LN[0]: 230.0 - 20 * at_s % 100}))
        assert joined is not None
        assert joined.geometry == joined.reading.values


SOUND = {**three(LN, 234.0, 234.0, 234.0), CURRENTS[0]: 5.0}
TO_EARTH = three(LN, 208.0, 254.0, 254.0)
AT_EARTH = three(LPE, 208.0, 254.0, 254.0)


class Pair:
    """A meter on N that leads, and one on PE, polled a fifth of a second after it."""

    def __init__(self, *, interval_s: float = 1.0) -> None:
        members = [Member("main", interval_s=interval_s), Member("earth", "neutral_on_pe", interval_s=interval_s)]
        self.point = MeasuringPoint("board", members, 230.0)

    def lead(self, at_s: float, values: Mapping[str, float] = SOUND) -> Joined:
        joined = self.point.feed(reading("main", at_s, values))
        assert joined is not None
        return joined

    def earth(self, at_s: float, values: Mapping[str, float] = TO_EARTH) -> Joined | None:
        return self.point.feed(reading("earth", at_s, values))


def settled() -> Pair:
    pair = Pair()
    for at_s in range(3):
        pair.lead(at_s)
        assert pair.earth(at_s + 0.2) is None
    return pair


def test_two_meters_make_one_picture_while_they_are_steady() -> None:
    joined = settled().lead(3.0)
    assert joined.reading.source == "board"
    assert joined.reading.values == {**SOUND, **AT_EARTH}
    assert joined.geometry == joined.reading.values


def test_the_first_meter_leads_and_another_takes_over_when_it_is_silent() -> None:
    pair = settled()
    assert pair.earth(3.4) is None
    joined = pair.earth(4.2)
    assert joined is not None
    assert joined.reading.values == AT_EARTH
    assert pair.lead(5.0).reading.values == {**SOUND, **AT_EARTH}
    assert pair.earth(5.2) is None


def test_a_stale_meter_takes_no_part() -> None:
    pair = settled()
    assert set(LPE) <= set(pair.lead(3.7).reading.values)
    assert not set(LPE) & set(pair.lead(3.8).reading.values)


def test_a_slow_meter_is_fresh_for_its_own_interval() -> None:
    members = [Member("main"), Member("earth", "neutral_on_pe", interval_s=10.0)]
    point = MeasuringPoint("board", members, 230.0)
    point.feed(reading("earth", 0.0, TO_EARTH))
    for at_s, there in ((15.0, True), (15.1, False)):
        joined = point.feed(reading("main", at_s, SOUND))
        assert joined is not None
        assert (LPE[0] in joined.reading.values) is there


@pytest.mark.parametrize(("step_v", "steady"), [(3.4, True), (3.5, False), (-3.5, False)])
def test_across_a_step_only_one_meter_makes_the_picture(step_v: float, steady: bool) -> None:
    pair = settled()
    moved = {name: value + step_v for name, value in SOUND.items() if name in LN}
    joined = pair.lead(3.0, moved)
    assert (set(LPE) <= set(joined.geometry)) is steady
    assert set(LPE) <= set(joined.reading.values)


def test_after_a_step_both_meters_are_judged_again() -> None:
    pair = settled()
    low, low_to_earth = three(LN, 200.0, 200.0, 200.0), three(LN, 174.0, 220.0, 220.0)
    assert not set(LPE) & set(pair.lead(3.0, low).geometry)
    pair.earth(3.2, low_to_earth)
    assert not set(LPE) & set(pair.lead(4.0, low).geometry)
    pair.earth(4.2, low_to_earth)
    joined = pair.lead(5.0, low)
    assert joined.geometry[LPE[0]] == 174.0
    assert joined.geometry == joined.reading.values


def test_a_change_of_current_is_no_step() -> None:
    assert set(LPE) <= set(settled().lead(3.0, {**SOUND, CURRENTS[0]: 90.0}).geometry)


def test_after_ten_unsteady_seconds_the_medians_are_judged() -> None:
    pair = settled()
    for at_s in range(3, 20):
        off_v = (-12.0, 0.0, 12.0)[at_s % 3]
        joined = pair.lead(float(at_s), {name: value + off_v for name, value in SOUND.items()})
        pair.earth(at_s + 0.2, {name: value + off_v for name, value in TO_EARTH.items()})
        assert (set(LPE) <= set(joined.geometry)) is (at_s > 13)
    assert joined.geometry[LN[0]] == pytest.approx(234.0, abs=12.0)
    assert joined.geometry[LPE[0]] == pytest.approx(208.0, abs=12.0)
    assert joined.geometry[LN[0]] - joined.geometry[LPE[0]] == pytest.approx(26.0, abs=0.1)


def test_the_first_member_to_say_a_quantity_is_believed() -> None:
    pair = Pair()
    for at_s in range(3):
        pair.earth(at_s - 0.1, {**TO_EARTH, LL[0]: 401.0})
        joined = pair.lead(at_s, {**SOUND, LL[0]: 405.0})
    assert joined.reading.values[LL[0]] == 405.0


def test_what_one_meter_says_is_not_missing_though_another_lacks_it() -> None:
    pair = Pair()
    pair.earth(0.0, {**TO_EARTH, LL[0]: 401.0})
    joined = pair.point.feed(reading("main", 0.1, SOUND, {LL[0]: "not available", LL[1]: "not available"}))
    assert joined is not None
    assert joined.reading.missing == {LL[1]: "not available"}


def test_a_picture_of_all_meters_leaves_nothing_unjudged() -> None:
    joined = settled().lead(3.0)
    assert (joined.unjudged, joined.contradiction) == ({}, None)


def test_until_the_meters_stand_still_together_it_is_said_why_the_earth_is_not_judged() -> None:
    pair = Pair()
    reasons = []
    for at_s in range(4):
        reasons.append(set(pair.lead(at_s).unjudged.items()))
        pair.earth(at_s + 0.2)
    assert reasons[0] == {(name, SILENT) for name in LPE}
    assert reasons[1] == {(name, NOT_STEADY) for name in LPE}
    assert reasons[2:] == [set(), set()]


def test_across_a_step_it_is_said_that_the_meters_do_not_stand_still() -> None:
    joined = settled().lead(3.0, three(LN, 200.0, 200.0, 200.0))
    assert joined.unjudged == dict.fromkeys(LPE, NOT_STEADY)
    assert set(LPE) <= set(joined.reading.values)


def test_readings_too_far_apart_in_time_are_not_joined_and_a_silent_meter_is_called_so() -> None:
    pair = settled()
    assert pair.lead(4.5).unjudged == dict.fromkeys(LPE, APART)
    assert pair.lead(14.5).unjudged == dict.fromkeys(LPE, SILENT)


def test_a_meter_that_never_answered_leaves_what_its_wiring_promises_unjudged() -> None:
    point = MeasuringPoint("board", [Member("main"), Member("earth", "n_pe"), Member("heater", "l2")], 230.0)
    joined = point.feed(reading("main", 0.0, {LN[0]: 230.0, LN[2]: 230.0}))
    assert joined is not None
    assert joined.unjudged == {NPE: SILENT, LN[1]: SILENT}


def test_a_picture_carries_the_moment_of_the_reading_that_made_it() -> None:
    for joined in (settled().lead(3.0), alone(Member("m")).feed(reading("m", 3.0, SOUND))):
        assert joined is not None
        assert (joined.reading.at, joined.reading.monotonic_s) == (START + timedelta(seconds=3), 3.0)


def test_the_meter_of_the_phases_leads_wherever_the_site_file_has_it() -> None:
    point = MeasuringPoint("board", [Member("earth", "neutral_on_pe"), Member("main")], 230.0)
    assert [member.meter for member in point.members] == ["main", "earth"]


@pytest.mark.parametrize(("step_v", "steady"), [(3.0, True), (3.01, False)])
def test_a_step_is_more_than_its_limit(step_v: float, steady: bool) -> None:
    point = MeasuringPoint("board", [Member("main"), Member("earth", "neutral_on_pe")], 200.0)
    for at_s in range(3):
        point.feed(reading("main", at_s, three(LN, 200.0, 200.0, 200.0)))
        point.feed(reading("earth", at_s + 0.2, TO_EARTH))
    joined = point.feed(reading("main", 3.0, three(LN, 200.0 + step_v, 200.0, 200.0)))
    assert joined is not None
    assert (set(LPE) <= set(joined.geometry)) is steady


def test_a_meter_read_at_the_moment_of_the_step_was_asked_since_the_step() -> None:
    pair, low = settled(), three(LN, 200.0, 200.0, 200.0)
    pair.lead(3.0, low)
    pair.earth(3.0)
    assert set(LPE) <= set(pair.lead(4.0, low).geometry)


def test_the_medians_are_those_of_the_last_ten_seconds_with_both_ends() -> None:
    pair = settled()
    for at_s in range(3, 31):
        joined = pair.lead(at_s, three(LN, 100.0 + 4.0 * at_s, 230.0, 230.0))
        pair.earth(at_s + 0.2)
    assert joined.geometry[LN[0]] == 100.0 + 4.0 * 25


def test_meters_polled_slowly_get_five_polls_before_the_medians_are_judged() -> None:
    pair = Pair(interval_s=10.0)
    judged = []
    for at_s in range(0, 100, 10):
        joined = pair.lead(at_s, three(LN, 100.0 + at_s, 230.0, 230.0))
        pair.earth(at_s + 0.2)
        judged.append(set(LPE) <= set(joined.geometry))
    assert judged == [False] * 6 + [True] * 4


@pytest.mark.parametrize("start_s", [0.0, 5000.0])
def test_a_meter_is_silent_after_more_than_ten_seconds(start_s: float) -> None:
    for gap_s, why in ((10.0, APART), (10.25, SILENT)):
        pair = Pair()
        pair.lead(start_s)
        pair.earth(start_s)
        assert pair.lead(start_s + gap_s).unjudged == dict.fromkeys(LPE, why)
