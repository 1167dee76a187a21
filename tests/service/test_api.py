"""What the page shows of a running daemon, without any socket."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from phasewatch.adapters.http.stream import Broadcast
from phasewatch.drawing.trends import History
from phasewatch.meters.quantities import LN
from phasewatch.meters.reading import Reading
from phasewatch.service.api import Api
from phasewatch.service.build import build_watch
from phasewatch.service.delivery import Delivery
from phasewatch.service.event_recorder import EventRecorder
from phasewatch.service.state import Configuration, Running, delivery_config
from tests.service.site import HEALTHY, bus, meter, site

AT = datetime(2026, 1, 1, tzinfo=UTC)


class StandingClock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic_s(self) -> float:
        return self.now_s

    def now(self) -> datetime:
        return AT


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    loaded = site(bus(meter("incomer", point="main"), meter("pump", unit_id=2)), state_dir=str(tmp_path))
    delivery = Delivery(delivery_config(loaded))
    restored = delivery.start()
    watch, _ = build_watch(loaded, restored.uuid, {})
    yield Running(loaded, watch, delivery, AT, Configuration(AT))
    delivery.stop(0.0)


@pytest.fixture
def showing(running: Running, clock: StandingClock) -> Api:
    history = History()
    history.reading("main", clock.now_s, HEALTHY)
    running.watch.reading(Reading(source="incomer", at=AT, monotonic_s=clock.now_s, values=dict(HEALTHY)))
    books = EventRecorder(running, dict, clock.now_s, history, Broadcast())
    return Api(running, books, clock, history, lambda: None)


def test_a_line_of_a_point_says_its_verdict_and_its_range(showing: Api) -> None:
    lines = {line["point"]: line for line in showing.briefs()}
    assert lines["main"]["verdict"] == "normal"
    assert (lines["main"]["low_v"], lines["main"]["high_v"]) == (231, 231)
    assert lines["main"]["quality"] in ("good", "partial")
    assert lines["pump"] == {"point": "pump", "verdict": None, "severity": None, "quality": None}


def test_a_line_of_old_readings_says_how_old(showing: Api, clock: StandingClock) -> None:
    clock.now_s += 42.0
    line = showing.briefs()[0]
    assert (line["quality"], line["age_s"]) == ("stale", 42)


def test_a_state_says_when_it_gets_too_old(showing: Api) -> None:
    state = showing.point_state("main")
    assert state is not None
    assert (state["verdict"], state["stale_s"]) == ("normal", 10.0)
    assert showing.point_state("other") is None
    assert showing.point_state("pump") == {"point": "pump", "verdict": None, "stale_s": 10.0}


@pytest.mark.parametrize(("language", "first"), [("en", "Normal"), ("zh", "正常"), ("tlh", "Normal")])
def test_the_verdict_is_explained_in_each_language(showing: Api, language: str, first: str) -> None:
    told = showing.explanation("main", language)
    assert told is not None
    assert told["summary"].startswith(first)
    assert showing.explanation("pump", language) is None


def test_the_picture_gets_the_limits_in_force(showing: Api) -> None:
    nominal_v, limits = showing.circles("main")
    assert nominal_v == 230.0
    assert limits.neutral_v is not None
    assert limits.resolution_v is not None


def test_a_trend_says_of_when_it_is(showing: Api) -> None:
    trend = showing.trend("main", "hour")
    assert trend["at"] == "2026-01-01T00:00:00.000Z"
    assert trend["quantities"][LN[0]]["mean"][-1] == 231.0


def test_there_are_no_events_and_no_evidence_before_anything_happened(showing: Api) -> None:
    async def asked() -> tuple[object, object]:
        return await showing.events(10, None), await showing.evidence("none")

    assert asyncio.run(asked()) == ([], None)
