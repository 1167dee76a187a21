"""Sequences that are rare in tests and common in plants."""

from datetime import timedelta

from phasewatch.meters.quantities import LL, LN, NPE
from phasewatch.meters.reading import Reading
from tests.alerts.test_site_monitor import EARTH_AT_HOME, HEALTHY, L2_LOST, NEUTRAL_OPEN, Story
from tests.service.site import bus, meter
from tests.timeline import START

L2_L3_LOST = {LN[0]: 234.0, LN[1]: 0.0, LN[2]: 0.0, LL[0]: 234.0, LL[1]: 0.0, LL[2]: 234.0}
WRONG_SCALE = {**dict.fromkeys(LN, 220.0), **dict.fromkeys(LL, 405.3)}
PEN_PE = {LN[0]: 107.3, LN[1]: 299.4, LN[2]: 329.0}


def test_a_second_fuse_that_blows_is_told() -> None:
    story = Story().poll(10, incomer=HEALTHY).poll(60, incomer=L2_LOST).poll(60, incomer=L2_L3_LOST)
    assert story.events[-1].payload["verdict"]["code"] == "two_phases_lost"


def test_another_phase_lost_within_the_off_delay_is_told() -> None:
    l1_lost = {LN[0]: 0.0, LN[1]: 234.0, LN[2]: 234.0, LL[0]: 234.0, LL[1]: 405.3, LL[2]: 234.0}
    story = Story().poll(10, incomer=HEALTHY).poll(60, incomer=L2_LOST).poll(60, incomer=l1_lost)
    assert story.events[-1].payload["phase"] == "L1"


def test_a_lost_phase_does_not_wait_for_a_wiring_alert_to_clear() -> None:
    story = Story().poll(60, incomer=WRONG_SCALE).poll(20, incomer=L2_LOST)
    assert "main/phase_loss raised" in story.told()


def test_the_loss_of_a_phase_beside_one_that_never_was_connected_is_told() -> None:
    no_l3 = {LN[0]: 234.0, LN[1]: 234.0, LN[2]: 0.0, LL[0]: 405.3, LL[1]: 234.0, LL[2]: 234.0}
    story = Story().poll(120, incomer=no_l3).poll(120, incomer=L2_L3_LOST)
    assert "main/phase_loss raised" in story.told()


def test_a_fault_that_alternates_between_two_causes_is_not_silent() -> None:
    story = Story().poll(10, incomer=HEALTHY)
    for _ in range(150):
        story.poll(1, incomer=L2_LOST).poll(1, incomer=NEUTRAL_OPEN)
    assert story.told("raised")


def slow_pair() -> Story:
    two = bus(
        meter("incomer", interval_s=1, point="main"),
        meter("earth", unit_id=2, interval_s=10, point="main", wiring="neutral_on_pe"),
    )
    return Story(two)


def test_another_verdict_is_told_with_its_words_and_cleared_under_its_own_name() -> None:
    story = Story().poll(10, incomer=HEALTHY).poll(60, incomer=L2_LOST).poll(60, incomer=L2_L3_LOST)
    story.poll(60, incomer=HEALTHY)
    assert story.told() == [
        "main/phase_loss raised",
        "main/phase_loss verdict_changed",
        "main/phase_loss cleared",
    ]
    changed = story.events[1].payload
    assert changed["summary"].startswith("Two phases are lost: L2, L3")
    assert changed["alert_id"] == story.events[0].payload["alert_id"]
    assert changed["rev"] == 2


def test_a_verdict_that_hovers_is_not_told_at_every_turn() -> None:
    story = Story().poll(10, incomer=HEALTHY).poll(10, incomer=L2_LOST)
    for _ in range(60):
        story.poll(5, incomer=L2_L3_LOST).poll(5, incomer=L2_LOST)
    assert story.told() == ["main/phase_loss raised", "main/phase_loss verdict_changed"]
    story.poll(70, incomer=L2_LOST)
    assert story.told("verdict_changed") == ["main/phase_loss verdict_changed"] * 2
    assert story.events[-1].payload["phase"] == "L2"


