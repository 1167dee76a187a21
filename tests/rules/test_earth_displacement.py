from math import sqrt

import pytest

from phasewatch.electrical.supply import Supply
from phasewatch.meters.quantities import LN, NPE
from phasewatch.rules.earth_displacement import EarthDisplacement, Settings
from phasewatch.rules.rule import Truth
from tests.acceptance import A1, A2, A3, A10, B7, SEED, Case
from tests.rules.views import MARKS, full, one, view

R = 230.0
LINE = (R * sqrt(3),) * 3


def pulled(toward_l1_v: float, ln: tuple[float, float, float] = (R, R, R)) -> dict[str, float]:
    """Return readings with PE pulled toward L1, everything else sound."""
    side = sqrt(R * R + toward_l1_v**2 + R * toward_l1_v)
    return full(ln, LINE, (R - toward_l1_v, side, side))


@pytest.mark.parametrize(
    ("case", "breached", "severity"),
    [
        (A1, False, "medium"),
        (A2, False, "medium"),
        (A3, False, "medium"),
        (B7, False, "medium"),
        (SEED, True, "high"),
        (A10, True, "critical"),
    ],
)
def test_it_follows_the_verdict(case: Case, breached: bool, severity: str) -> None:
    condition = one(EarthDisplacement(Settings()), view(case.values))
    assert (condition.breached, condition.severity) == (breached, severity)
    assert condition.cleared is not breached
    assert one(EarthDisplacement(Settings(severity="low")), view(case.values)).severity == "low"


def letters(volts: list[float]) -> str:
    active, found = False, ""
    for shift_v in volts:
        truth = one(EarthDisplacement(Settings()), view(pulled(shift_v))).truth(active)
        active, found = truth is Truth.BREACH, found + MARKS[truth]
    return found


def test_it_begins_at_three_times_the_noise_and_ends_two_volts_below() -> None:
    floor_v = Supply().displacement_floor_v
    assert floor_v == pytest.approx(7.17, abs=0.01)
    assert letters([0, 7.1, 7.3, 7.1, 5.3, 5.1, 7.1]) == "ccBBBcc"


def test_another_fault_does_not_clear_it_while_earth_stays_away() -> None:
    sagging = (190.0, 238.0, 238.0)
    values = full(sagging, (378.0, LINE[0], 378.0), (160.0, 262.0, 262.0))
    seen = view(values)
    truth = one(EarthDisplacement(Settings()), seen).truth(active=True)
    assert truth is Truth.BREACH


def test_earth_that_moves_with_the_neutral_is_the_neutrals_affair() -> None:
    assert one(EarthDisplacement(Settings()), view(A3.values)).truth(active=True) is Truth.CLEAR


def test_a_direct_reading_alone_is_enough_to_judge() -> None:
    rule = EarthDisplacement(Settings())
    sound = dict.fromkeys(LN, R)
    assert one(rule, view({**sound, NPE: 30.0})).breached is True
    assert one(rule, view({**sound, NPE: 1.0})).cleared is True


def test_it_is_unknown_where_earth_is_not_seen() -> None:
    assert one(EarthDisplacement(Settings()), view(dict.fromkeys(LN, R))).breached is None
