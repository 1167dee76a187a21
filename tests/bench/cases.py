"""The states of a board that are measured, as words of simulated meters, and the sites that poll them."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from phasewatch.configuration.files import config_directory, load_profile
from phasewatch.service.build import MeterPlan
from phasewatch.simulator.feeder import solve
from phasewatch.simulator.meter import Meter, Wiring
from phasewatch.simulator.scenario import parse_scenario

SDM630: Final = "eastron-sdm630"
"""Three requests a poll: its map is spread, and it answers 60 words at most."""
ONE_BLOCK: Final = "generic"
"""One request a poll."""

HEALTHY: Final = "healthy"
FOUNDING: Final = "founding case"
OPEN_NEUTRAL: Final = "open neutral"
STEPS: Final = {HEALTHY: "healthy", FOUNDING: "earth pulled toward L1", OPEN_NEUTRAL: "open neutral"}
"""Case -> its step in the story of the demo."""

Words = dict[int, int]


def words(case: str, profile_id: str, wiring: Wiring = "three_phase") -> Words:
    """Return the words that a meter shows in a case."""
    story = parse_scenario((config_directory() / "scenarios" / "demo.yaml").read_text(encoding="utf-8"))
    step = next(step for step in story.steps if step.name == STEPS[case])
    return Meter(load_profile(profile_id), wiring).words(solve(story.feeder_at(step.at_s + step.ramp_s)))


def with_float(shown: Words, profile_id: str, quantity: str, value: float) -> Words:
    """Return words that show another value in a register of type f32, high word first."""
    register = load_profile(profile_id).registers[quantity]
    assert register.type == "f32"
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return shown | {register.address: high, register.address + 1: low}


def blocks(plan: MeterPlan, shown: Words) -> dict[int, tuple[int, ...]]:
    """Return the answers to the requests of one poll, by first address."""
    return {r.address: tuple(shown.get(place, 0) for place in range(r.address, r.end)) for r in plan.requests}


def site(urls: Sequence[str], profile_id: str, state_dir: Path, broker_url: str, **keys: Any) -> dict[str, Any]:
    """Return a site with one bus, one meter and one point for each URL; `interval_s` and `rules` may be given."""
    interval_s = keys.pop("interval_s", 1.0)
    buses = [
        {"name": f"b{n}", "url": url, "meters": [_meter(f"m{n}", profile_id, interval_s)]} for n, url in enumerate(urls)
    ]
    return {"site": "bench", "state_dir": str(state_dir), "buses": buses, "mqtt": {"urls": [broker_url]}, **keys}


def _meter(name: str, profile_id: str, interval_s: float) -> dict[str, Any]:
    return {"name": name, "profile": profile_id, "unit_id": 1, "interval_s": interval_s}