def test_a_restart_remembers_which_verdict_was_told() -> None:
    before = Story().poll(10, incomer=HEALTHY).poll(60, incomer=L2_LOST)
    after = Story(records=before.records(), start_s=100.0).poll(30, incomer=L2_LOST)
    assert after.told() == []
    after.poll(30, incomer=L2_L3_LOST)
    assert after.told() == ["main/phase_loss verdict_changed"]


def test_a_fault_of_one_poll_before_another_is_still_one_alert() -> None:
    mixed = {**HEALTHY, LN[1]: 0.0}
    story = Story().poll(10, incomer=HEALTHY).poll(1, incomer=mixed).poll(30, incomer=L2_LOST)
    assert story.told() == ["main/phase_loss raised"]


def test_a_slow_second_meter_does_not_make_a_fault_of_a_step() -> None:
    story = slow_pair()
    low = {**HEALTHY, LN[0]: 214.0, LL[0]: 388.3, LL[2]: 388.3}
    for t in range(200):
        values = HEALTHY if t < 52 else low
        if t % 10 == 0:
            story.poll(1, incomer=values, earth={**values})
        else:
            story.poll(1, incomer=values)
    assert not [one for one in story.told() if "earth" in one]


def test_an_open_pen_that_looked_like_an_open_neutral_is_told() -> None:
    two = bus(
        meter("incomer", interval_s=1, point="main"),
        meter("earth", unit_id=2, interval_s=1, point="main", wiring="neutral_on_pe"),
    )
    story = Story(two).poll(10, incomer=HEALTHY, earth=EARTH_AT_HOME)
    for t in range(9):
        shaken = {**NEUTRAL_OPEN, LN[0]: 107.3 + 6 * (t % 2), LN[1]: 299.4 - 6 * (t % 2)}
        story.poll(1, incomer=shaken, earth={**{k: shaken[k] for k in LN}, **dict.fromkeys(LL, 400.0)})
    story.poll(60, incomer=NEUTRAL_OPEN, earth={**PEN_PE, **dict.fromkeys(LL, 400.0)})
    assert story.events[-1].payload["verdict"]["code"] == "pen_open"


def test_small_steps_that_add_up_before_a_slow_second_meter_is_asked_again_make_no_fault() -> None:
    story = slow_pair()
    for t in range(200):
        sag_v = 3.0 * min(max(t - 51, 0), 8)
        values = {**HEALTHY, LN[0]: 234.0 - sag_v, LL[0]: 405.3 - 0.86 * sag_v, LL[2]: 405.3 - 0.86 * sag_v}
        polled = {"incomer": values, "earth": values} if t % 10 == 0 else {"incomer": values}
        story.poll(1, **polled)
    assert not [one for one in story.told() if "earth" in one]


def test_a_slow_second_meter_still_sees_a_displaced_earth() -> None:
    story = slow_pair()
    for t in range(120):
        pulled = {**HEALTHY, LN[0]: 208.0, LN[1]: 254.0, LN[2]: 254.0} if t >= 50 else HEALTHY
        polled = {"incomer": HEALTHY, "earth": pulled} if t % 10 == 0 else {"incomer": HEALTHY}
        story.poll(1, **polled)
    assert story.told() == ["main/earth_displacement raised"]


def test_a_clock_that_is_set_does_not_change_how_long_an_alert_stood() -> None:
    story = Story().poll(10, incomer=HEALTHY).poll(10, incomer=L2_LOST)
    for second in range(20):
        at, monotonic_s = START + timedelta(days=20000, seconds=second), 1020.0 + second
        story.events += story.watch.reading(Reading("incomer", at, monotonic_s, dict(HEALTHY)))
    assert story.told() == ["main/phase_loss raised", "main/phase_loss cleared"]
    assert "at least 13 s" in story.events[-1].payload["summary"]


def test_an_alert_that_means_nothing_on_the_supply_now_stated_is_cleared() -> None:
    before = Story().poll(60, incomer={**HEALTHY, NPE: 7.0})
    assert before.told() == ["main/neutral_earth_voltage raised"]
    after = Story(records=before.records(), start_s=100.0, supply={"nominal_v": 230, "system": "IT"})
    after.poll(60, incomer={**HEALTHY, NPE: 7.0})
    assert after.told() == ["main/neutral_earth_voltage cleared"]
