import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from phasewatch.alerts.alert import Key
from phasewatch.alerts.engine import AlertEngine
from phasewatch.alerts.event import Event, Origin, PointText, Scene
from phasewatch.alerts.lifecycle import Delays
from phasewatch.alerts.suppression import Holder
from phasewatch.electrical.severity import Severity
from phasewatch.meters.reading import Moment
from phasewatch.rules.rule import UNKNOWN, Condition
from tests.timeline import START

ORIGIN = Origin("plant-7", "ab12")
AT_ONCE = Delays(0.0, 0.0)
ROOT, HELD = Key("main", "phase_loss"), Key("main", "voltage_deviation", "l1")


def breach(severity: Severity = "medium") -> Condition:
    return Condition(True, False, value=10.0, limit=5.0, clear_limit=4.0, unit="V", severity=severity)


CLEAR = Condition(False, True)
BETWEEN = Condition(False, False)


@dataclass
class Watched:
    """A desk, the events it gave, and the time, one second a judgement."""

    desk: AlertEngine = field(default_factory=lambda: AlertEngine(ORIGIN))
    events: list[Event] = field(default_factory=list)
    now_s: float = 0.0
    booted_s: float = 0.0
    """Where the monotonic clock began."""

    def scene(self) -> Scene:
        return Scene(
            moment=Moment(START + timedelta(seconds=self.now_s), self.now_s - self.booted_s),
            tell=lambda alert, transition: PointText("said", {"phase": "L2"}),
        )

    def judge(
        self,
        *conditions: Condition,
        key: Key = ROOT,
        delays: Delays = AT_ONCE,
        held_by: Key | None = None,
        after_s: float = 1.0,
    ) -> list[str]:
        """Judge conditions in turn; return the transitions they made."""
        before = len(self.events)
        for condition in conditions:
            self.now_s += after_s
            holder = None if held_by is None else Holder(self.desk.alert(held_by))
            self.events += self.desk.judge(key, condition, delays, self.scene(), holder)
        return [event.transition for event in self.events[before:]]

    def silence(self, cause: Key | None = None) -> list[str]:
        found = list(
            self.desk.silence(
                self.desk.standing("main"), self.scene(), None if cause is None else self.desk.alert(cause)
            )
        )
        self.events += found
        return [event.transition for event in found]

    def records(self) -> dict[str, dict[str, Any]]:
        """Return what the journal keeps, through JSON as it does."""
        kept = {str(event.key): event.record for event in self.events}
        found: dict[str, dict[str, Any]] = json.loads(json.dumps(kept))
        return found


def test_an_alert_is_raised_and_cleared_once() -> None:
    watched = Watched()
    assert watched.judge(CLEAR, breach(), breach(), BETWEEN, CLEAR, CLEAR, BETWEEN) == ["raised", "cleared"]
    assert [event.payload["state"] for event in watched.events] == ["active", "cleared"]
    assert [event.active for event in watched.events] == [True, False]


def test_an_event_carries_what_happened() -> None:
    watched = Watched()
    watched.judge(breach("high"), key=HELD)
    payload = watched.events[0].payload
    assert payload["alert_id"] == "plant-7-ab12-main-voltage_deviation-l1-1"
    assert (payload["subject"], payload["rule"], payload["phase"]) == ("main", "voltage_deviation", "L1")
    assert (payload["severity"], payload["value"], payload["limit"], payload["unit"]) == ("high", 10.0, 5.0, "V")
    assert (payload["since"], payload["at"]) == ("2026-03-01T12:00:01.000Z",) * 2
    assert (payload["summary"], payload["count"], payload["rev"]) == ("said", 1, 1)
    json.dumps(payload, allow_nan=False)


def test_a_point_alert_takes_its_phase_from_the_verdict() -> None:
    watched = Watched()
    watched.judge(breach())
    assert watched.events[0].payload["phase"] == "L2"


def test_a_held_rule_that_was_never_raised_says_nothing() -> None:
    watched = Watched()
    watched.judge(breach())
    assert watched.judge(breach(), breach(), CLEAR, key=HELD, held_by=ROOT) == []
    assert not watched.desk.alert(HELD).life.standing


