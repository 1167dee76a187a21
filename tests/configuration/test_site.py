"""Loading a site file and what it names."""

from pathlib import Path

import pytest

from phasewatch.configuration.errors import ConfigurationError
from phasewatch.configuration.files import config_directory
from phasewatch.configuration.site import build_site, load_site
from tests.site_file import GOOD, load, meters, refusal

M0 = "buses[0].meters[0]"
NO_SITE = "holds no keys such as site, buses and mqtt; begin with config/site.example.yaml"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", f": {NO_SITE}"),
        (b"# nothing\n", f": {NO_SITE}"),
        (b"- site\n- buses\n", f": {NO_SITE}"),
        (b"site\n", f": {NO_SITE}"),
        (b"{}\n", ": site: is required; add it"),
        (b"site: a\nsite: b\n", ":2: key 'site' is already in line 1; remove one of the two"),
        (b"buses:\n\t- name: b\n", ":2: found character '\\t' that cannot start any token"),
        (b"site: [a\n", ":2: expected ',' or ']', but got '<stream end>'"),
        (b"note: \xe4\n", ": not UTF-8 at byte 6; save it as UTF-8"),
    ],
)
def test_a_file_that_is_no_site_says_what_it_is(content: bytes, line: str, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_site(file)
    assert caught.value.lines[0] == f"{file}{line}"


def test_a_site_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "gone.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigurationError) as caught:
            load_site(path)
        assert caught.value.lines == (f"{path}: cannot be read: {reason}",)


def test_a_profile_beside_the_site_file_stands_before_the_shipped_one(tmp_path: Path) -> None:
    own = (config_directory() / "meters" / "eastron-sdm630.yaml").read_text(encoding="utf-8")
    (tmp_path / "meters").mkdir()
    (tmp_path / "meters" / "eastron-sdm630.yaml").write_text(own.replace("maker: Eastron", "maker: Mine"), "utf-8")
    assert load(tmp_path, GOOD).profiles["eastron-sdm630"].maker == "Mine"


def test_a_broken_profile_is_told_with_the_meter_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "meters").mkdir()
    (tmp_path / "meters" / "mine.yaml").write_text("id: mine\n")
    lines = refusal(tmp_path, GOOD.replace("eastron-sdm630", "mine"))
    assert lines[0] == f"{M0}.profile: {tmp_path}/meters/mine.yaml: maker: is required; add it"


def test_a_unit_id_that_is_not_said_is_the_profile_s(tmp_path: Path) -> None:
    loaded = load(tmp_path, meters("{name: n, profile: eastron-sdm630, unit_id: 7}"))
    assert [loaded.unit_id_of(meter) for _, meter in loaded.site.meters()] == [1, 7]


@pytest.mark.parametrize(
    ("url", "unit_ids"),
    [
        ("tcp://gateway:4001", [1, 7]),
        ("udp://gateway:4001", [1, 7]),
        ("rtu+tcp://gateway:4001", [126, 7]),
        ("rtu:///dev/ttyUSB0", [126, 7]),
    ],
)
def test_a_meter_whose_unit_id_differs_over_tcp_is_asked_by_that_of_its_bus(url: str, unit_ids: list[int]) -> None:
    def two(second: int) -> dict[str, object]:
        pac = [{"name": "m", "profile": "siemens-pac3200"}, {"name": "n", "profile": "siemens-pac3200"}]
        bus = {"name": "b", "url": url, "meters": [pac[0], {**pac[1], "unit_id": second}]}
        return {"site": "s", "buses": [bus], "mqtt": {"urls": ["mqtt://127.0.0.1:1"]}}

    loaded = build_site(two(7), Path("site.yaml"))
    assert [loaded.unit_id_of(meter) for _, meter in loaded.site.meters()] == unit_ids
    with pytest.raises(ConfigurationError, match=f"unit {unit_ids[0]} is already m on this bus"):
        build_site(two(unit_ids[0]), Path("site.yaml"))


def test_an_unknown_profile_or_preset_is_answered_with_the_nearest_names(tmp_path: Path) -> None:
    text = GOOD.replace("eastron-sdm630", "janitza-umg640") + "supply: {limits: en50161}\n"
    shipped = config_directory()
    profile, preset = refusal(tmp_path, text)
    assert profile.startswith(
        f"{M0}.profile: {tmp_path}/meters, {shipped}/meters: no file janitza-umg640.yaml; did you mean janitza-umg604"
    )
    place = f"supply.limits: {tmp_path}/limits, {shipped}/limits"
    assert preset.startswith(f"{place}: no file en50161.yaml; did you mean en50160")
