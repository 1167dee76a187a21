import pytest

from phasewatch.library import load_profile, profile_ids
from phasewatch.meters.decode import example_problems
from phasewatch.meters.readplan import plan, serial_cost


@pytest.mark.parametrize("profile_id", profile_ids())
def test_every_profile_can_be_planned_and_reads_its_examples(profile_id: str) -> None:
    profile = load_profile(profile_id)
    assert example_problems(profile) == []
    assert len(profile.examples) >= 2
    assert plan(profile, profile.registers, serial_cost(9600))
