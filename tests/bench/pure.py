"""`pure`: microseconds of the pure part for one reading, split by part.

The reading is the one that leads its point: joined with the newest of the other meter, drawn, diagnosed and judged. The
parts are timed one by one; the desk, with what joins the parts, is what the whole takes beyond them. Alerts that the
case raises stand already.
"""

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from phasewatch.alerts.site_monitor import SiteMonitor
from phasewatch.configuration.site import LoadedSite, build_site
from phasewatch.electrical.diagnosis import diagnose
from phasewatch.electrical.per_unit import History
from phasewatch.meters.decode import by_address
from phasewatch.meters.measuring_point import Joined, MeasuringPoint, Member
from phasewatch.meters.reading import Reading
from phasewatch.rules.catalogue import POINT_RULES
from phasewatch.rules.rule import View
from phasewatch.service.build import MeterPlan, build_watch, meter_plan, supply_of
from tests.bench.cases import FOUNDING, HEALTHY, OPEN_NEUTRAL, SDM630, blocks, words
from tests.bench.figure import Figure, say, spread

GOAL_US: Final = 100.0
LEADER: Final = {"name": "incomer", "profile": SDM630, "unit_id": 1, "point": "main"}
FOLLOWER: Final = {"name": "earth", "profile": SDM630, "unit_id": 2, "point": "main", "wiring": "neutral_on_pe"}
CASES: Final = (
    (HEALTHY, (LEADER,)),
    (HEALTHY, (LEADER, FOLLOWER)),
    (FOUNDING, (LEADER, FOLLOWER)),
    (OPEN_NEUTRAL, (LEADER, FOLLOWER)),
)

FIRST_VOLTAGE: Final = 0
"""Address of the SDM630's voltage L1-N, two words."""

Blocks = dict[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Bench:
    """One case, ready to be fed."""

    loaded: LoadedSite
    plans: tuple[MeterPlan, ...]
    answers: tuple[tuple[Blocks, Blocks], ...]
    """Answers of each meter, two that differ by a hair: a meter that repeats itself to the bit is a frozen one."""

    def heard(self, place: int, at_s: float) -> Blocks:
        """Return what a meter answers at a moment."""
        return self.answers[place][int(at_s) % 2]

    def reading(self, place: int, at_s: float) -> Reading:
        """Return the reading of a meter at a moment."""
        plan = self.plans[place]
        values, missing = plan.decoder(by_address(self.heard(place, at_s)))
        return Reading(plan.name, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=at_s), at_s, values, missing)


def pure(rounds: int = 25, readings: int = 300) -> list[Figure]:
    """Measure each case."""
    figures: list[Figure] = []
    for case, members in CASES:
        what = f"{case}, point of {len(members)} meter(s)"
        say(f"pure: {what}, {rounds} rounds of {readings} readings")
        figures += _figures(what, case, members, rounds, readings)
    return figures


def bench_of(case: str, members: tuple[dict[str, Any], ...]) -> Bench:
    """Return a case."""
    bus = {"name": "board", "url": "tcp://127.0.0.1:1", "meters": list(members)}
    content = {"site": "bench", "buses": [bus], "mqtt": {"urls": ["mqtt://127.0.0.1:1"]}}
    loaded = build_site(content, Path("/nowhere/site.yaml"))
    meters = loaded.site.buses[0].meters
    plans = tuple(meter_plan(loaded, loaded.site.buses[0], meter) for meter in meters)
    shown = (words(case, meter.profile, meter.wiring) for meter in meters)
    return Bench(loaded, plans, tuple(_two(blocks(plan, one)) for plan, one in zip(plans, shown, strict=True)))


def _two(heard: Blocks) -> tuple[Blocks, Blocks]:
    """Return the answers, and the same with the last bit of the first voltage turned."""
    first = heard[FIRST_VOLTAGE]
    return heard, {**heard, FIRST_VOLTAGE: (first[0], first[1] ^ 1, *first[2:])}


