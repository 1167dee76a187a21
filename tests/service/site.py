"""Sites as dicts with short delays, and the words and values of simulated meters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phasewatch.configuration.files import load_profile
from phasewatch.configuration.site import LoadedSite, build_site
from phasewatch.meters.quantities import CURRENT_N, CURRENTS, FREQUENCY, LL, LN, PHASES
from phasewatch.simulator.meter import registers

SDM630 = "eastron-sdm630"
QUICK: dict[str, Any] = {"on_delay_s": 0.2, "off_delay_s": 0.2, "on_polls": 2}
QUICK_RULES: dict[str, Any] = {
    **dict.fromkeys(
        ("phase_loss", "neutral_displacement", "earth_displacement", "neutral_earth_voltage", "wiring"), QUICK
    ),
    **dict.fromkeys(("voltage_deviation", "voltage_unbalance"), QUICK),
    "meter_offline": {"on_delay_s": 0.2, "on_polls": 2},
}
"""Every delay short enough for a test on real time."""

HEALTHY: Mapping[str, float] = {
    **dict.fromkeys(LN, 231.0),
    **dict.fromkeys(LL, 400.1),
    **dict.fromkeys(CURRENTS, 10.0),
    CURRENT_N: 0.5,
    FREQUENCY: 50.0,
    **{f"active_power_{phase}": 2310.0 for phase in PHASES},
    "active_power_total": 6930.0,
    **{f"thd_voltage_{phase}": 1.5 for phase in PHASES},
}
"""Every quantity that the meter has."""
PHASE_LOST: Mapping[str, float] = {**HEALTHY, LN[1]: 0.0, LL[0]: 231.0, LL[1]: 231.0, CURRENTS[1]: 0.0}
"""L2 is gone, only loads to the neutral stand behind it."""


def meter(name: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "profile": SDM630, "unit_id": 1, "interval_s": 0.1, **keys}


def bus(*meters: dict[str, Any], name: str = "board", url: str = "tcp://127.0.0.1:1", **keys: Any) -> dict[str, Any]:
    return {"name": name, "url": url, "timeout_s": 0.15, "meters": list(meters), **keys}


def site(*buses: dict[str, Any], path: Path = Path("/nowhere/site.yaml"), **keys: Any) -> LoadedSite:
    return build_site(site_dict(*buses, **keys), path)


def site_dict(*buses: dict[str, Any], **keys: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "site": "plant",
        "buses": list(buses),
        "mqtt": {"urls": ["mqtt://127.0.0.1:1"]},
        "publish_interval_s": 0.2,
        "rules": QUICK_RULES,
    }
    return {**whole, **keys}


def words(values: Mapping[str, float] = HEALTHY, profile_id: str = SDM630) -> dict[int, int]:
    """Return the words of a meter that shows these values, the gaps inside its blocks as 0."""
    profile = load_profile(profile_id)
    gaps = {place: 0 for block in profile.blocks for place in range(block.address, block.end)}
    return gaps | registers(profile, values)