def test_a_held_rule_waits_while_its_root_is_pending() -> None:
    watched, slow = Watched(), Delays(10.0, 0.0)
    watched.judge(breach(), delays=slow)
    assert watched.judge(breach(), breach(), breach(), key=HELD, held_by=ROOT) == []
    watched.judge(CLEAR, delays=slow)
    assert watched.judge(breach(), key=HELD) == ["raised"]


def test_a_standing_alert_is_suppressed_by_its_root_and_comes_back() -> None:
    watched = Watched()
    watched.judge(breach(), key=HELD)
    watched.judge(breach())
    assert watched.judge(breach(), breach(), key=HELD, held_by=ROOT) == ["suppressed"]
    assert watched.events[-1].payload["suppressed_by"] == watched.events[1].payload["alert_id"]
    assert watched.judge(breach(), breach(), key=HELD) == ["unsuppressed"]
    assert watched.events[-1].payload["suppressed_by"] is None


def test_a_standing_alert_is_not_suppressed_by_a_pending_root() -> None:
    watched = Watched()
    watched.judge(breach(), key=HELD)
    watched.judge(breach(), delays=Delays(10.0, 0.0))
    assert watched.judge(breach(), key=HELD, held_by=ROOT) == []


def test_a_suppressed_alert_does_not_clear_while_it_is_held() -> None:
    watched = Watched()
    watched.judge(breach(), key=HELD)
    watched.judge(breach())
    assert watched.judge(CLEAR, CLEAR, CLEAR, key=HELD, held_by=ROOT) == ["suppressed"]
    watched.judge(CLEAR)
    assert watched.judge(CLEAR, key=HELD) == ["cleared"]


def test_a_clearing_root_still_holds() -> None:
    watched, slow = Watched(), Delays(0.0, 30.0)
    watched.judge(breach(), CLEAR, delays=slow)
    assert watched.judge(breach(), breach(), key=HELD, held_by=ROOT) == []


def test_silence_makes_standing_alerts_unknown_once_and_data_makes_them_fresh() -> None:
    watched = Watched()
    watched.judge(breach())
    watched.judge(CLEAR, key=HELD)
    assert watched.silence() == ["stale"]
    assert watched.silence() == []
    assert watched.events[-1].payload["state"] == "unknown"
    assert watched.judge(breach()) == ["fresh"]
    assert watched.events[-1].payload["state"] == "active"


def test_what_changed_in_silence_is_told_after_it() -> None:
    watched = Watched()
    watched.judge(breach())
    watched.silence()
    assert watched.judge(CLEAR) == ["fresh", "cleared"]


def test_silence_names_its_cause() -> None:
    watched, offline = Watched(), Key("incomer", "meter_offline")
    watched.judge(breach())
    watched.judge(breach(), key=offline)
    watched.silence(offline)
    assert watched.events[-1].payload["suppressed_by"] == "plant-7-ab12-incomer-meter_offline-1"
    watched.judge(breach())
    assert watched.events[-1].payload["suppressed_by"] is None


def test_silence_of_one_point_leaves_others() -> None:
    watched, other = Watched(), Key("annex", "phase_loss")
    watched.judge(breach(), key=other)
    assert watched.silence() == []


def test_unknown_neither_raises_nor_clears() -> None:
    watched = Watched()
    assert watched.judge(UNKNOWN, UNKNOWN) == []
    watched.judge(breach())
    assert "cleared" not in watched.judge(UNKNOWN, UNKNOWN, UNKNOWN)


def test_severity_only_rises_while_an_alert_stands() -> None:
    watched = Watched()
    worse = [breach("critical")] * 3
    assert watched.judge(breach("high"), *[breach("low")] * 5, *worse, *[breach("low")] * 5) == [
        "raised",
        "severity_changed",
    ]
    assert [event.payload["severity"] for event in watched.events] == ["high", "critical"]


