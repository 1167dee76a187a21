from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.alerts.evidence import COLUMNS, MAX_OPEN, MAX_SAMPLES, Evidence, Recorder

AT = datetime(2026, 1, 1, tzinfo=UTC)


def fed(recorder: Recorder, begin_s: float, end_s: float, step_s: float = 1.0, point: str = "main") -> None:
    for n in range(round((end_s - begin_s) / step_s)):
        at_s = begin_s + n * step_s
        recorder.reading(point, at_s, {"voltage_l1_n": 200.0 + at_s, "frequency": 50.0})


def raised(recorder: Recorder, at_s: float, alert_id: str = "a", point: str = "main") -> None:
    recorder.raised(point, alert_id, point, "phase_loss", AT, at_s)


def offsets(evidence: Evidence) -> list[float | None]:
    return list(evidence.samples["offset_s"])


def test_evidence_reaches_from_a_minute_before_to_a_minute_after() -> None:
    recorder = Recorder()
    fed(recorder, 0, 200)
    raised(recorder, 199)
    fed(recorder, 200, 300)
    assert recorder.due(258.9) == []
    fed(recorder, 300, 301)
    (one,) = recorder.due(301)
    assert offsets(one) == [float(n) for n in range(-60, 102)]
    assert one.samples["voltage_l1_n"][0] == 339.0
    assert (one.alert_id, one.subject, one.rule, one.at, one.complete) == ("a", "main", "phase_loss", AT, True)
    assert recorder.due(400) == []


def test_a_value_that_is_missing_is_missing_and_one_that_never_was_has_no_column() -> None:
    recorder = Recorder()
    recorder.reading("main", 0.0, {"voltage_l1_n": 230.0, "neutral_shift_v": 1.25})
    recorder.reading("main", 1.0, {"voltage_l2_n": 231.0})
    raised(recorder, 1.0)
    (one,) = recorder.flush()
    assert one.samples == {
        "offset_s": [-1.0, 0.0],
        "voltage_l1_n": [230.0, None],
        "voltage_l2_n": [None, 231.0],
        "neutral_shift_v": [1.25, None],
    }


def test_a_shutdown_gives_what_is_there_and_says_that_it_is_not_all() -> None:
    recorder = Recorder()
    raised(recorder, 0.0, "a")
    raised(recorder, 1.0, "b", "other")
    fed(recorder, 1, 3)
    assert [(one.alert_id, one.complete, offsets(one)) for one in recorder.flush()] == [
        ("a", False, [1.0, 2.0]),
        ("b", False, []),
    ]
    assert recorder.flush() == recorder.due(1e9) == []


def test_alerts_of_one_point_share_its_readings_and_each_is_recorded_once() -> None:
    recorder = Recorder()
    fed(recorder, 0, 10)
    raised(recorder, 9.0, "a")
    raised(recorder, 9.5, "a")
    raised(recorder, 9.5, "b")
    fed(recorder, 10, 12)
    first, second = recorder.flush()
    assert offsets(first)[-1] == 2.0
    assert offsets(second)[-1] == 1.5


def test_fast_polls_are_thinned_and_the_samples_bounded() -> None:
    recorder = Recorder()
    fed(recorder, 0, 100, 0.01)
    raised(recorder, 100.0)
    fed(recorder, 100, 161, 0.01)
    (one,) = recorder.due(161.0)
    assert len(offsets(one)) <= 2 * MAX_SAMPLES
    assert -60.0 <= float(offsets(one)[0] or 0) < -50.0
    assert float(offsets(one)[-1] or 0) > 50.0


def test_polls_at_the_finest_interval_are_all_kept() -> None:
    recorder = Recorder()
    fed(recorder, 0, 59.9, 0.1)
    raised(recorder, 59.9)
    assert len(offsets(recorder.flush()[0])) == 599


def test_more_alerts_at_once_than_can_be_kept_are_counted() -> None:
    recorder = Recorder()
    for number in range(MAX_OPEN + 3):
        raised(recorder, 0.0, str(number))
    assert recorder.skipped == 3
    assert len(recorder.due(60.0)) == MAX_OPEN


@pytest.mark.parametrize("value", [1e39, -1e300])
def test_no_number_of_a_meter_stops_it(value: float) -> None:
    recorder = Recorder()
    recorder.reading("main", 0.0, {"voltage_l1_n": value})
    raised(recorder, 0.0)
    assert recorder.flush()[0].samples["voltage_l1_n"] == [value]


@given(st.lists(st.tuples(st.floats(0.0, 30.0), st.sampled_from(["reading", "raised", "due"])), max_size=60))
def test_every_alert_gets_its_evidence_once_with_columns_of_one_length(steps: list[tuple[float, str]]) -> None:
    recorder, now_s, begun, ended = Recorder(), 0.0, [], list[Evidence]()
    for number, (pause_s, what) in enumerate(steps):
        now_s += pause_s
        if what == "reading":
            recorder.reading("main", now_s, {COLUMNS[number % len(COLUMNS)]: 1.0})
        elif what == "raised":
            begun.append(str(number))
            raised(recorder, now_s, str(number))
        else:
            ended += recorder.due(now_s)
    ended += recorder.flush()
    assert [one.alert_id for one in ended] == begun
    for one in ended:
        assert {len(column) for column in one.samples.values()} == {len(offsets(one))}
        assert all(offset is not None and offset >= -60.0 for offset in offsets(one))