def _figures(what: str, case: str, members: tuple[dict[str, Any], ...], rounds: int, readings: int) -> Iterator[Figure]:
    bench = bench_of(case, members)
    parts = _parts(bench)
    taken_us: dict[str, list[float]] = {name: [] for name in parts}
    moment = 0
    for number in range(rounds + 1):
        gc.collect()
        for name, part in parts.items():
            mean_us = sum(part(float(moment + n)) for n in range(readings)) / readings / 1000.0
            if number:  # the first round only warms up
                taken_us[name].append(mean_us)
        moment += readings
    whole = taken_us.pop("whole")
    yield spread("pure", f"{what}: whole", "us", whole, GOAL_US)
    for name, samples in taken_us.items():
        yield spread("pure", f"{what}: {name}", "us", samples)
    rest = [all_us - sum(some) for all_us, *some in zip(whole, *taken_us.values(), strict=True)]
    yield spread("pure", f"{what}: desk, and what joins the parts", "us", rest)


def _parts(bench: Bench) -> dict[str, Callable[[float], int]]:
    """Return what is timed: each takes a moment in seconds and returns nanoseconds."""
    watch, _ = build_watch(bench.loaded, "bench", {})
    joint, rules = _joint(bench), [rule(rule.settings_model()) for rule in POINT_RULES.values()]
    supply, limits = supply_of(bench.loaded, "main"), bench.loaded.limits["en50160"]
    joined = _joined(bench, _joint(bench), 0.0)
    diagnosis = diagnose(joined.geometry, supply)

    def decode(_at_s: float) -> int:
        heard = bench.heard(0, 0.0)
        begun = time.perf_counter_ns()
        bench.plans[0].decoder(by_address(heard))
        return time.perf_counter_ns() - begun

    def join(at_s: float) -> int:
        _follow(bench, joint.feed, at_s)
        reading = bench.reading(0, at_s)
        begun = time.perf_counter_ns()
        joint.feed(reading)
        return time.perf_counter_ns() - begun

    def diagnosing(_at_s: float) -> int:
        begun = time.perf_counter_ns()
        diagnose(joined.geometry, supply, History((True, True, True), 60.0))
        return time.perf_counter_ns() - begun

    def judge(at_s: float) -> int:
        view = View(_moved(joined.reading, at_s), diagnosis, limits)
        begun = time.perf_counter_ns()
        for rule in rules:
            for _ in rule.judge(view):
                pass
        return time.perf_counter_ns() - begun

    return {
        "decode": decode,
        "join": join,
        "diagnose": diagnosing,
        "rules": judge,
        "whole": lambda at_s: whole(bench, watch, at_s),
    }


def whole(bench: Bench, watch: SiteMonitor, at_s: float) -> int:
    """Take the leader's answers from words to alerts; return nanoseconds."""
    _follow(bench, watch.reading, at_s)
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=at_s)
    plan, heard = bench.plans[0], bench.heard(0, at_s)
    begun = time.perf_counter_ns()
    values, missing = plan.decoder(by_address(heard))
    watch.reading(Reading(plan.name, at, at_s, values, missing))
    return time.perf_counter_ns() - begun


def _follow(bench: Bench, feed: Callable[[Reading], object], at_s: float) -> None:
    """Feed what the other meters said shortly before."""
    for place in range(1, len(bench.plans)):
        feed(bench.reading(place, at_s - 0.5))


def _joint(bench: Bench) -> MeasuringPoint:
    members = [Member(m.name, m.wiring, m.phases, m.vt_ratio, m.interval_s) for _, m in bench.loaded.site.meters()]
    return MeasuringPoint("main", members, bench.loaded.site.supply.nominal_v)


def _joined(bench: Bench, joint: MeasuringPoint, at_s: float) -> Joined:
    for n in range(3):  # values of two meters count together once they are steady
        _follow(bench, joint.feed, at_s + n)
        joined = joint.feed(bench.reading(0, at_s + n))
    assert joined is not None
    return joined


def _moved(reading: Reading, at_s: float) -> Reading:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=at_s)
    return Reading(reading.source, at, at_s, reading.values, reading.missing)
