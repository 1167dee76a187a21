from phasewatch.meters.quantities import PHASES, phase_name


def test_people_read_the_names_of_phases_in_capitals() -> None:
    assert [phase_name(slug) for slug in PHASES] == ["L1", "L2", "L3"]
