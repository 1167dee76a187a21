"""What operators do to alerts, and what time makes of it."""

from datetime import timedelta
from typing import Any

import pytest

from phasewatch.alerts.alert import Key
from phasewatch.alerts.event import stamp
from phasewatch.alerts.operations import Answer, CommandError, parse
from phasewatch.cli.alerts import lines
from phasewatch.meters.reading import Moment
from phasewatch.rules.catalogue import BY_PHASE
from tests.alerts.test_bus_monitor import ALL_HEALTHY, THREE
from tests.alerts.test_site_monitor import HEALTHY, L2_LOST, LOW, Story, restarted, told
from tests.timeline import START

LOSS = {"subject": "main", "rule": "phase_loss"}

FAULT = "L2 is lost: no voltage on it, the other two phases are sound (234/0/234 V). Earth: not measured."


def do(story: Story, verb: str, body: dict[str, Any], **ends: float) -> Answer:
    """Do a command now; `until_s`: seconds from now."""
    if "until_s" in ends:
        body = {**body, "until": stamp(story.now() + timedelta(seconds=ends["until_s"]))}
    command = parse(verb, {"by": "anna", "reason": "on it", **body}, story.now())
    answer, events = story.watch.operate(command, Moment(story.now(), story.now_s()))
    story.events += events
    return answer


def let_pass(story: Story, seconds: int, values: Any = HEALTHY) -> list[str]:
    """Let time pass as the service does; return what it told."""
    before = len(story.events)
    for _ in range(seconds):
        story.poll(1, incomer=values)
        story.events += story.watch.tick(Moment(story.now(), story.now_s()))
    return told(story.events[before:])


def lost(**keys: Any) -> Story:
    return Story(**keys).poll(10, incomer=HEALTHY).poll(20, incomer=L2_LOST)


def test_an_acknowledgement_is_an_event_of_who_gave_it() -> None:
    story = lost()
    answer = do(story, "acknowledge", {**LOSS, "request": "r-1"})
    payload = story.events[-1].payload
    assert answer.payload() == {
        "request": "r-1",
        "verb": "acknowledge",
        "ok": True,
        "alert_id": payload["alert_id"],
        "error": None,
    }
    assert (payload["transition"], payload["acknowledged"], payload["state"]) == ("acknowledged", True, "active")
    assert (payload["by"], payload["reason"], payload["at"]) == ("anna", "on it", "2026-03-01T12:00:30.000Z")
    assert (payload["summary"], payload["rev"]) == (f"Phase loss L2 is acknowledged. {FAULT}", 2)


def test_to_acknowledge_twice_is_no_second_event() -> None:
    story = lost()
    do(story, "acknowledge", LOSS)
    again = do(story, "acknowledge", LOSS)
    assert (again.ok, again.note, len(story.events)) == (True, "already acknowledged", 2)


def test_an_acknowledgement_may_have_an_end() -> None:
    story = lost()
    do(story, "acknowledge", LOSS, until_s=60.0)
    assert let_pass(story, 59, L2_LOST) == []
    assert let_pass(story, 1, L2_LOST) == ["main/phase_loss acknowledged"]
    payload = story.events[-1].payload
    assert (payload["acknowledged"], payload["by"]) == (False, "phasewatch")
    assert (payload["reason"], payload["summary"]) == (
        "the acknowledgement has expired",
        f"Phase loss L2 is no longer acknowledged. {FAULT}",
    )
    assert let_pass(story, 60, L2_LOST) == []


def test_an_acknowledgement_ends_with_its_occurrence() -> None:
    story = lost()
    do(story, "acknowledge", LOSS, until_s=600.0)
    let_pass(story, 20)
    assert let_pass(story, 700, L2_LOST) == ["main/phase_loss raised"]
    assert story.events[-1].payload["acknowledged"] is False


def test_what_is_not_active_cannot_be_acknowledged() -> None:
    story = lost().poll(20, incomer=HEALTHY)
    answer = do(story, "acknowledge", LOSS)
    assert (answer.ok, answer.error) == (
        False,
        "main/phase_loss: is not active, so there is nothing to acknowledge",
    )


def test_a_shelved_alert_is_judged_and_told_with_the_end_of_its_shelving() -> None:
    story = Story().poll(10, incomer=HEALTHY)
    assert do(story, "shelve", LOSS, until_s=100.0).ok
    assert story.events[-1].payload["state"] == "cleared"
    assert let_pass(story, 99, L2_LOST) == ["main/phase_loss raised"]
    payload = story.events[-1].payload
    assert (payload["shelved_until"], payload["first_out"]) == ("2026-03-01T12:01:50.000Z", False)
    assert let_pass(story, 1, L2_LOST) == ["main/phase_loss unshelved"]
    payload = story.events[-1].payload
    assert (payload["state"], payload["shelved_until"], payload["by"]) == ("active", None, "phasewatch")
    assert payload["reason"] == "the time of shelving is over"


