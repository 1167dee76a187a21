"""Whatever is done to an alert, its text goes on saying what is wrong."""

from datetime import timedelta
from typing import Any

import pytest

from phasewatch.alerts.operations import parse
from phasewatch.meters.reading import Moment
from tests.alerts.test_site_monitor import HEALTHY, L2_LOST, ONE, Story
from tests.timeline import START

FAULT = "L2 is lost"


def lost() -> Story:
    story = Story(ONE).poll(5, incomer=HEALTHY).poll(6, incomer=L2_LOST)
    assert FAULT in story.events[-1].payload["summary"]
    return story


def operate(story: Story, verb: str, **more: Any) -> str:
    at = START + timedelta(seconds=story.t_s)
    command = parse(verb, {"by": "anna", "subject": "main", "rule": "phase_loss", **more}, at)
    answer, events = story.watch.operate(command, Moment(at, 1000.0 + story.t_s))
    assert answer.ok, answer.error
    story.events += events
    summary: str = events[-1].payload["summary"]
    return summary


@pytest.mark.parametrize(
    ("verb", "more"), [("acknowledge", {}), ("shelve", {"until": (START + timedelta(hours=1)).isoformat()})]
)
def test_an_operator_does_not_hide_the_fault(verb: str, more: dict[str, str]) -> None:
    summary = operate(lost(), verb, **more)
    assert FAULT in summary
    assert not summary.startswith(FAULT)  # what was done stands first


def test_after_a_restart_the_fault_is_still_said() -> None:
    story = lost()
    operate(story, "acknowledge")
    again = Story(ONE, records=story.records(), start_s=story.t_s)
    assert FAULT in operate(again, "shelve", until=(START + timedelta(hours=1)).isoformat())


def test_an_alert_that_is_over_says_so_and_nothing_else() -> None:
    story = lost()
    operate(story, "acknowledge")
    story.poll(20, incomer=HEALTHY)
    cleared = next(event for event in story.events if event.transition == "cleared")
    assert FAULT not in cleared.payload["summary"]
