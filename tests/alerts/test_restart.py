"""What a restart restores: timers, chatter, latches; nothing is raised twice, and nothing forgotten."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.alerts.engine import AlertEngine
from phasewatch.alerts.lifecycle import Delays, State
from phasewatch.alerts.snapshot import record, restored
from phasewatch.meters.reading import Moment
from phasewatch.rules.rule import UNKNOWN, Condition
from tests.alerts.test_engine import CLEAR, ORIGIN, ROOT, Watched, breach
from tests.alerts.test_site_monitor import EARTH_PULLED, HEALTHY, L2_LOST, LOW, TWO, Story, healthy_two, restarted

SLOW = Delays(60.0, 60.0, on_polls=2, void_after_s=120.0)


def again(watched: Watched, down_s: float = 5.0) -> Watched:
    """Return the same desk after a restart, with another monotonic clock."""
    kept = watched.records()
    scene = watched.scene()
    for alert in watched.desk.busy():
        if alert.timer.run_s is not None:
            kept[str(alert.key)] = json.loads(json.dumps(record(alert, scene.moment)))
    return Watched(AlertEngine(ORIGIN, kept), now_s=watched.now_s + down_s, booted_s=-7777.0)


def test_a_pending_timer_goes_on() -> None:
    watched = Watched()
    watched.judge(*[breach()] * 51, delays=SLOW)
    after = again(watched)
    assert after.judge(*[breach()] * 10, delays=SLOW) == []
    assert after.judge(breach(), delays=SLOW) == ["raised"]


def test_a_clearing_timer_goes_on() -> None:
    watched = Watched()
    watched.judge(*[breach()] * 70, *[CLEAR] * 51, delays=SLOW)
    after = again(watched)
    assert after.judge(*[CLEAR] * 10, delays=SLOW) == []
    assert after.judge(CLEAR, delays=SLOW) == ["cleared"]
    assert after.events[-1].payload["reason"] is None


@pytest.mark.parametrize("down_s", [3700.0, -100.0])
def test_after_a_long_or_unknown_outage_half_run_timers_are_void(down_s: float) -> None:
    pending = Watched()
    pending.judge(*[breach()] * 51, delays=SLOW)
    assert again(pending, down_s).judge(*[breach()] * 60, delays=SLOW) == []
    clearing = Watched()
    clearing.judge(*[breach()] * 70, *[CLEAR] * 51, delays=SLOW)
    assert again(clearing, down_s).judge(*[CLEAR] * 60, delays=SLOW) == []


def test_an_outage_is_no_valid_time() -> None:
    watched = Watched()
    watched.judge(breach(), breach(), delays=SLOW)
    assert again(watched, 3000.0).judge(*[breach()] * 59, delays=SLOW) == []


def test_what_was_clear_from_the_first_judgement_on_says_that_it_cleared_unseen() -> None:
    watched = Watched()
    watched.judge(breach())
    after = again(watched)
    assert after.judge(UNKNOWN, *[CLEAR] * 6, delays=Delays(0.0, 5.0)) == ["cleared"]
    assert after.events[-1].payload["reason"] == "cleared_while_down"


def test_what_cleared_before_the_eyes_of_the_daemon_has_no_such_reason() -> None:
    watched = Watched()
    watched.judge(breach())
    after = again(watched)
    assert after.judge(CLEAR, breach(), *[CLEAR] * 6, delays=Delays(0.0, 5.0)) == ["cleared"]
    assert after.events[-1].payload["reason"] is None
    assert after.judge(breach(), CLEAR) == ["raised", "cleared"]
    assert after.events[-1].payload["reason"] is None


def test_the_reason_is_in_the_language_of_the_site() -> None:
    before = Story(language="zh").poll(10, incomer=HEALTHY).poll(20, incomer=L2_LOST)
    after = restarted(before, language="zh").poll(10, incomer=HEALTHY)
    assert [event.payload["reason"] for event in after.events] == ["在 phasewatch 未运行期间已恢复"]


def test_a_chattering_alert_chatters_on() -> None:
    watched = Watched()
    watched.judge(*[breach(), CLEAR] * 2, breach(), *[CLEAR] * 300)
    after = again(watched)
    assert after.judge(*[CLEAR] * 300) == []
    assert after.judge(CLEAR, CLEAR) == ["cleared"]


def test_raises_before_a_restart_count_for_the_chatter_after_it() -> None:
    watched = Watched()
    watched.judge(*[breach(), CLEAR] * 2)
    after = again(watched, 10.0)
    after.judge(breach())
    assert after.events[-1].payload["chattering"] is True
    late = again(watched, 120.0)
    late.judge(breach())
    assert late.events[-1].payload["chattering"] is False


def test_a_latched_alert_stays_latched() -> None:
    watched, latching = Watched(), Delays(0.0, 0.0, latch=True)
    watched.judge(breach(), CLEAR, delays=latching)
    after = again(watched)
    assert after.judge(*[CLEAR] * 10, delays=latching) == []
    assert after.desk.standing()


def test_an_alert_that_nothing_was_heard_of_since_a_restart_keeps_the_time_of_its_record() -> None:
    watched = Watched()
    watched.judge(*[breach()] * 51, delays=SLOW)
    first = again(watched, 3000.0)
    second = again(first, 3000.0)
    assert second.judge(*[breach()] * 60, delays=SLOW) == []


def test_a_record_without_timers_can_still_be_read() -> None:
    watched = Watched()
    watched.judge(breach())
    (kept,) = watched.records().values()
    old = {name: kept[name] for name in kept if name not in ("at", "life", "chatter", "latched", "raised_s")}
    alert = restored(ROOT, old)
    assert (alert.life.state, alert.restart.resume) == (State.ACTIVE, None)


# Sites


def test_a_restart_raises_nothing_a_second_time() -> None:
    again = restarted(Story().poll(10, incomer=HEALTHY).poll(20, incomer=L2_LOST)).poll(60, incomer=L2_LOST)
    assert again.told("raised") == again.told("cleared") == []


def test_what_ended_during_a_restart_is_cleared_by_the_first_readings() -> None:
    before = Story().poll(10, incomer=HEALTHY).poll(20, incomer=L2_LOST)
    after = restarted(before).poll(60, incomer=HEALTHY)
    assert after.told() == ["main/phase_loss cleared"]
    assert after.events[0].payload["alert_id"] == before.events[0].payload["alert_id"]
    assert after.events[0].payload["rev"] == 2


def test_a_restored_alert_that_cannot_be_judged_becomes_unknown() -> None:
    before = healthy_two().poll(60, incomer=HEALTHY, earth=EARTH_PULLED)
    assert restarted(before, TWO).poll(25, incomer=HEALTHY, earth=None).told() == ["main/earth_displacement stale"]


def test_a_restart_in_front_of_a_dead_meter_keeps_its_alert_and_raises_none_again() -> None:
    before = Story().poll(10, incomer=HEALTHY).poll(60, incomer=None)
    after = restarted(before)
    assert not after.watch.online("incomer")
    assert after.poll(60, incomer=None).events == []
    assert after.poll(1, incomer=HEALTHY).told() == ["incomer/meter_offline cleared"]


def test_an_alert_whose_rule_is_no_longer_configured_is_gone() -> None:
    before = Story().poll(10, incomer=HEALTHY).poll(20, incomer=L2_LOST)
    after = restarted(before, rules={"phase_loss": {"enabled": False}})
    assert after.gone == ["main/phase_loss"]


# Cut anywhere

TRUTHS = st.lists(st.sampled_from((breach(), breach(), CLEAR, UNKNOWN)), min_size=1, max_size=80)
DELAYS = st.builds(Delays, st.integers(0, 5), st.integers(0, 5), st.integers(1, 4), latch=st.booleans())


@given(TRUTHS, DELAYS, st.data())
def test_a_timeline_cut_by_a_restart_gives_the_same_events(
    samples: Sequence[Condition], delays: Delays, data: Any
) -> None:
    """The uncut one has an unknown sample where the other is down: neither counts the time."""
    cut = data.draw(st.integers(0, len(samples)))
    delays = replace(delays, void_after_s=1e9)
    whole = Watched()
    told = whole.judge(*samples[:cut], delays=delays)
    told += whole.judge(UNKNOWN, *samples[cut:], delays=delays)
    first = Watched()
    heard = first.judge(*samples[:cut], delays=delays)
    second = again(first, 1.0)
    heard += second.judge(*samples[cut:], delays=delays)
    assert heard == told
    ids = [event.payload["alert_id"] for event in (*first.events, *second.events)]
    assert ids == [event.payload["alert_id"] for event in whole.events]
    revs = [event.payload["rev"] for event in (*first.events, *second.events)]
    assert revs == list(range(1, len(revs) + 1))


@pytest.mark.parametrize("cut", range(0, 130, 7))
def test_a_site_restarted_at_any_moment_tells_what_the_uncut_one_tells(cut: int) -> None:
    timeline = [HEALTHY] * 5 + [LOW] * 75 + [L2_LOST] * 10 + [HEALTHY] * 40
    uncut = Story()
    for values in timeline:
        uncut.poll(1, incomer=values)
    first = Story()
    for values in timeline[:cut]:
        first.poll(1, incomer=values)
    kept = first.records() | first.watch.running(Moment(first.now(), first.now_s()), every=True)
    second = Story(records=json.loads(json.dumps(kept)), start_s=first.t_s)
    for values in timeline[cut:]:
        second.poll(1, incomer=values)
    raised = first.told("raised") + second.told("raised")
    assert sorted(raised) == sorted(uncut.told("raised"))


# What is written of timers that only run


def running(story: Story, **keys: Any) -> list[str]:
    return list(story.watch.running(Moment(story.now(), story.now_s()), **keys))


def test_a_healthy_site_and_its_blips_write_nothing() -> None:
    story = Story()
    for _ in range(60):
        story.poll(9, incomer=HEALTHY)
        assert running(story) == []
        story.poll(1, incomer={**HEALTHY, "voltage_l1_n": 200.0})
        assert running(story) == []


def test_a_timer_is_written_when_it_has_run_for_a_while_then_seldom_and_when_it_stops() -> None:
    slow = {"voltage_deviation": {"on_delay_s": 1000}, "voltage_unbalance": {"enabled": False}}
    story = Story(rules=slow).poll(5, incomer=HEALTHY)
    written = []
    for _ in range(20):
        story.poll(10, incomer=LOW)
        written += [(int(story.t_s), path) for path in running(story) if path == "main/voltage_deviation/l1"]
    assert [t for t, _ in written] == [25, 85, 145, 205]
    story.poll(250, incomer=HEALTHY)
    assert "main/voltage_deviation/l1" in running(story)
    assert running(story) == []


def test_a_timer_that_stands_still_is_not_written_again() -> None:
    story = Story(rules={"voltage_deviation": {"on_delay_s": 1000}}).poll(5, incomer=HEALTHY).poll(20, incomer=LOW)
    assert "main/voltage_deviation/l1" in running(story)
    story.poll(300, incomer=None)
    assert "main/voltage_deviation/l1" not in running(story, every=True)


def test_at_the_end_every_timer_is_written() -> None:
    story = Story().poll(5, incomer=HEALTHY).poll(3, incomer=LOW)
    assert running(story) == []
    assert "main/voltage_deviation/l1" in running(story, every=True)


# The journal of an older version

RECORD = """{"at": "2026-03-01T12:00:06+00:00", "standing": true,
"life": {"state": "clearing", "held_s": 4.5, "polls": 2}, "chatter": {"state": "active", "held_s": 0.0, "polls": 0},
"back": {"state": "pending", "held_s": 30.0, "polls": 31}, "latched": true, "raised_s": [5.0, 3.0, 1.0], "count": 3,
"rev": 7, "since": "2026-03-01T12:00:05+00:00", "severity": "high", "worst": 10.0, "stale": false,
"suppressed_by": "plant-7-ab12-main-wiring-1", "acknowledged": true,
"acknowledged_until": "2026-03-01T13:00:00+00:00", "shelved_until": "2026-03-01T14:00:00+00:00", "first_out": true,
"verdict": {"code": "phase_lost", "phase": "L2"}, "diagnosed": ["phase_lost", "L2"],
"summary": "acknowledged L2 lost", "fault": "L2 lost"}"""


def test_a_record_of_the_released_version_is_restored_whole() -> None:
    kept = json.loads(RECORD)
    alert = restored(ROOT, kept)
    scene = Watched(now_s=99.0).scene()
    assert json.loads(json.dumps(record(alert, scene.moment))) == kept


def test_a_record_of_the_released_version_is_judged_on() -> None:
    watched = Watched(AlertEngine(ORIGIN, {str(ROOT): json.loads(RECORD)}), now_s=10.0)
    assert watched.judge(breach("critical")) == ["unsuppressed", "severity_changed"]
    payload = watched.events[-1].payload
    assert (payload["count"], payload["rev"], payload["acknowledged"], payload["chattering"]) == (3, 9, True, True)
    assert payload["shelved_until"] == "2026-03-01T14:00:00.000Z"
