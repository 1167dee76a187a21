"""What another site file changes: only what it describes otherwise is built anew."""

from datetime import timedelta
from typing import Any

import pytest

from phasewatch.alerts.event import Event
from phasewatch.alerts.watch import Watch
from phasewatch.assembly import LEARNED, SEEN_LIVE, build_watch
from phasewatch.library import LoadedSite
from phasewatch.meters.reading import Reading
from phasewatch.reconfiguration import changed_buses, needs_restart, reconfigure
from tests.service.site import HEALTHY, PHASE_LOST, bus, meter, site
from tests.timeline import START

MAIN, WORKSHOP = meter("incomer", point="main", interval_s=1), meter("workshop", interval_s=1)
TWO = (bus(MAIN), bus(WORKSHOP, name="shed", url="tcp://127.0.0.1:2"))
QUIET: dict[str, Any] = {"frozen_readings": {"enabled": False}}
"""The values of these stories stand still."""


def loaded(*buses: dict[str, Any], **keys: Any) -> LoadedSite:
    return site(*(buses or TWO), **{"rules": QUIET, **keys})


def watch_over(first: LoadedSite) -> Watch:
    watch, _ = build_watch(first, "j1", {})
    return watch


def play(watch: Watch, values: dict[str, float], first_s: int, seconds: int) -> list[Event]:
    events: list[Event] = []
    for second in range(first_s, first_s + seconds):
        for name in ("incomer", "workshop"):
            events += watch.reading(Reading(name, START + timedelta(seconds=second), 1000.0 + second, dict(values)))
    return events


def told(events: list[Event]) -> list[str]:
    return [f"{event.key} {event.transition}" for event in events]


def test_the_same_file_changes_nothing() -> None:
    first, again = loaded(), loaded()
    watch = watch_over(first)
    after, gone = reconfigure(first, again, watch)
    assert gone == ()
    assert changed_buses(first, again) == frozenset()
    assert all(after.points[name] is point for name, point in watch.points.items())
    assert all(after.buses[name] is one for name, one in watch.buses.items())


def test_an_alert_that_stands_goes_on_through_a_change_of_its_own_rule() -> None:
    first = loaded()
    watch = watch_over(first)
    play(watch, dict(HEALTHY), 0, 5)
    assert "main/phase_loss raised" in told(play(watch, dict(PHASE_LOST), 5, 5))
    other = loaded(rules={**QUIET, "phase_loss": {"severity": "low"}})
    after, gone = reconfigure(first, other, watch)
    assert gone == ()
    assert after.points["main"] is not watch.points["main"]
    later = told(play(after, dict(PHASE_LOST), 10, 5))
    assert "main/phase_loss raised" not in later
    assert "main/phase_loss cleared" in told(play(after, dict(HEALTHY), 15, 20))


def test_a_running_timer_of_an_unchanged_point_goes_on() -> None:
    first = loaded(rules={**QUIET, "phase_loss": {"on_delay_s": 4, "on_polls": 2}})
    watch = watch_over(first)
    play(watch, dict(HEALTHY), 0, 5)
    assert told(play(watch, dict(PHASE_LOST), 5, 3)) == []
    other = loaded(
        TWO[0],
        bus(WORKSHOP, name="shed", url="tcp://127.0.0.1:3"),
        rules={**QUIET, "phase_loss": {"on_delay_s": 4, "on_polls": 2}},
    )
    after, _ = reconfigure(first, other, watch)
    assert "main/phase_loss raised" in told(play(after, dict(PHASE_LOST), 8, 2))


def test_a_point_that_is_built_anew_remembers_which_phases_it_has_seen_live() -> None:
    first = loaded()
    watch = watch_over(first)
    play(watch, dict(HEALTHY), 0, 2)
    after, _ = reconfigure(first, loaded(supply={"nominal_v": 231}), watch)
    assert after.points["main"].seen_live == (True, True, True)


def test_a_rule_and_a_point_that_are_gone_are_forgotten_with_their_alerts() -> None:
    first = loaded()
    watch = watch_over(first)
    play(watch, dict(HEALTHY), 0, 5)
    play(watch, dict(PHASE_LOST), 5, 5)
    after, gone = reconfigure(first, loaded(TWO[0], rules={**QUIET, "phase_loss": {"enabled": False}}), watch)
    assert {"main/phase_loss", "workshop/phase_loss", f"workshop/{SEEN_LIVE}", f"workshop/{LEARNED}"} <= set(gone)
    assert [str(alert.key) for alert in after.desk.standing()] == []


@pytest.mark.parametrize(
    ("keys", "buses"),
    [
        ({}, set()),
        ({"rules": {**QUIET, "voltage_dip": {"severity": "low"}}}, set()),  # polling knows no rules
        ({"supply": {"nominal_v": 120}}, {"board", "shed"}),  # what is plausible hangs on it
        ({"language": "zh"}, set()),
    ],
)
def test_polling_begins_anew_only_where_what_is_asked_changes(keys: dict[str, Any], buses: set[str]) -> None:
    assert changed_buses(loaded(), loaded(**keys)) == buses


def test_a_meter_that_moves_to_another_bus_changes_both() -> None:
    moved = (bus(MAIN, {**WORKSHOP, "unit_id": 2}),)
    assert changed_buses(loaded(), loaded(*moved)) == {"board", "shed"}


@pytest.mark.parametrize(
    ("keys", "fixed"),
    [
        ({}, []),
        ({"language": "zh", "publish_interval_s": 5}, []),
        ({"site": "other"}, ["site"]),
        ({"mqtt": {"urls": ["mqtt://127.0.0.1:2"]}, "state_dir": "/elsewhere"}, ["state_dir", "mqtt"]),
        ({"web": {"listen": "127.0.0.1:8601"}}, ["web"]),
    ],
)
def test_what_topics_journal_and_connection_hang_on_needs_a_restart(keys: dict[str, Any], fixed: list[str]) -> None:
    assert needs_restart(loaded().site, loaded(**keys).site) == fixed
