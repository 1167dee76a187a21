"""The watch over a site: timelines of readings and failures in, events out."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from phasewatch.alerts.event import Event
from phasewatch.configuration.files import load_messages
from phasewatch.meters.quantities import LL, LN, phase_name
from phasewatch.meters.reading import Moment, Reading
from phasewatch.rules.catalogue import RULES
from phasewatch.service.build import SEEN_LIVE, build_watch
from tests.service.site import bus, meter, site
from tests.timeline import START

Values = Mapping[str, float]

STRAIGHT = dict.fromkeys(LL, 405.3)
HEALTHY: Values = {**dict.fromkeys(LN, 234.0), **STRAIGHT}
EARTH_AT_HOME: Values = {**dict.fromkeys(LN, 234.0), **STRAIGHT}
EARTH_PULLED: Values = {LN[0]: 208.0, LN[1]: 254.0, LN[2]: 254.0, **STRAIGHT}
"""What a meter with its neutral terminal on PE shows in the founding case."""
NEUTRAL_OPEN: Values = {LN[0]: 107.3, LN[1]: 299.4, LN[2]: 329.0, **dict.fromkeys(LL, 400.0)}
L2_LOST: Values = {**HEALTHY, LN[1]: 0.0, LL[0]: 234.0, LL[1]: 234.0}
DEAD: Values = dict.fromkeys((*LN, *LL), 0.0)
LOW: Values = {**dict.fromkeys(LN, 195.0), **dict.fromkeys(LL, 337.7)}

ONE = bus(meter("incomer", interval_s=1, point="main"))
TWO = bus(
    meter("incomer", interval_s=1, point="main"),
    meter("earth", unit_id=2, interval_s=1, point="main", wiring="neutral_on_pe"),
)


class Story:
    """One poll a second of every meter of a site; None instead of values is a failed poll."""

    def __init__(
        self, *buses: Any, records: Mapping[str, Any] | None = None, start_s: float = 0.0, **keys: Any
    ) -> None:
        # The values of these stories stand still to the last digit.
        keys["rules"] = {"frozen_readings": {"enabled": False}, **keys.get("rules", {})}
        self.watch, self.gone = build_watch(site(*(buses or (ONE,)), **keys), "j1", records or {})
        self.t_s, self.events = start_s, list[Event]()

    def poll(self, times: int = 1, **values: Values | None) -> "Story":
        for _ in range(times):
            for place, (name, what) in enumerate(values.items()):
                self.events += self._take(name.replace("_", "-"), what, self.t_s + 0.3 * place)
            self.t_s += 1.0
        return self

    def _take(self, name: str, what: Values | None, t_s: float) -> list[Event]:
        at, monotonic_s = START + timedelta(seconds=t_s), 1000.0 + t_s
        if what is None:
            return self.watch.failure(name, "no answer", Moment(at, monotonic_s))
        return self.watch.reading(Reading(name, at, monotonic_s, dict(what)))

    def now(self) -> datetime:
        return START + timedelta(seconds=self.t_s)

    def now_s(self) -> float:
        return 1000.0 + self.t_s

    def told(self, *transitions: str) -> list[str]:
        return told(self.events, *transitions)

    def records(self) -> dict[str, Any]:
        """Return the newest record of every alert, as the journal keeps them."""
        live = {f"{point.name}/{SEEN_LIVE}": {"phases": point.seen_live} for point in self.watch.points.values()}
        return live | {str(event.key): event.record for event in self.events}

    def standing(self) -> dict[str, str]:
        """Return the alerts that stand, as subscribers know them."""
        newest = {str(event.key): event.payload["state"] for event in self.events}
        return {key: state for key, state in newest.items() if state != "cleared"}


def told(events: Iterable[Event], *transitions: str) -> list[str]:
    return [f"{e.key} {e.transition}" for e in events if not transitions or e.transition in transitions]


def healthy_two(seconds: int = 10) -> Story:
    return Story(TWO).poll(seconds, incomer=HEALTHY, earth=EARTH_AT_HOME)


def test_nothing_is_told_of_a_healthy_supply() -> None:
    assert healthy_two(1300).events == []


def test_the_founding_case_is_one_alert_raised_once_and_cleared_once() -> None:
    story = healthy_two().poll(60, incomer=HEALTHY, earth=EARTH_PULLED).poll(90, incomer=HEALTHY, earth=EARTH_AT_HOME)
    assert story.told() == ["main/earth_displacement raised", "main/earth_displacement cleared"]
    raised = story.events[0].payload
    assert raised["verdict"]["code"] == "earth_displaced"
    assert (raised["phase"], raised["severity"], raised["first_out"]) == ("L1", "high", True)
    assert raised["value"] == pytest.approx(30.27, abs=0.5)
    assert raised["meters"] == ["incomer", "earth"]
    assert raised["readings"]["voltage_l1_pe"] == 208.0
    assert raised["blind"]["interval_s"] == 1


def test_an_event_and_its_clearing_are_one_occurrence_with_growing_revisions() -> None:
    story = healthy_two().poll(60, incomer=HEALTHY, earth=EARTH_PULLED).poll(90, incomer=HEALTHY, earth=EARTH_AT_HOME)
    story.poll(60, incomer=HEALTHY, earth=EARTH_PULLED)
    first, cleared, second = (event.payload for event in story.events)
    assert first["alert_id"] == cleared["alert_id"] != second["alert_id"]
    assert [e.payload["rev"] for e in story.events] == [1, 2, 3]
    assert second["count"] == 2


def test_an_open_neutral_holds_the_deviation_that_follows_from_it() -> None:
    story = Story().poll(10, incomer=HEALTHY).poll(300, incomer=NEUTRAL_OPEN).poll(300, incomer=HEALTHY)
    assert story.told() == ["main/neutral_displacement raised", "main/neutral_displacement cleared"]
    assert story.events[0].payload["severity"] == "critical"


def test_a_lost_phase_is_one_alert() -> None:
    story = Story().poll(10, incomer=HEALTHY).poll(300, incomer=L2_LOST).poll(300, incomer=HEALTHY)
    assert story.told() == ["main/phase_loss raised", "main/phase_loss cleared"]
    assert story.events[0].payload["phase"] == "L2"


def test_an_interruption_is_one_alert_and_wiring_stays_silent() -> None:
    story = healthy_two().poll(30, incomer=DEAD, earth=DEAD).poll(30, incomer=HEALTHY, earth=EARTH_AT_HOME)
    assert story.told() == ["main/interruption raised", "main/interruption cleared"]


def test_an_alert_that_already_stood_is_suppressed_by_its_later_cause_and_not_cleared() -> None:
    story = Story().poll(10, incomer=HEALTHY).poll(90, incomer=LOW).poll(30, incomer=L2_LOST)
    assert story.told("raised")[-1] == "main/phase_loss raised"
    cause = next(e for e in story.events if e.key.rule == "phase_loss").payload["alert_id"]
    by_it = [e for e in story.events if e.transition == "suppressed" and e.payload["suppressed_by"] == cause]
    deviations = [f"main/voltage_deviation/{phase} suppressed" for phase in ("l1", "l2", "l3")]
    assert sorted(told(by_it)) == [*deviations, "main/voltage_dip suppressed"]
    assert story.told("cleared") == []
    story.poll(300, incomer=HEALTHY)
    assert story.standing() == {}


def test_two_meters_that_see_a_step_at_different_polls_raise_nothing() -> None:
    story = healthy_two()
    low: Values = {**dict.fromkeys(LN, 215.0), **dict.fromkeys(LL, 372.4)}
    for _ in range(20):
        story.poll(1, incomer=low, earth=EARTH_AT_HOME).poll(4, incomer=low, earth=low)
        story.poll(1, incomer=HEALTHY, earth=low).poll(4, incomer=HEALTHY, earth=EARTH_AT_HOME)
    assert story.events == []


@pytest.mark.parametrize("glitch", [DEAD, L2_LOST, NEUTRAL_OPEN, LOW, dict.fromkeys(LN, 500.0)])
def test_a_single_shot_raises_nothing_where_two_polls_are_asked_for(glitch: Values) -> None:
    at_once = ("interruption", "voltage_dip", "voltage_swell")
    story = Story(rules={name: {"on_polls": 2} for name in at_once}).poll(10, incomer=HEALTHY)
    for _ in range(20):
        story.poll(1, incomer=glitch).poll(20, incomer=HEALTHY)
    assert story.events == []


def test_an_impossible_reading_of_one_poll_raises_nothing() -> None:
    impossible: Values = {**HEALTHY, LL[0]: 900.0}
    story = Story().poll(10, incomer=HEALTHY)
    for _ in range(20):
        story.poll(1, incomer=impossible).poll(20, incomer=HEALTHY)
    assert story.events == []
    story.poll(20, incomer=impossible)
    assert story.told() == ["main/wiring raised"]


def test_phases_dead_since_the_first_reading_are_wiring_and_not_a_loss() -> None:
    story = Story().poll(60, incomer=L2_LOST)
    assert story.told() == ["main/wiring raised"]


def test_a_supply_that_is_off_since_the_first_reading_is_no_interruption() -> None:
    assert Story().poll(60, incomer=DEAD).events == []


def test_values_that_are_missing_freeze_an_alert_and_clear_nothing() -> None:
    no_l2 = {name: value for name, value in L2_LOST.items() if name != LN[1]}
    story = Story().poll(10, incomer=HEALTHY).poll(20, incomer=L2_LOST).poll(5, incomer=no_l2).poll(5, incomer=L2_LOST)
    assert story.told() == ["main/phase_loss raised"]


def test_time_without_values_does_not_count_towards_an_alert() -> None:
    story = Story(rules={"phase_loss": {"on_delay_s": 10}}).poll(10, incomer=HEALTHY)
    story.poll(6, incomer=L2_LOST).poll(20, incomer={}).poll(4, incomer=L2_LOST)
    assert story.events == []
    story.poll(4, incomer=L2_LOST)
    assert story.told() == ["main/phase_loss raised"]


def test_a_standing_alert_that_cannot_be_judged_any_more_becomes_unknown_and_comes_back_fresh() -> None:
    story = healthy_two().poll(60, incomer=HEALTHY, earth=EARTH_PULLED).poll(25, incomer=HEALTHY, earth=None)
    assert story.told() == ["main/earth_displacement raised", "main/earth_displacement stale"]
    assert story.standing() == {"main/earth_displacement": "unknown"}
    story.poll(10, incomer=HEALTHY, earth=EARTH_PULLED)
    assert story.told()[2:] == ["main/earth_displacement fresh"]
    assert story.standing() == {"main/earth_displacement": "active"}
    assert story.events[-1].payload["alert_id"] == story.events[0].payload["alert_id"]


def test_the_same_holds_when_the_leading_meter_is_gone() -> None:
    story = healthy_two().poll(60, incomer=HEALTHY, earth=EARTH_PULLED).poll(25, incomer=None, earth=EARTH_PULLED)
    assert story.told() == ["main/earth_displacement raised", "main/earth_displacement stale"]


def test_what_is_unknown_for_a_moment_stays_active() -> None:
    story = healthy_two().poll(60, incomer=HEALTHY, earth=EARTH_PULLED).poll(8, incomer=HEALTHY, earth=None)
    story.poll(20, incomer=HEALTHY, earth=EARTH_PULLED)
    assert story.told() == ["main/earth_displacement raised"]


def test_an_unknown_alert_that_comes_back_clear_is_fresh_and_then_cleared() -> None:
    story = healthy_two().poll(60, incomer=HEALTHY, earth=EARTH_PULLED).poll(25, incomer=HEALTHY, earth=None)
    story.poll(60, incomer=HEALTHY, earth=EARTH_AT_HOME)
    assert story.told()[2:] == ["main/earth_displacement fresh", "main/earth_displacement cleared"]


def test_a_meter_that_does_not_answer_is_offline_after_its_delay() -> None:
    story = Story().poll(10, incomer=HEALTHY).poll(30, incomer=None)
    assert story.events == []
    assert story.watch.online("incomer")
    story.poll(2, incomer=None)
    assert story.told() == ["incomer/meter_offline raised"]
    assert not story.watch.online("incomer")
    story.poll(1, incomer=HEALTHY)
    assert story.told() == ["incomer/meter_offline raised", "incomer/meter_offline cleared"]
    assert story.events[0].payload["meters"] == ["incomer"]


def test_the_alerts_of_a_silent_point_become_stale_and_are_explained_by_the_meter_that_is_offline() -> None:
    story = Story().poll(10, incomer=HEALTHY).poll(20, incomer=L2_LOST).poll(120, incomer=None)
    assert story.told() == [
        "main/phase_loss raised",
        "main/phase_loss stale",
        "incomer/meter_offline raised",
        "main/phase_loss suppressed",
    ]
    offline, explained = (event.payload for event in story.events[2:])
    assert (explained["state"], explained["suppressed_by"]) == ("unknown", offline["alert_id"])
    story.poll(3, incomer=L2_LOST)
    assert story.told()[4:] == ["incomer/meter_offline cleared", "main/phase_loss fresh"]
    assert story.events[-1].payload["suppressed_by"] is None


def test_a_quick_offline_alert_explains_at_once() -> None:
    story = Story(rules={"meter_offline": {"on_delay_s": 3}}).poll(10, incomer=HEALTHY).poll(20, incomer=L2_LOST)
    story.poll(60, incomer=None)
    assert story.told() == ["main/phase_loss raised", "incomer/meter_offline raised", "main/phase_loss stale"]
    assert story.events[2].payload["suppressed_by"] == story.events[1].payload["alert_id"]


def test_the_offline_alert_of_a_meter_that_is_its_own_point_stays_active() -> None:
    """Meter and point then have one name, but the point's silence says nothing of the meter."""
    story = Story(bus(meter("incomer", interval_s=1))).poll(10, incomer=HEALTHY).poll(20, incomer=L2_LOST)
    story.poll(120, incomer=None)
    assert story.told("stale", "fresh") == ["incomer/phase_loss stale"]
    assert story.standing() == {"incomer/phase_loss": "unknown", "incomer/meter_offline": "active"}


def restarted(story: Story, *buses: Any, **keys: Any) -> Story:
    return Story(*(buses or (ONE,)), records=story.records(), start_s=story.t_s, **keys)


def test_a_phase_that_was_seen_live_before_a_restart_is_lost_and_not_miswired() -> None:
    live = {"main/seen_live": {"phases": [True, True, True]}}
    assert Story(records=live).poll(30, incomer=L2_LOST).told() == ["main/phase_loss raised"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_rule_has_its_sentence_in_every_language(language: str) -> None:
    messages: Any = load_messages(language)
    assert messages["rules"].keys() == messages["titles"].keys() == RULES.keys()


def test_a_severity_grows_while_an_alert_stands() -> None:
    worse: Values = {**dict.fromkeys(LN, 155.0), **dict.fromkeys(LL, 268.5)}
    story = Story().poll(10, incomer=HEALTHY).poll(90, incomer=LOW).poll(20, incomer=worse).poll(20, incomer=LOW)
    changed = [e for e in story.events if e.transition == "severity_changed" and e.key.phase]
    assert sorted(phase_name(e.key.phase) for e in changed) == ["L1", "L2", "L3"]
    assert {e.payload["severity"] for e in changed} == {"critical"}
