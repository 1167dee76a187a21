import re
from pathlib import Path

import pytest

from phasewatch.cli import meters
from phasewatch.configuration.files import config_directory, load_profile, profile_ids
from tests.cli.program import phasewatch
from tests.cli.terminal import at_terminal


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own(folder: Path, profile_id: str, **changes: str) -> Path:
    """Put a profile into meters/ of a folder: that of the SDM630, changed."""
    text = (config_directory() / "meters" / "eastron-sdm630.yaml").read_text(encoding="utf-8")
    for key, value in {"id": profile_id, **changes}.items():
        text = re.sub(rf"(?m)^{key}: .*$", f"{key}: {value}", text)
    (folder / "meters").mkdir(exist_ok=True)
    file = folder / "meters" / f"{profile_id}.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def rows(out: str) -> dict[str, str]:
    return {row.split()[0]: row for row in out.splitlines()[1:]}


def test_the_list_of_meters_has_one_line_a_profile_when_it_is_piped() -> None:
    answer = phasewatch("meters", "list")
    assert (answer.code, answer.err) == (0, "")
    assert tuple(rows(answer.out)) == profile_ids()
    assert answer.out.isprintable() is False  # line ends, and nothing else
    assert answer.out.replace("\n", "").isprintable()
    assert not set("│┃━…") & set(answer.out)


@pytest.mark.parametrize(
    ("profile_id", "seen"),
    [
        ("eastron-sdm630", "L-N L-L           I"),
        ("bender-isomil425", "        L-PE       "),
        ("eastron-sdm72d-m", "no voltages"),
    ],
)
def test_what_a_meter_can_see_is_told_in_marks(profile_id: str, seen: str) -> None:
    assert f"  {seen}  " in rows(phasewatch("meters", "list").out)[profile_id]


def test_at_a_terminal_of_80_columns_every_line_fits_and_every_mark_stands_in_its_column() -> None:
    with at_terminal("meters", "list", columns=80) as terminal:
        assert terminal.end() == 0
    shown = terminal.shown.replace("\r", "").splitlines()
    assert max(map(len, shown)) <= 80
    assert {row.split()[0] for row in shown[1:] if not row.startswith(" ")} == set(profile_ids())
    assert {row.index("L-N") for row in shown if "L-N " in row} == {shown[1].index("L-N")}


def test_profiles_of_the_folder_are_listed_as_show_knows_them(here: Path) -> None:
    file = own(here, "acme-3", maker="Acme")
    listed = rows(phasewatch("meters", "list").out)
    assert "Acme" in listed["acme-3"]
    assert listed["acme-3"].endswith(f"({file})")
    assert phasewatch("meters", "show", "acme-3").code == 0
    said = {entry["id"]: entry for entry in phasewatch("meters", "list", "--json").json()}
    assert (said["acme-3"]["own_file"], said["acme-3"]["overrides"]) == (str(file), False)
    assert (said["generic"]["own_file"], said["generic"]["overrides"]) == (None, False)


def test_profiles_beside_the_site_file_of_the_service_are_listed(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    own(etc, "acme-3")
    monkeypatch.setattr(meters, "DEFAULT_CONFIG", etc / "site.yaml")
    assert "acme-3" in rows(phasewatch("meters", "list").out)
    assert phasewatch("meters", "show", "acme-3").code == 0
    own(here, "acme-4")
    assert "acme-3" not in rows(phasewatch("meters", "list").out)  # one folder counts, as for a site file


def test_a_profile_in_place_of_a_shipped_one_says_so(here: Path) -> None:
    file = own(here, "eastron-sdm630", maker="Copied")
    row = rows(phasewatch("meters", "list").out)["eastron-sdm630"]
    assert "Copied" in row
    assert row.endswith(f"({file}, in place of the shipped one)")
    said = {entry["id"]: entry for entry in phasewatch("meters", "list", "--json").json()}
    assert said["eastron-sdm630"]["overrides"] is True


def test_a_profile_that_cannot_be_used_does_not_hide_the_others(here: Path) -> None:
    own(here, "broken", word_order="sideways")
    answer = phasewatch("meters", "list")
    assert answer.code == 1
    assert "broken.yaml: word_order: " in answer.lines[0]
    assert tuple(rows(answer.out)) == profile_ids()


def test_the_list_for_machines_is_one_array() -> None:
    answer = phasewatch("meters", "list", "--json")
    said = answer.json()
    assert isinstance(said, list)
    assert [entry["id"] for entry in said] == list(profile_ids())
    for entry in said:
        assert set(entry) == {"id", "maker", "models", "kind", "sees", "quantities", "own_file", "overrides"}
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