def test_one_worse_poll_does_not_change_the_severity() -> None:
    watched, slow = Watched(), Delays(0.0, 0.0, on_polls=3)
    assert watched.judge(*[breach()] * 3, breach("high"), breach(), breach("high"), breach(), delays=slow) == ["raised"]


def test_a_new_occurrence_begins_with_its_own_severity() -> None:
    watched = Watched()
    watched.judge(breach("critical"), CLEAR, breach("low"))
    assert [event.payload["severity"] for event in watched.events] == ["critical", "critical", "low"]
    assert [event.payload["count"] for event in watched.events] == [1, 1, 2]
    assert len({event.payload["alert_id"] for event in watched.events}) == 2


def test_the_first_alert_of_a_point_is_marked() -> None:
    watched = Watched()
    watched.judge(breach())
    watched.judge(breach(), key=HELD)
    watched.judge(breach(), key=Key("annex", "phase_loss"))
    assert [event.payload["first_out"] for event in watched.events] == [True, False, True]


def test_a_restart_raises_nothing_twice_and_forgets_nothing() -> None:
    watched = Watched()
    watched.judge(breach(), key=HELD)
    watched.judge(breach("high"))
    watched.judge(breach(), key=HELD, held_by=ROOT)
    again = Watched(AlertEngine(ORIGIN, watched.records()), now_s=5.0)
    assert {alert.key for alert in again.desk.standing()} == {ROOT, HELD}
    assert again.judge(breach("high"), breach("high")) == []
    assert again.judge(breach(), key=HELD, held_by=ROOT) == []
    assert again.judge(CLEAR) == ["cleared"]
    assert again.events[-1].payload["alert_id"] == watched.events[1].payload["alert_id"]
    assert again.events[-1].payload["rev"] == watched.events[1].payload["rev"] + 1
    assert again.judge(breach(), key=HELD) == ["unsuppressed"]


def test_a_restart_of_a_cleared_alert_counts_on() -> None:
    watched = Watched()
    watched.judge(breach(), CLEAR)
    again = Watched(AlertEngine(ORIGIN, watched.records()), now_s=5.0)
    assert again.desk.standing() == []
    again.judge(breach())
    assert (again.events[0].payload["count"], again.events[0].payload["rev"]) == (2, 3)


def test_a_restart_of_a_stale_alert_waits_for_data() -> None:
    watched = Watched()
    watched.judge(breach())
    watched.silence()
    again = Watched(AlertEngine(ORIGIN, watched.records()), now_s=5.0)
    assert again.silence() == []
    assert again.judge(breach()) == ["fresh"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from((breach("low"), breach("high"), breach("critical"), CLEAR, BETWEEN, UNKNOWN, None)),
        st.booleans(),
        st.floats(0.1, 90.0),
    ),
    max_size=60,
)
DELAYS = st.builds(Delays, st.floats(0, 5), st.floats(0, 5), st.integers(1, 4), st.floats(1, 60))


@given(STEPS, DELAYS)
def test_raised_and_cleared_alternate_and_revisions_grow(
    steps: Sequence[tuple[Condition | None, bool, float]], delays: Delays
) -> None:
    watched = Watched()
    for condition, held, after_s in steps:
        watched.now_s += after_s
        if condition is None:
            watched.silence()
            continue
        watched.judge(breach() if held else CLEAR, after_s=0.0)
        watched.judge(condition, key=HELD, delays=delays, held_by=ROOT if held else None, after_s=0.0)
    for key in (ROOT, HELD):
        mine = [event for event in watched.events if event.key == key]
        turns = [event.transition for event in mine if event.transition in ("raised", "cleared")]
        assert turns == ["raised", "cleared"] * (len(turns) // 2) + ["raised"] * (len(turns) % 2)
        revs = [event.payload["rev"] for event in mine]
        assert revs == list(range(1, len(revs) + 1))
        stale = [event.transition for event in mine if event.transition in ("stale", "fresh")]
        assert all(a != b for a, b in pairwise(stale))
    for event in watched.events:
        json.dumps(event.payload, allow_nan=False)
        json.dumps(event.record, allow_nan=False)
