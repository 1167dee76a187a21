"""Meters of one point that cannot be on one point."""

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from phasewatch.cli.simulate import read_scenario
from phasewatch.commissioning.plausibility import at_point
from phasewatch.configuration.files import config_directory, load_profile
from phasewatch.meters.measuring_point import (
    CONTRADICTED,
    NOT_STEADY,
    Contradiction,
    Joined,
    MeasuringPoint,
    Member,
    PointReadings,
    contradiction,
)
from phasewatch.meters.quantities import LL, LN, LPE
from phasewatch.simulator.feeder import solve
from phasewatch.simulator.meter import Meter, drawn_gains
from tests.meters.test_measuring_point import SOUND, TO_EARTH, Pair, settled, three


def contradicting(of_main: Mapping[str, float], of_earth: Mapping[str, float]) -> Joined:
    pair = Pair()
    for at_s in range(3):
        pair.lead(at_s, of_main)
        pair.earth(at_s + 0.2, of_earth)
    return pair.lead(3.0, of_main)


def test_meters_that_contradict_each_other_make_no_picture_together() -> None:
    main = {**three(LN, 234.0, 0.0, 234.0), **three(LL, 235.0, 234.0, 405.0)}
    joined = contradicting(main, {**TO_EARTH, **three(LL, 400.0, 405.0, 405.0)})
    assert joined.contradiction == Contradiction(LL[1], "main", 234.0, "earth", 405.0)
    assert joined.geometry == main
    assert joined.unjudged == dict.fromkeys(LPE, CONTRADICTED)


@pytest.mark.parametrize(
    ("of_main", "of_earth", "agree"),
    [
        (405.0, 405.0, True),
        (405.0, 395.0, True),  # classes, and what each may drift and still be steady
        (405.0, 393.0, False),
        (405.0, 0.0, False),
        (20.0, 0.0, True),  # a register that reads 0 hides up to 28 V
        (40.0, 0.0, False),
    ],
)
def test_two_meters_may_differ_by_their_classes_and_what_they_may_drift(
    of_main: float, of_earth: float, agree: bool
) -> None:
    joined = contradicting({**SOUND, LL[0]: of_main}, {**TO_EARTH, LL[0]: of_earth})
    assert (joined.contradiction is None) is agree
    assert (set(LPE) <= set(joined.geometry)) is agree


def test_worse_classes_may_differ_by_more() -> None:
    members = [Member("main", accuracy_percent=2.0), Member("earth", "neutral_on_pe", accuracy_percent=2.0)]
    pair = Pair()
    pair.point = MeasuringPoint("board", members, 230.0)
    for at_s in range(4):
        joined = pair.lead(at_s, {**SOUND, LL[0]: 405.0})
        pair.earth(at_s + 0.2, {**TO_EARTH, LL[0]: 385.0})
    assert joined.contradiction is None


def test_while_the_meters_are_not_steady_nothing_is_a_contradiction() -> None:
    pair = settled()
    pair.earth(2.9, {**TO_EARTH, LL[0]: 405.0})
    joined = pair.lead(3.0, {**SOUND, LN[0]: 100.0, LL[0]: 300.0})
    assert joined.contradiction is None
    assert joined.unjudged[LPE[0]] == NOT_STEADY


@pytest.mark.parametrize("file", sorted((config_directory() / "scenarios").glob("*.yaml")), ids=lambda file: file.stem)
def test_meters_of_their_class_on_one_board_never_contradict_each_other_whatever_the_fault(file: Path) -> None:
    scenario, chance, profile = read_scenario(file), random.Random(7), load_profile("eastron-sdm630")
    for step in range(200):
        board = solve(scenario.feeder_at(scenario.length_s * step / 200))
        said = []
        for member in (Member("main"), Member("earth", "neutral_on_pe")):
            meter = Meter(profile, member.wiring, drawn_gains(profile, chance))
            said.append(PointReadings(member.meter, 0.5, at_point(member, meter.readings(board))))
        assert contradiction(said, 2 * 0.015 * 230.0) is None


def apart(first_v: float, second_v: float, *, accuracy_percent: float, drift_v: float) -> bool:
    """Return whether two meters that read these contradict each other."""
    said = [PointReadings(name, accuracy_percent, {LN[0]: volts}) for name, volts in (("a", first_v), ("b", second_v))]
    return contradiction(said, drift_v) is not None


def test_readings_as_far_apart_as_their_classes_and_drift_allow_still_agree() -> None:
    # One percent of 100 V and of 300 V is 4 V.
    assert not apart(100.0, 300.0, accuracy_percent=1.0, drift_v=196.0)
    assert apart(100.0, 300.0, accuracy_percent=1.0, drift_v=195.9)


def test_nothing_is_hidden_where_no_register_reads_zero() -> None:
    assert apart(100.0, 100.9, accuracy_percent=0.1, drift_v=0.1)


def test_the_worst_contradiction_is_the_one_furthest_apart() -> None:
    said = [
        PointReadings("a", 0.5, {LN[0]: 300.0, LN[1]: 100.0, LN[2]: 300.0}),
        PointReadings("b", 0.5, {LN[0]: 280.0, LN[1]: 0.0, LN[2]: 280.0}),
    ]
    assert contradiction(said, 1.0) == Contradiction(LN[1], "a", 100.0, "b", 0.0)
