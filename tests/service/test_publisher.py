"""What is published beside alerts."""

from datetime import timedelta
from typing import Any

import pytest

from phasewatch.contract.payloads import point_state
from phasewatch.meters.reading import Reading
from phasewatch.service.build import build_watch
from tests.service.site import HEALTHY, bus, meter, site
from tests.timeline import START


def state(age_s: float, missing: dict[str, str]) -> dict[str, Any]:
    """Return the state of a point whose one reading is so old."""
    loaded = site(bus(meter("incomer", point="main", interval_s=1)))
    watch, _ = build_watch(loaded, "j1", {})
    watch.reading(Reading("incomer", START + timedelta(seconds=1), 1001.0, dict(HEALTHY), missing))
    return point_state(watch.points["main"], loaded, 1001.0 + age_s)


@pytest.mark.parametrize(
    ("age_s", "missing", "quality"),
    [
        (0.0, {}, "good"),
        (10.0, {}, "good"),
        (0.0, {"voltage_n_pe": "NaN"}, "partial"),
        (10.1, {}, "stale"),
        (3600.0, {"voltage_n_pe": "NaN"}, "stale"),
    ],
)
def test_a_state_says_how_old_and_how_good_it_is(age_s: float, missing: dict[str, str], quality: str) -> None:
    told = state(age_s, missing)
    assert told["quality"] == quality
    assert told["age_s"] == pytest.approx(age_s)
    assert told["at"] == state(0.0, {})["at"]
