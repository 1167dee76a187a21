"""`sick_meters`: what a dead and a slow meter on a line cost the others, on a full bus and on one with room."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from phasewatch.meters.readplan import bus_ms, probe
from phasewatch.service.build import MeterPlan
from tests.bench.bus_time import ALWAYS_LATE_S, GOAL, TIMEOUT_S, Heard, line, listen, meter_plan
from tests.bench.figure import Figure, say

SLOW_S: Final = 0.2
"""What the slow meter thinks more than the others, at each request."""
QUIET_S: Final = 0.3
"""Quiet after a request without an answer, in which late ones end."""


@dataclass(frozen=True, slots=True)
class Ward:
    """Who is sick on a line."""

    count: int
    dead: int
    slow: int
    baudrate: int = 115200
    turnaround_ms: float = 5.0


def sick_meters(
    count: int = 32, dead: int = 7, slow: int = 20, turnaround_ms: float = 5.0, time_s: float = 20.0
) -> list[Figure]:
    """Measure the line with all meters well, then with two of them sick."""
    ward = Ward(count, dead, slow, turnaround_ms=turnaround_ms)
    figures: list[Figure] = []
    for what, load in (("full bus", None), ("bus loaded to 50 %", 0.5)):
        say(f"sick_meters: {what}, {count} meters, {time_s:g} s well and {time_s:g} s with a dead and a slow one")
        well, _ = _heard(ward, load, (), time_s)
        sick, one = _heard(ward, load, (dead, slow, SLOW_S), time_s)
        figures += _figures(what, ward, one, well, sick)
    return figures


def _heard(ward: Ward, load: float | None, sick: tuple[float, ...], time_s: float) -> tuple[Heard, MeterPlan]:
    with line(ward.baudrate, ward.count, ward.turnaround_ms, sick) as endpoint:
        one = meter_plan(endpoint, ward.turnaround_ms)
        interval_s = ALWAYS_LATE_S if load is None else ward.count * _least_s(one) / load
        one = replace(one, interval_s=interval_s)
        return asyncio.run(listen(endpoint, one, ward.count, enough=10**9, time_s=time_s)), one


def _least_s(one: MeterPlan) -> float:
    return bus_ms(one.requests, one.cost) / 1000.0


def _figures(what: str, ward: Ward, one: MeterPlan, well: Heard, sick: Heard) -> Iterator[Figure]:
    probes = sum(meter == f"m{ward.dead}" for meter, _ in sick.failures)
    # One short request: the characters it would have taken, the time-out, and the quiet.
    asked = probe(one.requests, one.profile, one.quantities)
    probe_s = bus_ms((asked,), one.cost) / 1000.0 + TIMEOUT_S + max(TIMEOUT_S, QUIET_S)
    slow_s = SLOW_S * len(one.requests) * sum(meter == f"m{ward.slow}" for _, meter in sick.read_s)
    took_s = sick.read_s[-1][0] - sick.begun_s
    rates = [_rate(heard, ward) for heard in (well, sick)]
    yield Figure("sick_meters", f"{what}: probes of the dead meter", "", probes)
    yield Figure("sick_meters", f"{what}: line held by probes", "%", 100.0 * probes * probe_s / took_s)
    yield Figure("sick_meters", f"{what}: line held by slow answers", "%", 100.0 * slow_s / took_s)
    yield Figure("sick_meters", f"{what}: polls that the others lose", "%", 100.0 * (1.0 - rates[1] / rates[0]))
    if one.interval_s == ALWAYS_LATE_S:
        needed_s = len(sick.read_s) * _least_s(one) + probes * probe_s + slow_s
        yield Figure("sick_meters", f"{what}: time / least with one slot a probe", "x", took_s / needed_s, goal=GOAL)


def _rate(heard: Heard, ward: Ward) -> float:
    """Return the readings a second of the meters that are well in both runs."""
    sick = (f"m{ward.dead}", f"m{ward.slow}")
    times_s = [at_s for at_s, meter in heard.read_s if meter not in sick]
    return len(times_s) / (times_s[-1] - heard.begun_s)
