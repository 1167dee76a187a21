"""Points of several meters, of odd meters, and of meters that are slow."""

import pytest

from phasewatch.meters.quantities import CURRENTS, LN, NPE
from tests.alerts.test_site_monitor import EARTH_AT_HOME, EARTH_PULLED, HEALTHY, L2_LOST, Story
from tests.service.site import bus, meter


def test_a_transducer_between_neutral_and_earth_alone_raises_the_voltage_it_sees() -> None:
    two = bus(
        meter("incomer", interval_s=1, point="main"),
        meter("transducer", unit_id=2, interval_s=1, point="main", wiring="n_pe"),
    )
    quiet, lifted = {LN[0]: 1.0}, {LN[0]: 15.0}
    story = Story(two).poll(10, incomer=HEALTHY, transducer=quiet).poll(30, incomer=HEALTHY, transducer=lifted)
    assert story.told() == ["main/neutral_earth_voltage raised"]
    assert story.events[0].payload["readings"][NPE] == 15.0


def test_currents_beside_voltages_change_nothing_of_a_healthy_verdict() -> None:
    assert Story().poll(60, incomer={**HEALTHY, **dict.fromkeys(CURRENTS, 10.0)}).events == []


def test_meters_of_one_point_may_have_very_different_intervals() -> None:
    fast_earth = bus(
        meter("incomer", interval_s=10, point="main"),
        meter("earth", unit_id=2, interval_s=1, point="main", wiring="neutral_on_pe"),
    )
    story = Story(fast_earth)
    for times, values in ((3, EARTH_AT_HOME), (12, EARTH_PULLED)):
        for _ in range(times):
            story.poll(1, incomer=HEALTHY, earth=values).poll(9, earth=values)
    assert story.told() == ["main/earth_displacement raised"]


@pytest.mark.parametrize("pace_s", [2, 3, 4, 8])
def test_a_bus_that_cannot_keep_its_intervals_still_raises(pace_s: int) -> None:
    story = Story()
    for values in [HEALTHY] * 3 + [L2_LOST] * 20:
        story.poll(1, incomer=values)
        story.t_s += pace_s - 1
    assert story.told() == ["main/phase_loss raised"]
