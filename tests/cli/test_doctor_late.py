"""`doctor` on a line whose meters answer late: that is said, and no other master or twin is made up."""

from collections import Counter
from pathlib import Path

import pytest

from phasewatch.adapters.modbus.protocol import LineCounts
from phasewatch.commissioning import doctor_probe
from phasewatch.commissioning.doctor_evidence import BusSeen, Finding, Kind, MeterSeen
from phasewatch.commissioning.doctor_findings import findings
from phasewatch.simulator.serial_line import LineFaults
from tests.cli.test_doctor_programs import findings_on_a_line

LATE = Counter({1: 3})


def seen(counts: LineCounts, **kinds: int) -> list[Finding]:
    counted: Counter[Kind] = Counter(kinds)  # type: ignore[arg-type]
    meter = MeterSeen("buses[0].meters[0]", "incomer", "generic", 1, counted, "no answer")
    bus = BusSeen("buses[0]", "rtu:///dev/a", True, 50.0, [meter], counts=counts, timeout_s=0.5)
    return findings([bus], [])


@pytest.mark.parametrize(
    ("counts", "kinds", "expected"),
    [
        (LineCounts(requests=12, late_replies=LATE), {"words": 9, "silent": 3}, ["late_answers"]),
        (LineCounts(requests=3, late_replies=LATE), {"silent": 3}, ["late_answers"]),
        (LineCounts(requests=12, late_replies=LATE, second_replies=Counter({1: 2})), {"words": 12}, ["late_answers"]),
        (LineCounts(requests=12, second_replies=Counter({1: 2})), {"words": 12}, ["duplicate_unit_id"]),
        (LineCounts(requests=200, late_replies=LATE), {"words": 197, "silent": 3}, []),
        (LineCounts(requests=12, late_replies=LATE, foreign_requests=2), {"words": 9, "silent": 3}, ["two_masters"]),
    ],
)
def test_late_answers_are_told_from_those_of_others(
    counts: LineCounts, kinds: dict[str, int], expected: list[str]
) -> None:
    assert [one.code for one in seen(counts, **kinds)] == expected


def test_the_mend_is_a_longer_time_out() -> None:
    (one,) = seen(LineCounts(requests=12, late_replies=LATE), words=9, silent=3)
    assert (one.place, one.change) == ("buses[0].timeout_s", "raise timeout_s, to 2 at first; 30 at most")
    assert one.seen == "3 of 12 requests, to unit 1, were answered only after the timeout_s of 0.5 s"


def test_a_line_that_answers_late_now_and_then_is_no_line_of_two_masters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor_probe, "LISTENING_S", 0.8)
    found = findings_on_a_line(tmp_path, LineFaults(late=0.3, late_s=0.45))
    assert list(found) == ["late_answers"]
