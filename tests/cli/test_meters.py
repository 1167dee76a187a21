import pytest

from phasewatch.library import config_directory, load_profile, profile_ids
from tests.cli.program import phasewatch


def test_the_list_of_meters_names_every_profile_in_full() -> None:
    answer = phasewatch("meters", "list")
    assert (answer.code, answer.err) == (0, "")
    assert all(f" {profile_id} " in answer.out for profile_id in profile_ids())


def test_the_list_for_machines_is_one_array() -> None:
    answer = phasewatch("meters", "list", "--json")
    said = answer.json()
    assert isinstance(said, list)
    assert [entry["id"] for entry in said] == list(profile_ids())
    for entry in said:
        assert set(entry) == {"id", "maker", "models", "kind", "sees", "quantities"}
        assert entry["sees"]["voltage_n_pe"] is ("voltage_n_pe" in entry["quantities"])


@pytest.mark.parametrize("profile_id", profile_ids())
def test_every_profile_is_shown(profile_id: str) -> None:
    profile = load_profile(profile_id)
    shown, said = phasewatch("meters", "show", profile_id), phasewatch("meters", "show", profile_id, "--json")
    assert (shown.code, said.code) == (0, 0)
    assert profile.maker in shown.out
    assert profile.tcp_unit_id is None or f"(over TCP and UDP {profile.tcp_unit_id})" in " ".join(shown.out.split())
    assert list(said.json()["registers"]) == list(profile.registers)
    assert all(f" {name} " in shown.out for name in profile.registers)


def test_an_unknown_profile_is_answered_with_the_nearest_names() -> None:
    place = config_directory() / "meters"
    status, out, told = phasewatch("meters", "show", "janitza-umg640")
    assert (status, out) == (2, "")
    assert told.startswith(f"{place}: no file janitza-umg640.yaml; did you mean janitza-umg604")
