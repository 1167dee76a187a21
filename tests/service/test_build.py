"""What another site file changes: only what it describes otherwise is built anew."""

import json
from datetime import timedelta
from typing import Any

import pytest

from phasewatch.alerts.engine import AlertEngine
from phasewatch.alerts.event import Event, Origin
from phasewatch.alerts.site_monitor import FORGOTTEN, SiteMonitor
from phasewatch.configuration.site import LoadedSite
from phasewatch.meters.reading import Moment, Reading
from phasewatch.rules.rule import Health
from phasewatch.service.build import LEARNED, SEEN_LIVE, build_watch, changed_buses, needs_restart, reconfigure
from tests.service.site import HEALTHY, PHASE_LOST, bus, meter, site
from tests.timeline import START

MAIN, WORKSHOP = meter("incomer", point="main", interval_s=1), meter("workshop", interval_s=1)
TWO = (bus(MAIN), bus(WORKSHOP, name="shed", url="tcp://127.0.0.1:2"))
QUIET: dict[str, Any] = {"frozen_readings": {"enabled": False}}
"""The values of these stories stand still."""
OFF: dict[str, Any] = {**QUIET, "phase_loss": {"enabled": False}}


def loaded(*buses: dict[str, Any], **keys: Any) -> LoadedSite:
    return site(*(buses or TWO), **{"rules": QUIET, **keys})


def watch_over(first: LoadedSite) -> SiteMonitor:
    watch, _ = build_watch(first, "j1", {})
    return watch


def play(watch: SiteMonitor, values: dict[str, float], first_s: int, seconds: int) -> list[Event]:
    events: list[Event] = []
    for second in range(first_s, first_s + seconds):
        for name in ("incomer", "workshop"):
            events += watch.reading(Reading(name, START + timedelta(seconds=second), 1000.0 + second, dict(values)))
    return events


def moment(second: int) -> Moment:
    """Return the time of a second by both clocks."""
    return Moment(START + timedelta(seconds=second), 1000.0 + second)


def numbers(events: list[Event]) -> list[tuple[str, int, int]]:
    """Return transition, number of the occurrence and `rev` of each event of one alert."""
    found = [event for event in events if str(event.key) == "main/phase_loss"]
    assert all(event.payload["alert_id"].endswith(f"-{event.payload['count']}") for event in found)
    return [(event.transition, event.payload["count"], event.payload["rev"]) for event in found]


def told(events: list[Event]) -> list[str]:
    return [f"{event.key} {event.transition}" for event in events]


def test_the_same_file_changes_nothing() -> None:
    first, again = loaded(), loaded()
    watch = watch_over(first)
    after, gone, events = reconfigure(first, again, watch, moment(0))
    assert (gone, events) == ((), [])
    assert changed_buses(first, again) == frozenset()
    assert all(after.points[name] is point for name, point in watch.points.items())
    assert all(after.buses[name] is one for name, one in watch.buses.items())


def test_an_alert_that_stands_goes_on_through_a_change_of_its_own_rule() -> None:
    first = loaded()
    watch = watch_over(first)
    play(watch, dict(HEALTHY), 0, 5)
    assert "main/phase_loss raised" in told(play(watch, dict(PHASE_LOST), 5, 5))
    other = loaded(rules={**QUIET, "phase_loss": {"severity": "low"}})
    after, gone, events = reconfigure(first, other, watch, moment(10))
    assert (gone, events) == ((), [])
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
    after, _, _ = reconfigure(first, other, watch, moment(8))
    assert "main/phase_loss raised" in told(play(after, dict(PHASE_LOST), 8, 2))


def test_a_point_that_is_built_anew_remembers_which_phases_it_has_seen_live() -> None:
    first = loaded()
    watch = watch_over(first)
    play(watch, dict(HEALTHY), 0, 2)
    after, _, _ = reconfigure(first, loaded(supply={"nominal_v": 231}), watch, moment(2))
    assert after.points["main"].seen_live == (True, True, True)


def test_a_rule_and_a_point_that_are_gone_are_forgotten_with_their_alerts() -> None:
    first = loaded()
    watch = watch_over(first)
    play(watch, dict(HEALTHY), 0, 5)
    play(watch, dict(PHASE_LOST), 5, 5)
    off = loaded(TWO[0], rules={**QUIET, "phase_loss": {"enabled": False}})
    after, gone, events = reconfigure(first, off, watch, moment(10))
    assert {"main/phase_loss", "workshop/phase_loss", f"workshop/{SEEN_LIVE}", f"workshop/{LEARNED}"} <= set(gone)
    assert [str(alert.key) for alert in after.desk.standing()] == []
    assert told(events) == ["main/phase_loss cleared", "workshop/phase_loss cleared"]