def test_a_shelved_alert_makes_no_news_of_the_others_late() -> None:
    story = lost()
    do(story, "shelve", LOSS, until_s=900.0)
    assert story.watch.desk.standing_besides(story.watch.desk.alert(Key("main", "wiring"))) is False


def test_shelving_can_be_extended_and_taken_back() -> None:
    story = lost()
    do(story, "shelve", LOSS, until_s=100.0)
    assert do(story, "shelve", LOSS, until_s=100.0).note == "already shelved until 2026-03-01T12:02:10.000Z"
    do(story, "shelve", LOSS, until_s=200.0)
    assert let_pass(story, 150, L2_LOST) == []
    assert do(story, "unshelve", LOSS).ok
    assert do(story, "unshelve", LOSS).note == "was not shelved"
    assert story.told()[1:] == [
        "main/phase_loss shelved",
        "main/phase_loss shelved",
        "main/phase_loss unshelved",
    ]


def test_a_wall_clock_that_is_set_moves_no_end() -> None:
    story = lost()
    do(story, "shelve", LOSS, until_s=100.0)
    ahead, now_s = START + timedelta(days=3000), story.now_s()
    assert story.watch.tick(Moment(ahead, now_s + 99.0)) == []
    assert [event.transition for event in story.watch.tick(Moment(ahead, now_s + 100.0))] == ["unshelved"]


@pytest.mark.parametrize(("down_s", "over"), [(10.0, False), (120.0, True)])
def test_after_a_restart_the_wall_clock_says_what_is_left_of_a_shelving(down_s: float, over: bool) -> None:
    before = lost()
    do(before, "shelve", LOSS, until_s=100.0)
    before.t_s += down_s
    after = restarted(before)
    assert [event.transition for event in after.watch.tick(Moment(after.now(), after.now_s()))] == ["unshelved"] * over
    if not over:
        assert let_pass(after, 90, L2_LOST) == ["main/phase_loss unshelved"]


def test_a_clock_that_begins_in_1970_shelves_nothing_for_decades() -> None:
    before = lost()
    do(before, "shelve", LOSS, until_s=100.0)
    after = restarted(before)
    past = START - timedelta(days=20000)
    assert after.watch.tick(Moment(past, 5.0)) == []
    assert [event.transition for event in after.watch.tick(Moment(past, 5.0 + 7 * 86400.0))] == ["unshelved"]


# Latching

LATCHED = {"rules": {"phase_loss": {"latch": True}}}


def test_a_latched_alert_waits_for_its_acknowledgement() -> None:
    story = lost(**LATCHED)
    assert let_pass(story, 60) == ["main/phase_loss verdict_changed"]
    payload = story.events[-1].payload
    assert (payload["state"], payload["verdict"]["code"]) == ("active", "normal")
    assert payload["summary"].startswith("Phase loss L2: the condition is gone; the alert waits for acknowledgement")
    do(story, "acknowledge", LOSS)
    assert story.told()[-2:] == ["main/phase_loss acknowledged", "main/phase_loss cleared"]
    assert (story.events[-1].payload["by"], story.events[-1].payload["state"]) == ("anna", "cleared")
    assert let_pass(story, 60) == []


def test_a_latched_alert_that_was_acknowledged_clears_by_itself() -> None:
    story = lost(**LATCHED)
    do(story, "acknowledge", LOSS)
    assert let_pass(story, 60) == ["main/phase_loss cleared"]


def test_a_latched_alert_whose_condition_comes_back_is_the_same_occurrence() -> None:
    story = lost(**LATCHED).poll(60, incomer=HEALTHY).poll(20, incomer=L2_LOST)
    assert story.told() == [
        "main/phase_loss raised",
        "main/phase_loss verdict_changed",
        "main/phase_loss verdict_changed",
    ]
    assert "lost" in story.events[-1].payload["summary"]
    do(story, "acknowledge", LOSS)
    assert story.told()[-1] == "main/phase_loss acknowledged"
    assert let_pass(story, 20) == ["main/phase_loss cleared"]


def test_a_latched_cause_whose_condition_is_gone_explains_nothing() -> None:
    story = lost(**LATCHED).poll(60, incomer=HEALTHY).poll(3, incomer=LOW)
    assert "main/voltage_dip raised" in story.told()


def test_a_rule_that_latches_no_more_lets_go() -> None:
    before = lost(**LATCHED).poll(60, incomer=HEALTHY)
    assert restarted(before).poll(5, incomer=HEALTHY).told() == ["main/phase_loss cleared"]


# Which alert


def test_an_alert_is_named_by_its_occurrence() -> None:
    story = lost()
    assert do(story, "acknowledge", {"alert_id": story.events[0].payload["alert_id"]}).ok


