"""How many alerts there are of each kind."""

from datetime import timedelta

from phasewatch.meters.reading import Moment
from tests.alerts.test_bus_monitor import ALL_HEALTHY, THREE
from tests.alerts.test_operations import do, lost
from tests.alerts.test_site_monitor import HEALTHY, L2_LOST, Story, restarted


def test_alerts_are_counted_by_what_is_done_about_them() -> None:
    story = Story(THREE).poll(10, **ALL_HEALTHY).poll(20, a=L2_LOST, b=L2_LOST, c=L2_LOST)
    do(story, "acknowledge", {"subject": "a", "rule": "phase_loss"})
    do(story, "shelve", {"subject": "b", "rule": "phase_loss"}, until_s=86400.0 * 3)
    do(story, "shelve", {"subject": "c", "rule": "wiring"}, until_s=3600.0)
    counts = story.watch.counts(Moment(story.now(), story.now_s()))
    assert (counts.active, counts.unacknowledged, counts.shelved, counts.suppressed) == (2, 1, 2, 0)
    assert (counts.stale, counts.standing_24h, counts.chattering, counts.raised_10min) == (0, 0, 0, 3)
    assert counts.by_severity == {"high": 2}
    assert counts.by_state == {("high", "active"): 3}


def test_alerts_that_stand_for_a_day_are_counted_and_old_news_are_not() -> None:
    story = lost()
    later = story.watch.counts(Moment(story.now() + timedelta(days=2), story.now_s() + 2 * 86400.0))
    assert (later.active, later.standing_24h, later.raised_10min) == (1, 1, 0)


def test_stale_and_suppressed_alerts_are_counted_apart() -> None:
    story = Story().poll(10, incomer=HEALTHY).poll(20, incomer=L2_LOST).poll(60, incomer=None)
    counts = story.watch.counts(Moment(story.now(), story.now_s()))
    assert (counts.active, counts.stale, counts.suppressed) == (1, 1, 1)


def test_after_a_restart_what_stands_is_counted_before_anything_is_judged() -> None:
    after = restarted(lost())
    assert after.watch.counts(Moment(after.now(), after.now_s())).active == 1
