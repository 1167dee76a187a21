"""One cause, one alert: every verdict through the watch, and what it holds."""

from collections.abc import Mapping

import pytest

from phasewatch.meters.quantities import FREQUENCY, LL, LN, LPE, NPE
from tests.acceptance import A2, A3, A4, A5, A6, A8, A10, B1, B2, B3, B7, SEED
from tests.alerts.test_site_monitor import DEAD, HEALTHY, L2_LOST, LOW, ONE, Story

Values = Mapping[str, float]

HOME: Values = {**HEALTHY, **dict.fromkeys(LPE, 234.0), NPE: 0.5, FREQUENCY: 50.0}
"""A healthy supply on which everything is measured."""
TWO_LOST: Values = {LN[0]: 234.0, LN[1]: 0.0, LN[2]: 0.0, LL[0]: 234.0, LL[1]: 0.0, LL[2]: 234.0}
HIGH: Values = {**dict.fromkeys(LN, 260.0), **dict.fromkeys(LL, 450.3)}
UNEVEN: Values = {LN[0]: 226.0, LN[1]: 234.0, LN[2]: 242.0, LL[0]: 390.0, LL[1]: 410.0, LL[2]: 405.0}
HARMONICS: Values = {**HEALTHY, **dict.fromkeys(LPE, 234.2), NPE: 12.0}


def story_of(fault: Values, seconds: int = 300) -> Story:
    return Story().poll(10, incomer=HOME).poll(seconds, incomer={FREQUENCY: 50.0, **fault}).poll(700, incomer=HOME)


@pytest.mark.parametrize(
    ("fault", "code", "root"),
    [
        (SEED.values, "earth_displaced", "earth_displacement"),
        (A10.values, "earth_fault_solid", "earth_displacement"),
        (A2.values, "neutral_open", "neutral_displacement"),
        (A3.values, "pen_open", "neutral_displacement"),
        (A4.values, "neutral_high_resistance", "neutral_displacement"),
        (A5.values, "phase_lost", "phase_loss"),
        (A6.values, "phase_lost_backfed", "phase_loss"),
        (A8.values, "mv_phase_lost", "phase_loss"),
        (TWO_LOST, "two_phases_lost", "phase_loss"),
        (DEAD, "interruption", "interruption"),
        (B1.values, "neutral_swapped", "wiring"),
        (B2.values, "scale_mismatch", "wiring"),
        (B3.values, "impossible_triangle", "wiring"),
        (HARMONICS, "neutral_earth_harmonics", "neutral_earth_voltage"),
    ],
)
def test_one_cause_is_one_alert(fault: Values, code: str, root: str) -> None:
    story = story_of(fault)
    assert story.told() == [f"main/{root} raised", f"main/{root} cleared"]
    assert story.events[0].payload["verdict"]["code"] == code


def test_unbalance_of_the_supply_is_the_alert_of_its_own_rule() -> None:
    story = story_of(UNEVEN)
    assert story.told() == ["main/voltage_unbalance raised", "main/voltage_unbalance cleared"]
    assert story.events[0].payload["verdict"]["code"] == "supply_unbalance"


@pytest.mark.parametrize(
    ("fault", "event", "code", "phases"),
    [
        (LOW, "voltage_dip", "undervoltage", ("l1", "l2", "l3")),
        (HIGH, "voltage_swell", "overvoltage", ("l1", "l2", "l3")),
        (B7.values, "voltage_dip", "single_phase_overload", ("l1",)),
    ],
)
def test_a_dip_that_lasts_becomes_a_deviation_that_explains_it(
    fault: Values, event: str, code: str, phases: tuple[str, ...]
) -> None:
    story = story_of(fault, seconds=90)
    deviations = [f"main/voltage_deviation/{phase}" for phase in phases]
    told = [one for one in story.told("raised", "suppressed", "cleared") if event in one or "deviation" in one]
    assert told[: len(phases) + 2] == [
        f"main/{event} raised",
        *(f"{key} raised" for key in deviations),
        f"main/{event} suppressed",
    ]
    raised = [e.payload for e in story.events if e.transition == "raised" and e.key.rule == "voltage_deviation"]
    assert {payload["verdict"]["code"] for payload in raised} == {code}
    suppressed = next(e.payload for e in story.events if e.transition == "suppressed")
    assert suppressed["suppressed_by"] == raised[0]["alert_id"]
    assert story.standing() == {}


def test_a_short_dip_is_one_alert_and_says_at_least() -> None:
    story = Story().poll(10, incomer=HOME).poll(3, incomer=LOW).poll(100, incomer=HOME)
    assert story.told() == ["main/voltage_dip raised", "main/voltage_dip cleared"]
    raised, cleared = (event.payload for event in story.events)
    assert "at least" in raised["summary"].lower()
    assert "L1, L2, L3" in raised["summary"]
    assert "polled every 1 s, averaging window not known" in raised["summary"]
    assert "at least 3 s, at worst 195.0 V" in cleared["summary"]
    assert raised["blind"] == {"interval_s": 1.0, "window_s": None}