@pytest.mark.parametrize(
    ("language", "reason", "words"),
    [("en", "no longer configured", "is no longer watched for"), ("zh", "已不在配置中", "不再监视")],
)
def test_a_standing_alert_without_its_rule_is_told_as_cleared_and_why(language: str, reason: str, words: str) -> None:
    first = loaded(language=language)
    watch = watch_over(first)
    play(watch, dict(HEALTHY), 0, 5)
    play(watch, dict(PHASE_LOST), 5, 6)
    _, _, events = reconfigure(first, loaded(rules=OFF, language=language), watch, moment(11))
    payload = next(event.payload for event in events if event.key.subject == "main")
    assert (payload["state"], payload["reason"], payload["by"]) == ("cleared", reason, None)
    assert (payload["at"], payload["rev"], payload["meters"]) == ("2026-03-01T12:00:11.000Z", 2, ["incomer"])
    assert words in payload["summary"]
    assert "over" not in payload["summary"]


def test_a_rule_that_comes_back_goes_on_with_its_numbers() -> None:
    first, off = loaded(), loaded(rules=OFF)
    watch = watch_over(first)
    events = play(watch, dict(HEALTHY), 0, 5) + play(watch, dict(PHASE_LOST), 5, 10)
    watch, _, ends = reconfigure(first, off, watch, moment(15))
    play(watch, dict(PHASE_LOST), 15, 10)
    watch, _, _ = reconfigure(off, first, watch, moment(25))
    events += ends + play(watch, dict(PHASE_LOST), 25, 10)
    assert numbers(events) == [("raised", 1, 1), ("cleared", 1, 2), ("raised", 2, 3)]


def test_what_is_unconfigured_at_a_restart_is_told_and_keeps_its_numbers_over_the_next() -> None:
    on, off = loaded(), loaded(TWO[0], rules=OFF)
    watch = watch_over(on)
    events = play(watch, dict(HEALTHY), 0, 5) + play(watch, dict(PHASE_LOST), 5, 10)
    records = {str(event.key): event.record for event in events}
    watch, gone = build_watch(off, "j1", records)
    assert {"main/phase_loss", "workshop/phase_loss"} <= set(gone)
    ends = watch.retire(gone, moment(20), records)
    assert told(ends) == ["main/phase_loss cleared", "workshop/phase_loss cleared"]
    assert {event.payload["reason"] for event in ends} == {"no longer configured"}
    assert watch.desk.standing() == []
    kept = json.loads(json.dumps({FORGOTTEN: watch.desk.numbers}))
    watch, gone = build_watch(on, "j1", kept)
    assert gone == []
    assert watch.retire(gone, moment(30), kept) == []
    events += ends + play(watch, dict(HEALTHY), 25, 5) + play(watch, dict(PHASE_LOST), 30, 10)
    assert numbers(events) == [("raised", 1, 1), ("cleared", 1, 2), ("raised", 2, 3)]


def test_a_damaged_record_loses_no_numbers_that_can_be_read() -> None:
    records: dict[str, dict[str, Any]] = {
        "main/phase_loss": {"count": 4, "rev": 9},
        "main/wiring": {"count": "4"},
        "main/_learned": {},
    }
    watch = watch_over(loaded())
    assert watch.retire(records, moment(0), records) == []
    assert watch.desk.numbers == {"main/phase_loss": (4, 9)}


@pytest.mark.parametrize("damaged", [{"main/wiring": 3}, {"main/wiring": [1]}, {"main/wiring": ["1", 2]}])
def test_damaged_numbers_begin_anew(damaged: dict[str, Any]) -> None:
    desk = AlertEngine(Origin("plant", "j1"), {}, {**damaged, "main/phase_loss": [1, 2]})
    assert desk.numbers == {"main/phase_loss": (1, 2)}


@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        ({"supply": {"nominal_v": 231}}, True),
        ({"rules": {**QUIET, "outbox_overflow": {"severity": "low"}}}, False),
        ({"language": "zh"}, False),
    ],
)
def test_the_watch_over_the_daemon_is_kept_while_its_rules_and_words_are_as_before(
    keys: dict[str, Any], kept: bool
) -> None:
    first = loaded()
    watch = watch_over(first)
    after, _, _ = reconfigure(first, loaded(**keys), watch, moment(0))
    assert (after.daemon is watch.daemon) is kept


def test_what_was_lost_during_a_reload_is_told() -> None:
    first = loaded()
    watch = watch_over(first)
    assert watch.health(Health(1000.0, dropped=3), START) == []
    after, _, _ = reconfigure(first, loaded(supply={"nominal_v": 231}), watch, moment(0))
    assert told(after.health(Health(1001.0, dropped=4), START)) == ["_daemon/outbox_overflow raised"]


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
        ({"webhooks": [{"name": "erp", "url": "https://h/", "secret_file": "/s"}]}, ["webhooks"]),
    ],
)
def test_what_topics_journal_and_connection_hang_on_needs_a_restart(keys: dict[str, Any], fixed: list[str]) -> None:
    assert needs_restart(loaded().site, loaded(**keys).site) == fixed
