"""Meters of one bus: silent alone, silent together, and a bus that cannot keep its pace."""

from datetime import timedelta
from typing import Any

import pytest

from phasewatch.configuration.errors import ConfigurationError
from phasewatch.meters.quantities import LN
from phasewatch.meters.reading import Moment
from tests.alerts.test_site_monitor import HEALTHY, L2_LOST, Story, restarted, told
from tests.service.site import bus, meter, site
from tests.timeline import START

THREE = bus(*(meter(name, unit_id=n, interval_s=1) for n, name in enumerate(("a", "b", "c"), start=1)))
ALL_HEALTHY = dict.fromkeys("abc", HEALTHY)
ALL_SILENT: dict[str, Any] = dict.fromkeys("abc")


def test_a_bus_that_is_down_is_one_critical_alert() -> None:
    story = Story(THREE).poll(10, **ALL_HEALTHY).poll(300, **ALL_SILENT)
    assert story.told() == ["a/meter_offline raised"]
    payload = story.events[0].payload
    assert (payload["severity"], payload["meters"]) == ("critical", ["a", "b", "c"])
    assert payload["summary"].startswith("No meter of the bus board answers: no answer. ")
    story.poll(1, **ALL_HEALTHY)
    assert story.told()[1:] == ["a/meter_offline cleared"]


def test_every_meter_of_a_silent_bus_is_offline_though_one_alert_says_so() -> None:
    story = Story(THREE).poll(10, **ALL_HEALTHY).poll(60, **ALL_SILENT)
    assert [story.watch.online(name) for name in "abc"] == [False] * 3
    story.poll(1, a=None, b=None, c=HEALTHY)
    assert story.watch.online("c")


def test_one_silent_meter_of_several_is_high() -> None:
    story = Story(THREE).poll(10, **ALL_HEALTHY).poll(60, a=None, b=HEALTHY, c=HEALTHY)
    assert [event.payload["severity"] for event in story.events] == ["high"]


def test_a_bus_of_one_meter_is_no_silent_bus() -> None:
    story = Story().poll(10, incomer=HEALTHY).poll(60, incomer=None)
    assert [event.payload["severity"] for event in story.events] == ["high"]


def test_the_meters_that_stay_silent_after_the_first_is_back_get_their_own_alerts() -> None:
    story = Story(THREE).poll(10, **ALL_HEALTHY).poll(60, **ALL_SILENT).poll(60, a=HEALTHY, b=None, c=None)
    assert sorted(story.told("raised")) == [f"{name}/meter_offline raised" for name in "abc"]
    assert story.standing() == {"b/meter_offline": "active", "c/meter_offline": "active"}


def test_a_meter_that_stays_silent_when_its_bus_answers_again_says_so() -> None:
    story = Story(THREE).poll(10, **ALL_HEALTHY).poll(60, **ALL_SILENT).poll(60, a=None, b=HEALTHY, c=HEALTHY)
    assert story.told() == ["a/meter_offline raised", "a/meter_offline verdict_changed"]
    payload = story.events[-1].payload
    assert payload["summary"].startswith("The bus board answers again, this meter does not: no answer. ")
    assert payload["meters"] == ["a"]


def test_a_bus_that_flickers_is_told_once() -> None:
    story = Story(THREE).poll(10, **ALL_HEALTHY).poll(60, **ALL_SILENT)
    for _ in range(20):
        story.poll(5, a=None, b=HEALTHY, c=HEALTHY).poll(5, **ALL_SILENT)
    assert story.told() == ["a/meter_offline raised"]


def test_meters_that_a_flickering_bus_explains_by_turns_are_not_told_at_every_turn() -> None:
    story = Story(THREE).poll(10, **ALL_HEALTHY).poll(60, **ALL_SILENT)
    for _ in range(60):
        story.poll(5, a=None, b=HEALTHY, c=None).poll(5, **ALL_SILENT)
    suppressed, free = "c/meter_offline suppressed", "c/meter_offline unsuppressed"
    assert [one for one in story.told() if one.startswith("c/")] == [
        "c/meter_offline raised",
        suppressed,
        free,
        suppressed,
    ]
    story.poll(61, a=None, b=HEALTHY, c=None)
    assert [one for one in story.told() if one.startswith("c/")][4:] == [free]


def test_a_silent_meter_says_that_its_supply_may_be_lost() -> None:
    for language, words in (("en", "feeds itself"), ("zh", "自供电")):
        story = Story(language=language).poll(10, incomer=HEALTHY).poll(60, incomer=None)
        assert words in story.events[0].payload["summary"]


def test_meters_that_were_offline_before_the_bus_went_down_are_suppressed_by_the_first() -> None:
    story = Story(THREE).poll(10, **ALL_HEALTHY).poll(60, a=HEALTHY, b=None, c=HEALTHY)
    story.poll(60, a=HEALTHY, b=None, c=None).poll(60, **ALL_SILENT)
    assert story.told() == [
        "b/meter_offline raised",
        "c/meter_offline raised",
        "c/meter_offline suppressed",
        "b/meter_offline severity_changed",
    ]
    first, suppressed = story.events[0].payload, story.events[2].payload
    assert suppressed["suppressed_by"] == first["alert_id"]
    story.poll(3, a=HEALTHY, b=None, c=None)
    assert story.told()[4:] == ["c/meter_offline unsuppressed"]


