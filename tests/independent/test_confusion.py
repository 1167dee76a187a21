"""The diagnosis against circuits that OpenDSS solves: our own simulator would agree with it by nature."""

from typing import Final

import pytest

from tests.independent.confusion import VIEWS, judge
from tests.independent.kinds import KINDS
from tests.independent.network import OPEN_OHM, Load, N, Network, solve

DRAWS: Final = 6
WRONG_TODAY: Final = frozenset(
    (
        "phase_lost_motor_and_loads",
        "phase_lost_small_motor",
        "mv_phase_lost",
        "mv_phase_lost_motor",
        "mv_phase_lost_yyn",
        "weak_primary_phase",
        "joints_phase_and_neutral",
        "bad_phase_joint",
        "neutral_open_and_phase_lost",
        "neutral_and_earth_open",
        "split_phase_leg_lost",
    )
)
"""Kinds with a false or missing name: a list that only shrinks; docs/reference/confusion.md has the shares."""


def test_an_open_neutral_is_where_the_loads_put_it() -> None:
    loads = tuple(Load((phase, N), watts) for phase, watts in ((1, 2000.0), (2, 1000.0), (3, 500.0)))
    solved = solve(Network(feeder=1e-6 + 0j, loads=loads).with_joint(N, OPEN_OHM))
    # Millman: the star point of admittances 4 : 2 : 1 is twice as far from the third corner as from the first.
    assert solved.between(N, 1) / solved.between(N, 3) == pytest.approx(0.5, abs=0.002)
    assert abs(solved.currents[N]) < 0.01


@pytest.mark.parametrize("name", sorted(KINDS.keys() - WRONG_TODAY))
def test_no_circuit_of_a_kind_gets_a_false_name_or_none(name: str) -> None:
    rows = list(judge(name, DRAWS))
    assert len(rows) == DRAWS * len(VIEWS)
    assert [row for row in rows if row.outcome in ("wrong", "missed")] == []


@pytest.mark.parametrize("accuracy_percent", [0.2, 0.5, 1.0])
def test_a_healthy_board_is_normal_in_every_view(accuracy_percent: float) -> None:
    rows = [row for name in ("healthy", "healthy_it", "split_phase") for row in judge(name, 25, accuracy_percent)]
    assert {row.code for row in rows} == {"normal"}


@pytest.mark.parametrize("name", sorted(WRONG_TODAY))
def test_what_is_known_to_be_wrong_is_still_wrong_or_leaves_the_list(name: str) -> None:
    assert any(row.outcome in ("wrong", "missed") for row in judge(name, 40))
