"""Alerts that come and go, and faults that arc."""

from collections.abc import Iterable
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.alerts.alert import Decision, Key
from phasewatch.alerts.lifecycle import QUIET_S, RAISES, Delays, Life, State, begun, held
from phasewatch.meters.reading import Moment
from phasewatch.rules.rule import UNKNOWN, Truth
from tests.alerts.test_engine import CLEAR, ROOT, Watched, breach
from tests.alerts.test_operations import LOSS, do
from tests.alerts.test_site_monitor import HEALTHY, L2_LOST, LOW, NEUTRAL_OPEN, Story


def chattering() -> Watched:
    watched = Watched()
    assert watched.judge(*[breach(), CLEAR] * 2, breach())[-1] == "raised"
    return watched


@pytest.mark.parametrize(
    ("raises_s", "chatters"),
    [([], False), ([0.0, 1.0], False), ([0.0, 1.0, 60.0], True), ([0.0, 1.0, 60.1], False)],
)
def test_three_raises_within_a_minute_chatter(raises_s: list[float], chatters: bool) -> None:
    assert (begun(raises_s) is not None) is chatters


def test_twice_a_long_off_delay_is_waited_for_instead() -> None:
    hold, delays = Life(State.CLEARING, held_s=QUIET_S, polls=9, valid_at_s=0.0), Delays(0.0, 3600.0)
    assert held(hold, Truth.CLEAR, 1.0, delays) is not None
    assert held(hold, Truth.CLEAR, 1.0, Delays(0.0, 10.0)) is None


def test_a_chattering_alert_stays_until_it_has_been_quiet_for_ten_minutes() -> None:
    watched = chattering()
    assert watched.judge(*[CLEAR] * 600) == []
    assert watched.judge(CLEAR) == ["cleared"]
    assert watched.events[-1].payload["chattering"] is False
    assert [event.payload["chattering"] for event in watched.events if event.transition == "raised"] == [
        False,
        False,
        True,
    ]


def test_a_chattering_alert_tells_nothing_of_its_coming_and_going() -> None:
    watched = chattering()
    assert watched.judge(*[CLEAR, breach()] * 500) == []
    assert watched.events[-1].payload["state"] == "active"


def test_a_chattering_alert_still_grows_worse() -> None:
    watched = chattering()
    assert watched.judge(CLEAR, breach("critical"), breach("critical")) == ["severity_changed"]


def test_silence_is_not_quiet() -> None:
    watched = chattering()
    watched.judge(*[CLEAR] * 300)
    assert "cleared" not in watched.judge(*[UNKNOWN] * 50)
    assert "cleared" not in watched.judge(*[CLEAR] * 300)
    assert watched.judge(CLEAR, CLEAR) == ["cleared"]


def test_a_long_silence_begins_the_quiet_time_anew() -> None:
    watched = chattering()
    watched.judge(*[CLEAR] * 300)
    watched.judge(*[UNKNOWN] * 700)
    assert watched.judge(*[CLEAR] * 600) == []
    assert watched.judge(CLEAR) == ["cleared"]


def test_after_ten_quiet_minutes_an_alert_is_raised_as_any_other() -> None:
    watched = chattering()
    watched.judge(*[CLEAR] * 601)
    assert watched.judge(breach(), CLEAR, breach()) == ["raised", "cleared", "raised"]


# An acknowledgement while an alert is held


def acknowledged_in_the_hold() -> Story:
    """Three short losses, acknowledged while the hold stands and the condition is gone."""
    story = Story().poll(10, incomer=HEALTHY)
    for _ in range(RAISES):
        story.poll(4, incomer=L2_LOST).poll(12, incomer=HEALTHY)
    assert do(story, "acknowledge", LOSS).ok
    del story.events[:]
    return story.poll(120, incomer=HEALTHY)


def test_a_lasting_fault_in_the_hold_ends_the_acknowledgement_and_is_told_once() -> None:
    story = acknowledged_in_the_hold().poll(60, incomer=L2_LOST)
    assert story.told() == []
    story.poll(340, incomer=L2_LOST)
    assert story.told() == ["main/phase_loss verdict_changed"]
    payload = story.events[0].payload
    assert (payload["acknowledged"], payload["state"], payload["verdict"]["code"]) == (False, "active", "phase_lost")
    assert payload["reason"] == "the condition came back and lasts: the acknowledgement has ended"


def test_short_returns_in_the_hold_leave_the_acknowledgement() -> None:
    story = acknowledged_in_the_hold()
    for _ in range(10):
        story.poll(30, incomer=L2_LOST).poll(30, incomer=HEALTHY)
    assert story.told() == []


def test_each_return_that_lasts_ends_the_acknowledgement_given_since() -> None:
    story = acknowledged_in_the_hold().poll(100, incomer=L2_LOST)
    assert do(story, "acknowledge", LOSS).ok
    story.poll(300, incomer=L2_LOST)
    assert story.told() == ["main/phase_loss verdict_changed", "main/phase_loss acknowledged"]
    story.poll(60, incomer=HEALTHY).poll(100, incomer=L2_LOST)
    assert story.told()[2:] == ["main/phase_loss verdict_changed"]