def test_the_alerts_of_all_points_of_a_silent_bus_are_explained_by_its_one_alert() -> None:
    story = Story(THREE).poll(10, **ALL_HEALTHY).poll(20, **dict.fromkeys("abc", L2_LOST)).poll(120, **ALL_SILENT)
    cause = next(e for e in story.events if e.key.rule == "meter_offline").payload["alert_id"]
    newest = {str(event.key): event.payload for event in story.events}
    for name in "abc":
        assert (newest[f"{name}/phase_loss"]["state"], newest[f"{name}/phase_loss"]["suppressed_by"]) == (
            "unknown",
            cause,
        )


def test_a_restart_in_front_of_a_silent_bus_raises_nothing_again() -> None:
    before = Story(THREE).poll(10, **ALL_HEALTHY).poll(60, **ALL_SILENT)
    assert restarted(before, THREE).poll(120, **ALL_SILENT).events == []


def test_two_buses_are_silent_on_their_own() -> None:
    other = bus(
        *(meter(name, unit_id=n, interval_s=1) for n, name in enumerate("de", 1)), name="hall", url="tcp://127.0.0.1:2"
    )
    story = (
        Story(THREE, other).poll(10, **ALL_HEALTHY, d=HEALTHY, e=HEALTHY).poll(60, **ALL_SILENT, d=HEALTHY, e=HEALTHY)
    )
    assert story.told() == ["a/meter_offline raised"]


@pytest.mark.parametrize(("override", "raised"), [({}, False), ({"meter_offline": {"on_delay_s": 5}}, True)])
def test_a_rule_of_a_meter_takes_what_its_point_has_of_its_own(override: dict[str, Any], raised: bool) -> None:
    story = (
        Story(THREE, points={"a": {"rules": override}}).poll(10, **ALL_HEALTHY).poll(10, a=None, b=HEALTHY, c=HEALTHY)
    )
    assert story.told() == (["a/meter_offline raised"] if raised else [])


def test_a_rule_of_a_meter_can_be_off_at_one_point() -> None:
    points = {"a": {"rules": {"meter_offline": {"enabled": False}, "frozen_readings": {"enabled": True}}}}
    still = {**HEALTHY, LN[0]: 234.1}
    story = Story(THREE, points=points).poll(40, a=still, b=still, c=still).poll(60, a=None, b=HEALTHY, c=HEALTHY)
    assert story.told() == ["a/frozen_readings raised"]


def test_the_rule_of_a_bus_is_not_for_points() -> None:
    with pytest.raises(ConfigurationError, match=r"points\.a\.rules\.bus_overloaded: this rule judges a bus"):
        site(THREE, points={"a": {"rules": {"bus_overloaded": {"enabled": False}}}})


def loads(story: Story, beats: int, made: int, missed: int, totals: list[int]) -> list[str]:
    """Let beats of 5 s pass on the bus; return what it told."""
    events = []
    for _ in range(beats):
        totals[0], totals[1], story.t_s = totals[0] + made, totals[1] + missed, story.t_s + 5.0
        events += story.watch.load(
            "board", totals[0], totals[1], Moment(START + timedelta(seconds=story.t_s), 1000.0 + story.t_s)
        )
    story.events += events
    return told(events)


def test_a_bus_that_leaves_out_polls_for_a_minute_is_overloaded_until_it_leaves_out_none() -> None:
    story, totals = Story(THREE), [0, 0]
    assert loads(story, 12, 15, 0, totals) == []
    assert loads(story, 15, 12, 3, totals) == []
    assert loads(story, 1, 12, 3, totals) == ["_bus-board/bus_overloaded raised"]
    assert loads(story, 11, 15, 0, totals) == []
    assert loads(story, 3, 15, 0, totals) == ["_bus-board/bus_overloaded cleared"]
    payload = story.events[0].payload
    assert (payload["subject"], payload["meters"], payload["severity"]) == ("_bus-board", ["a", "b", "c"], "medium")
    assert "of them were left out" in payload["summary"]


def test_an_overload_outlives_a_restart() -> None:
    story, totals = Story(THREE), [0, 0]
    loads(story, 20, 12, 3, totals)
    again = restarted(story, THREE)
    assert again.gone == []
    assert loads(again, 1, 12, 3, [0, 0]) == []
    assert loads(again, 15, 15, 0, [12, 3]) == ["_bus-board/bus_overloaded cleared"]


def test_a_bus_whose_rule_is_off_says_nothing() -> None:
    story = Story(THREE, rules={"bus_overloaded": {"enabled": False}})
    assert loads(story, 60, 1, 14, [0, 0]) == []