@pytest.mark.parametrize("fault", [L2_LOST, A2.values, TWO_LOST])
def test_a_dip_whose_cause_never_comes_to_stand_is_told_after_all(fault: Values) -> None:
    """One poll of a deep dip looks like the beginning of something worse, which would explain it."""
    story = Story().poll(10, incomer=HOME).poll(1, incomer=fault).poll(100, incomer=HOME)
    told = [one for one in story.told() if "swell" not in one]
    assert told == ["main/voltage_dip raised", "main/voltage_dip cleared"]
    assert story.events[0].payload["value"] == min(fault[name] for name in LN)


def test_a_deviation_explains_events_of_its_own_direction_only() -> None:
    standing = {**HOME, LN[0]: 260.0, LL[0]: 428.0, LL[2]: 428.0}
    story = Story(rules={"voltage_unbalance": {"enabled": False}}).poll(10, incomer=HOME).poll(90, incomer=standing)
    story.poll(3, incomer={**standing, LN[1]: 200.0, LL[0]: 399.0, LL[1]: 376.0}).poll(3, incomer=standing)
    dips = [
        event.transition
        for event in story.events
        if event.key.rule == "voltage_dip" and event.transition != "severity_changed"
    ]
    swells = [
        event.transition
        for event in story.events
        if event.key.rule == "voltage_swell" and event.transition != "severity_changed"
    ]
    assert (dips, swells) == (["raised", "cleared"], ["raised", "suppressed"])


def test_a_dip_before_an_interruption_is_suppressed_by_it() -> None:
    story = Story().poll(10, incomer=HOME).poll(2, incomer=LOW).poll(20, incomer=DEAD).poll(20, incomer=HOME)
    assert story.told() == [
        "main/voltage_dip raised",
        "main/interruption raised",
        "main/voltage_dip suppressed",
        "main/interruption cleared",
        "main/voltage_dip cleared",
    ]


def test_an_interruption_holds_the_frequency_of_nothing_and_a_lost_phase_does_not() -> None:
    off = {FREQUENCY: 45.5}
    dead = Story().poll(10, incomer=HOME).poll(60, incomer={**DEAD, **off})
    assert dead.told() == ["main/interruption raised"]
    lost = Story().poll(10, incomer=HOME).poll(60, incomer={**L2_LOST, **off})
    assert lost.told() == ["main/phase_loss raised", "main/frequency_deviation raised"]


def test_an_alert_that_stood_is_suppressed_by_each_kind_of_root_and_comes_back() -> None:
    lifted = {**HOME, NPE: 15.0}
    story = Story().poll(10, incomer=HOME).poll(20, incomer=lifted)
    assert story.told() == ["main/neutral_earth_voltage raised"]
    story.poll(20, incomer={**A2.values, FREQUENCY: 50.0}).poll(60, incomer=lifted)
    assert story.told()[1:] == [
        "main/neutral_displacement raised",
        "main/neutral_earth_voltage suppressed",
        "main/neutral_displacement cleared",
        "main/neutral_earth_voltage unsuppressed",
    ]
    cause = next(e.payload["alert_id"] for e in story.events if e.key.rule == "neutral_displacement")
    assert next(e.payload for e in story.events if e.transition == "suppressed")["suppressed_by"] == cause
    assert story.events[-1].payload["suppressed_by"] is None


def test_a_frozen_meter_that_goes_offline_is_explained_by_it() -> None:
    still = {**HOME, LN[0]: 234.1}
    story = Story(ONE, rules={"frozen_readings": {"enabled": True}}).poll(40, incomer=still).poll(60, incomer=None)
    assert story.told() == [
        "incomer/frozen_readings raised",
        "incomer/meter_offline raised",
        "incomer/frozen_readings suppressed",
    ]
    story.poll(1, incomer={**HOME, LN[0]: 234.2})
    assert story.standing() == {}


def test_verdicts_are_held_to_the_limits_of_the_preset() -> None:
    high: Values = {**dict.fromkeys(LN, 237.0), **dict.fromkeys(LL, 410.5)}
    story = Story(supply={"nominal_v": 220, "limits": "gbt"}).poll(90, incomer=high)
    assert story.told() == [f"main/voltage_deviation/{phase} raised" for phase in ("l1", "l2", "l3")]
    payload = story.events[0].payload
    assert (payload["verdict"]["code"], payload["limit"], payload["source"]) == (
        "overvoltage",
        235.4,
        "GB/T 12325-2008",
    )


def test_unbalance_by_another_measure_says_which() -> None:
    uneven: Values = {LN[0]: 231.0, LN[1]: 229.0, LN[2]: 233.0, LL[0]: 400.0, LL[1]: 395.0, LL[2]: 405.0}
    story = Story(supply={"limits": "nema-mg-1"}).poll(90, incomer=uneven)
    assert story.told() == ["main/voltage_unbalance raised"]
    assert (story.events[0].payload["severity"], story.events[0].payload["source"]) == ("low", "NEMA MG 1")
