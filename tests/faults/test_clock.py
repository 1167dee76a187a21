"""A wall clock that steps while everything runs, and one that was never set: nothing fires or clears because of it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from phasewatch.meters.quantities import LN
from phasewatch.meters.reading import Reading
from phasewatch.service import publisher
from phasewatch.service.build import build_watch
from phasewatch.service.service import SystemClock
from tests.broker import mosquitto, subscriber, wait_until
from tests.service.plant import bodies, plant, running, transitions
from tests.service.site import HEALTHY, PHASE_LOST, bus, meter, site
from tests.timeline import START

DAY = timedelta(days=1)
STEPS = {
    "a day forward": DAY,
    "a day back": -DAY,
    "an hour back": timedelta(hours=-1),
    "ten years forward": timedelta(days=3653),
    "to 1970": datetime(1970, 1, 1, tzinfo=UTC) - START,
    "a second back": timedelta(seconds=-1),
}
LOW: Mapping[str, float] = {**HEALTHY, **dict.fromkeys(LN, 195.0)}
HIGH: Mapping[str, float] = {**HEALTHY, **dict.fromkeys(LN, 258.0)}
SHOWN = {"healthy": HEALTHY, "phase lost": PHASE_LOST, "low": LOW, "high": HIGH}
SPELLS_S = 900, 1500, 900
"""Well, ill, well again, in seconds."""
INTERVAL_S = 5


class Told(NamedTuple):
    """One event."""

    at_s: float
    """By the monotonic clock, from the beginning."""
    what: str


@cache
def told(shown: str, at_s: int | None = None, step: str = "", back_s: int | None = None) -> list[Told]:
    """Return what the watch tells of a spell of illness while the wall clock steps, and later back again."""
    steps = {} if at_s is None else {at_s: STEPS[step]}
    steps |= {} if back_s is None else {back_s: -STEPS[step]}
    loaded = site(bus(meter("incomer", point="main", interval_s=INTERVAL_S)), rules={})
    watch, _ = build_watch(loaded, "journal", {})
    found = []
    for reading in _readings(SHOWN[shown], steps):
        for event in watch.reading(reading):
            found.append(Told(reading.monotonic_s - 1000.0, f"{event.key} {event.transition}"))
    return found


def _readings(ill: Mapping[str, float], steps: Mapping[int, timedelta]) -> Iterator[Reading]:
    well, end = SPELLS_S[0], sum(SPELLS_S[:2])
    offset = timedelta()
    for second in range(0, sum(SPELLS_S), INTERVAL_S):
        offset += steps.get(second, timedelta())
        values = dict(ill if well <= second < end else HEALTHY)
        values |= {name: value + 0.01 * (second % 35) for name, value in values.items() if value > 100.0}  # not frozen
        yield Reading("incomer", START + timedelta(seconds=second) + offset, 1000.0 + second, values, {})


@pytest.mark.parametrize("at_s", [5, 595, 600])
@pytest.mark.parametrize("step", STEPS)
def test_a_step_alone_is_no_event(step: str, at_s: int) -> None:
    assert told("healthy", at_s, step, at_s + 1300) == []


@pytest.mark.parametrize("at_s", [905, 1700, 2405])
@pytest.mark.parametrize("step", STEPS)
def test_a_phase_lost_is_told_and_cleared_at_the_same_moments_whatever_the_clock_does(step: str, at_s: int) -> None:
    assert told("phase lost", at_s, step) == told("phase lost")


@pytest.mark.parametrize("at_s", [300, 1100, 2700])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("shown", ["low", "high"])
def test_a_mean_over_ten_minutes_may_come_later_for_a_step_and_never_sooner_or_twice(
    shown: str, step: str, at_s: int
) -> None:
    """A block that the clock broke has no mean: that can only delay."""
    calm, stepped = told(shown), told(shown, at_s, step)
    assert calm
    first = {event.what: event.at_s for event in reversed(calm)}
    assert sorted(event.what for event in stepped) == sorted(event.what for event in calm)
    raised = [event for event in stepped if event.what.endswith(" raised")]
    assert all(event.at_s >= min(first[event.what], SPELLS_S[0]) for event in raised)
    assert all(event.at_s >= SPELLS_S[0] for event in stepped)


class Stepping(SystemClock):
    """The clock of this machine, whose wall clock can be stepped."""

    offset = timedelta()

    def now(self) -> datetime:
        return super().now() + self.offset


@pytest.mark.broker
def test_a_daemon_that_boots_without_the_time_says_so_and_goes_on_when_it_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronised = False
    monkeypatch.setattr(publisher, "clock_synchronised", lambda *_: synchronised)
    clock = Stepping()
    clock.offset = datetime(1970, 1, 1, tzinfo=UTC) - datetime.now(UTC)
    with mosquitto(tmp_path / "broker") as broker, plant("incomer") as meters, subscriber(broker.url) as watching:
        incomer = bus(meter("incomer", point="main"), url=meters.url("incomer"))
        loaded = site(incomer, mqtt={"urls": [broker.url]}, state_dir=str(tmp_path / "state"))
        with running(loaded, clock=clock) as service:
            wait_until(lambda: service.polls("board") >= 3, "healthy polls")
            meters.shown["incomer"] = PHASE_LOST
            wait_until(lambda: transitions(watching) == ["main/phase_loss raised"], "the alert")
            for offset in (timedelta(), DAY, -DAY, timedelta()):
                clock.offset, synchronised = offset, True
                before = service.polls("board")
                wait_until(lambda: service.polls("board") >= before + 5, "polls behind the step")  # noqa: B023
            assert transitions(watching) == ["main/phase_loss raised"]
            meters.shown["incomer"] = HEALTHY
            wait_until(lambda: len(transitions(watching)) == 2, "the alert cleared")
        raised, cleared = bodies(watching, "/events/")
        assert (raised["clock"], cleared["clock"]) == ("unsync", "sync")
        assert raised["at"].startswith("1970-")
        assert cleared["uptime_s"] > raised["uptime_s"]
        assert cleared["boot_id"] == raised["boot_id"]
