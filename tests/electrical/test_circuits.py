"""The diagnosis on circuits it was not tuned to: solved at random, read through a noisy meter."""

import random
from itertools import islice

import pytest

from phasewatch.electrical.diagnosis import diagnose
from phasewatch.electrical.supply import Supply
from tests.circuits import FAULTS, VIEWS, Maker, cases, expected, healthy, measured

CLASS_PERCENT = 0.5


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("maker", FAULTS, ids=lambda maker: maker.__name__)
def test_a_random_circuit_with_a_fault_gets_its_name(maker: Maker, view: str) -> None:
    draw = random.Random(f"{maker.__name__} {view}")
    drawn = list(islice(cases(maker, draw), 8))
    supply = Supply(accuracy_percent=CLASS_PERCENT)
    found = [diagnose(measured(case.values, VIEWS[view], CLASS_PERCENT, draw), supply).verdict for case in drawn]
    assert all(verdict.code in expected(case, view) for case, verdict in zip(drawn, found, strict=True)), found


@pytest.mark.parametrize("maker", [m for m in FAULTS if m.__name__.startswith(("phase_lost", "earth"))])
def test_a_phase_that_is_named_is_the_right_one(maker: Maker) -> None:
    draw = random.Random(maker.__name__)
    for case in islice(cases(maker, draw), 20):
        verdict = diagnose(measured(case.values, VIEWS["all"], CLASS_PERCENT, draw), Supply()).verdict
        assert verdict.phase in (case.phase, None)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("percent", [0.2, 0.5, 1.0])
def test_a_healthy_board_with_ordinary_load_is_normal(percent: float, view: str) -> None:
    draw = random.Random(f"{view} {percent}")
    for case in islice(cases(healthy, draw), 60):
        values = measured(case.values, VIEWS[view], percent, draw)
        assert diagnose(values, Supply()).verdict.code == "normal", values
