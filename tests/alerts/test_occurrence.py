"""What an alert keeps within one occurrence, and not into the next."""

from dataclasses import replace

from phasewatch.alerts.event import PointText
from phasewatch.alerts.lifecycle import Delays
from tests.alerts.test_engine import CLEAR, HELD, ROOT, Watched, breach
from tests.alerts.test_site_monitor import HEALTHY, Story

DISPLACED = ("neutral_open", "neutral_high_resistance")


def test_the_end_of_a_dip_names_its_deepest_value() -> None:
    """The first value is not the deepest, and neither is the last."""
    story = Story().poll(10, incomer=HEALTHY)
    for l1_v in (200.0, 180.0, 195.0):
        story.poll(1, incomer={**HEALTHY, "voltage_l1_n": l1_v})
    story.poll(60, incomer=HEALTHY)
    cleared = next(event for event in story.events if str(event.key) == "main/voltage_dip" and not event.active)
    assert "at worst 180.0 V" in cleared.payload["summary"]


def test_a_value_beyond_the_limit_on_the_other_side_can_be_the_worst() -> None:
    watched = Watched()
    watched.judge(breach(), *(breach()._replace(value=value) for value in (-2.0, 11.0, 6.0)))
    assert watched.events[-1].record["worst"] == 10.0
    assert watched.desk.alert(ROOT).worst == -2.0


def suppressed_twice(watched: Watched) -> list[str]:
    """Raise an alert that its cause suppresses and releases twice."""
    found = watched.judge(breach(), key=HELD)
    for _ in range(2):
        watched.judge(breach(), key=ROOT)
        found += watched.judge(breach(), key=HELD, held_by=ROOT)
        watched.judge(CLEAR, key=ROOT)
        found += watched.judge(breach(), key=HELD)
    return found


def test_a_second_release_within_a_minute_waits() -> None:
    watched = Watched()
    assert suppressed_twice(watched) == ["raised", "suppressed", "unsuppressed", "suppressed"]


def test_a_new_occurrence_has_not_been_suppressed_before() -> None:
    watched = Watched()
    suppressed_twice(watched)
    assert watched.judge(CLEAR, key=HELD, after_s=100.0) == ["cleared"]
    watched.now_s += 1000.0  # the cause must not chatter
    found = watched.judge(breach(), key=HELD)
    watched.judge(breach(), key=ROOT)
    found += watched.judge(breach(), key=HELD, held_by=ROOT)
    watched.judge(CLEAR, key=ROOT)
    assert found + watched.judge(breach(), key=HELD) == ["raised", "suppressed", "unsuppressed"]


def diagnose(watched: Watched, code: str, polls: int, delays: Delays) -> list[str]:
    """Judge breaches with a verdict of `neutral_displacement`; return the transitions."""
    key = ROOT._replace(rule="neutral_displacement")
    found: list[str] = []
    for _ in range(polls):
        watched.now_s += 1.0
        scene = replace(watched.scene(), verdict=(code,), tell=lambda alert, transition: PointText("", {"code": code}))
        found += [event.transition for event in watched.desk.judge(key, breach(), delays, scene)]
    return found


def test_a_verdict_published_before_is_published_again_only_after_a_minute() -> None:
    watched, delays = Watched(), Delays(0.0, 0.0)
    assert diagnose(watched, DISPLACED[0], 2, delays) == ["raised"]
    assert diagnose(watched, DISPLACED[1], 2, delays) == ["verdict_changed"]
    assert diagnose(watched, DISPLACED[0], 60, delays) == []
    assert diagnose(watched, DISPLACED[0], 1, delays) == ["verdict_changed"]


def test_the_verdicts_of_an_earlier_occurrence_are_new_again() -> None:
    watched, delays = Watched(), Delays(0.0, 0.0)
    diagnose(watched, DISPLACED[0], 2, delays)
    diagnose(watched, DISPLACED[1], 2, delays)
    watched.judge(CLEAR, key=ROOT._replace(rule="neutral_displacement"), after_s=100.0)
    assert diagnose(watched, DISPLACED[0], 2, delays) == ["raised"]
    assert diagnose(watched, DISPLACED[1], 2, delays) == ["verdict_changed"]