def test_who_acknowledges_while_the_condition_is_back_is_not_told_of_it_again() -> None:
    story = acknowledged_in_the_hold().poll(30, incomer=L2_LOST)
    assert do(story, "acknowledge", LOSS).note == "already acknowledged"
    assert do(story, "acknowledge", LOSS, until_s=3600.0).ok
    story.poll(300, incomer=L2_LOST)
    assert story.told() == ["main/phase_loss acknowledged"]


def test_nobody_is_told_of_a_lasting_return_that_nobody_acknowledged() -> None:
    watched = chattering()
    watched.judge(*[CLEAR] * 30)
    assert watched.judge(*[breach()] * 300) == []


def test_silence_does_not_make_a_return_last() -> None:
    watched = chattering()
    watched.judge(CLEAR, breach())
    watched.desk.alert(ROOT).acknowledgement = Decision()
    watched.judge(*[breach()] * 30, *[UNKNOWN] * 50)
    assert "verdict_changed" not in watched.judge(*[breach()] * 25)
    assert watched.judge(*[breach()] * 10) == ["verdict_changed"]


def test_a_return_goes_on_lasting_over_a_restart() -> None:
    story = acknowledged_in_the_hold().poll(50, incomer=L2_LOST)
    records = story.records() | story.watch.running(Moment(story.now(), story.now_s()), every=True)
    after = Story(records=records, start_s=story.t_s).poll(20, incomer=L2_LOST)
    assert after.told() == ["main/phase_loss verdict_changed"]


# Causes that chatter


def test_a_chattering_cause_whose_condition_is_gone_explains_nothing() -> None:
    """An interruption that chattered must not hide the sag that follows it."""
    dead = dict.fromkeys(HEALTHY, 0.0)
    story = Story().poll(10, incomer=HEALTHY)
    for _ in range(RAISES):
        story.poll(2, incomer=dead).poll(4, incomer=HEALTHY)
    assert story.watch.desk.alert(Key("main", "interruption")).timer.chattering
    story.poll(5, incomer=HEALTHY)
    del story.events[:]
    story.poll(3, incomer=LOW)
    assert "main/voltage_dip raised" in story.told()


def test_a_meter_that_chattered_and_answers_is_online() -> None:
    story = Story(rules={"meter_offline": {"on_delay_s": 1, "on_polls": 2}}).poll(5, incomer=HEALTHY)
    for _ in range(RAISES):
        story.poll(5, incomer=None).poll(2, incomer=HEALTHY)
    assert story.standing() == {"incomer/meter_offline": "active"}
    assert story.watch.online("incomer")


# An arcing neutral


def arcing(pattern: str, seconds: int) -> Iterable[bool]:
    return islice(cycle(letter == "B" for letter in pattern), seconds)


@pytest.mark.parametrize("pattern", ["BBc", "cBB", "BBBc", "BBBBcc"])
def test_a_neutral_that_arcs_is_raised_once_and_stays(pattern: str) -> None:
    story = Story().poll(10, incomer=HEALTHY)
    for faulty in arcing(pattern, 300):
        story.poll(1, incomer=NEUTRAL_OPEN if faulty else HEALTHY)
    assert story.told() == ["main/neutral_displacement raised"]
    assert story.events[0].payload["at"] <= "2026-03-01T12:00:18.000Z"


def test_a_lost_phase_that_flickers_is_raised_once() -> None:
    story = Story().poll(10, incomer=HEALTHY)
    for faulty in arcing("BBc", 120):
        story.poll(1, incomer=L2_LOST if faulty else HEALTHY)
    assert story.told("raised") == ["main/phase_loss raised"]


@pytest.mark.parametrize("pattern", ["Bc", "Bcc", "Bccccc", "B" + "c" * 30])
def test_single_blips_never_make_a_neutral_fault(pattern: str) -> None:
    story = Story().poll(10, incomer=HEALTHY)
    for faulty in arcing(pattern, 600):
        story.poll(1, incomer=NEUTRAL_OPEN if faulty else HEALTHY)
    assert "main/neutral_displacement raised" not in story.told()


def test_dips_that_come_every_other_poll_are_one_alert_that_chatters() -> None:
    story = Story().poll(10, incomer=HEALTHY)
    for faulty in arcing("Bc", 600):
        story.poll(1, incomer=LOW if faulty else HEALTHY)
    assert len(story.told("raised")) <= RAISES
    assert story.standing() == {"main/voltage_dip": "active"}


@given(st.lists(st.integers(1, 30), max_size=60))
def test_blips_apart_never_mature(good_polls: list[int]) -> None:
    watched, delays = Watched(), Delays(1.0, 5.0, on_polls=3)
    for polls in good_polls:
        assert watched.judge(breach(), *[CLEAR] * polls, delays=delays, key=ROOT) == []