@pytest.mark.parametrize("phase", [None, "l2", "L2"])
def test_an_alert_of_the_whole_point_may_be_named_with_the_phase_that_it_is_told_with(phase: str | None) -> None:
    assert do(lost(), "acknowledge", {**LOSS, "phase": phase}).ok


def test_the_name_that_the_list_shows_is_one_that_commands_take() -> None:
    story = Story().poll(10, incomer=HEALTHY).poll(400, incomer=LOW)
    story.events += lost().events
    payloads = {event.key: event.payload for event in story.events}
    for key, payload in payloads.items():
        assert next(lines([payload])).split()[1] == str(key)
    assert {key.phase for key in payloads} == {"", "l1", "l2", "l3"}
    assert {key.rule for key in story.watch.desk.known() if key.phase} == set(BY_PHASE)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"subject": "annex", "rule": "wiring"}, "subject: annex has no alerts"),
        ({"subject": "main", "rule": "hot"}, "rule: main has no alert hot; one of "),
        ({"subject": "main", "rule": "voltage_deviation"}, "is kept by phase; name one of l1, l2, l3"),
        ({"subject": "main", "rule": "phase_loss", "phase": "l1"}, "is not kept by phase; leave phase out"),
        ({"alert_id": "plant-zz-main-phase_loss-1"}, "is not of this journal; its ids begin with plant-j1-"),
        ({"alert_id": "plant-j1-main-nothing-1"}, "no such alert"),
        ({"alert_id": "plant-j1-7"}, "is not of this journal"),
        ({"alert_id": "plant-j1-main-phase_loss-1"}, "is over; the current occurrence is plant-j1-main-phase_loss-2"),
    ],
)
def test_a_target_that_is_not_there_is_refused_with_what_is(body: dict[str, Any], words: str) -> None:
    story = lost().poll(60, incomer=HEALTHY).poll(20, incomer=L2_LOST)
    answer = do(story, "acknowledge", body)
    assert (answer.ok, answer.alert_id) == (False, None)
    assert words in str(answer.error)


def test_alerts_of_meters_buses_and_phases_can_be_shelved() -> None:
    story = Story(THREE).poll(10, **ALL_HEALTHY)
    story.events += story.watch.load("board", 10, 0, Moment(story.now(), story.now_s()))
    for subject, rule, phase in (
        ("a", "meter_offline", None),
        ("_bus-board", "bus_overloaded", None),
        ("a", "voltage_deviation", "L2"),
    ):
        assert do(story, "shelve", {"subject": subject, "rule": rule, "phase": phase}, until_s=60.0).ok
    assert [event.payload["meters"] for event in story.events] == [["a"], ["a", "b", "c"], ["a"]]


# Test and resync


@pytest.mark.parametrize(("language", "words"), [("en", "This is a test"), ("zh", "测试")])
def test_a_test_alert_is_raised_and_cleared_at_once(language: str, words: str) -> None:
    story = Story(language=language)
    answer = do(story, "test", {})
    assert story.told() == ["_daemon/test raised", "_daemon/test cleared"]
    assert {event.payload["alert_id"] for event in story.events} == {answer.alert_id}
    raised, cleared = (event.payload for event in story.events)
    assert (raised["severity"], raised["state"], cleared["state"]) == ("low", "active", "cleared")
    assert words in raised["summary"]
    assert (raised["by"], cleared["by"]) == ("anna", "anna")


def test_tests_neither_chatter_nor_stand() -> None:
    story = Story()
    for _ in range(5):
        do(story, "test", {})
    assert not any(event.payload["chattering"] for event in story.events)
    assert story.watch.counts(Moment(story.now(), story.now_s())).raised_10min == 0
    assert len({event.payload["alert_id"] for event in story.events}) == 5
    after = restarted(story)
    do(after, "test", {})
    assert after.events[0].payload["count"] == 6
    assert after.gone == []


def test_a_test_is_no_news_even_while_it_is_shelved() -> None:
    story = lost()
    assert do(story, "shelve", {"subject": "_daemon", "rule": "test"}, until_s=900.0).ok is False
    do(story, "test", {})
    assert do(story, "shelve", {"subject": "_daemon", "rule": "test"}, until_s=900.0).ok
    assert do(story, "test", {}).ok
    assert [news.key.rule for news in story.watch.desk.news] == ["phase_loss"]
    quiet = Story()
    do(quiet, "test", {})
    do(quiet, "shelve", {"subject": "_daemon", "rule": "test"}, until_s=900.0)
    assert do(quiet, "test", {}).ok


def test_a_resync_is_left_to_whoever_publishes() -> None:
    story = lost()
    answer, events = story.watch.operate(parse("resync", {"request": "r"}, START), Moment(story.now(), story.now_s()))
    assert (answer.ok, answer.alert_id, events) == (True, None, [])


def test_what_cannot_be_read_is_no_command() -> None:
    with pytest.raises(CommandError):
        do(Story(), "shelve", LOSS)
