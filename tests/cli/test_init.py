"""`init`: questions, what answers on the line, and the site file at the end."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from phasewatch.cli.app import app
from phasewatch.commissioning.scan import every_profile
from phasewatch.configuration.site import load_site
from phasewatch.meters.profile import Profile
from tests.broker import free_port
from tests.cli.program import Ended, phasewatch, simulated, simulated_meter
from tests.cli.terminal import CTRL_C, CTRL_D, at_terminal

QUICK = ("--timeout", "0.1", "--units", "1-2")
YES = ("--yes", "--broker", "broker.example")


@pytest.fixture(autouse=True)
def _profiles_are_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phasewatch.cli.init.every_profile", lambda _directory: _profiles())


@lru_cache(maxsize=1)
def _profiles() -> dict[str, Profile]:
    return every_profile()


def init(answers: Sequence[str], *arguments: object) -> Ended:
    """Run it with lines on stdin; nothing is answered beyond them."""
    text = "".join(f"{answer}\n" for answer in answers)
    result = CliRunner().invoke(app, ["init", *map(str, arguments)], input=text, prog_name="phasewatch")
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return Ended(result.exit_code, result.stdout, result.stderr)


def good(site: Path) -> bool:
    """Return whether the file passes the checks and its meters are read."""
    return phasewatch("check", "--config", site).code == 0 and phasewatch("read", "--config", site).code == 0


def alone(site: Path) -> bool:
    """Return whether nothing was left beside the file, nor in its place."""
    return list(site.parent.iterdir()) == []


# From end to end


def test_proposals_make_a_site_file_that_works(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    with simulated({1: simulated_meter(), 2: simulated_meter()}) as server:
        answer = init((), "--out", site, "--address", server.url, *QUICK, *YES)
        assert (answer.code, answer.lines) == (0, [f"{site}: good"])
        assert good(site)
    loaded = load_site(site).site
    assert [(meter.name, meter.profile, meter.unit_id, meter.point_name) for _, meter in loaded.meters()] == [
        ("meter-1", "eastron-sdm630", 1, "meter-1"),
        ("meter-2", "eastron-sdm630", 2, "meter-2"),
    ]
    assert loaded.mqtt.urls == ("mqtt://broker.example",)
    assert f"phasewatch read --config {site}" in answer.out
    assert site.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["site.yaml"]


HOSTILE = (
    *("tcp://host:notaport", "ftp://x", "7", "/dev/no-such-port", "{address}"),
    *("0-999", "", "9", "2,1"),
    *("sdm630", "", "Incomer!", "a b", "incomer", "delta", "", ""),
    *("", "incomer", "earth", "neutral_on_pe", "perhaps", "n", "neutral_on_pe", "y", "Ä", ""),
    *("n", "400", "-1", "230", "nan", "50", "TN", "TT", "din", "gbt"),
    *("http://broker", "user:pw@broker", "broker.lan:1884", "", "plant seven", "plant-7", "fr", "zh"),
)


def test_answers_that_cannot_be_are_asked_for_again(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    with simulated({1: simulated_meter(), 2: simulated_meter()}) as server:
        answers = [answer.format(address=f"127.0.0.1:{server.port}") for answer in HOSTILE]
        answer = init(answers, "--out", site, *QUICK)
        assert answer.code == 0, answer
        assert good(site)
    assert answer.out.count("SAFETY") == 3
    for text in (
        "the port must be a whole number",
        "unknown scheme 'ftp'",
        "no such port in the list",
        "/dev/no-such-port: there is no such port; is the adapter plugged in",
        "'0-999' is not from low to high",
        "must be all, or numbers from 1 to 2",
        "'sdm630' is no profile; write eastron-sdm630",
        "'Incomer!' must be 1 to 64 of a-z 0-9 _ -",
        "delta is none of three_phase, neutral_on_pe",
        "incomer is already the name of a meter",
        "must be y or n",
        "Then it must not be wired so",
        "400 V is a line-to-line voltage; phase to neutral that is 231 V",
        "TN is none of TN-S",
        "din is none of ansi-c84-1",
        "'http://broker': must be a host",
        "fr is none of en, zh",
    ):
        assert text in answer.out, text
    loaded = load_site(site).site
    incomer, earth = (meter for _, meter in loaded.meters())
    assert (incomer.name, earth.name, earth.wiring) == ("incomer", "earth", "neutral_on_pe")
    assert incomer.point_name == earth.point_name == "incomer"
    assert (loaded.site, loaded.language, loaded.supply.system, loaded.supply.limits) == ("plant-7", "zh", "TT", "gbt")
    assert loaded.mqtt.urls == ("mqtt://broker.lan:1884",)


def test_a_serial_line_is_found_at_its_device(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    with simulated({2: simulated_meter()}, "rtu://?baudrate=115200", turnaround_s=0.0) as server:
        device = server.url.removeprefix("rtu://").split("?")[0]
        answers = (device, "2", "quick", "115200 N", *([""] * 20))
        answer = init(answers, "--out", site, "--timeout", "0.2")
        assert answer.code == 0, answer
        assert "'quick' must be all, or as 9600 N" in answer.out
        assert good(site)
    assert load_site(site).site.buses[0].url == f"rtu://{device}?baudrate=115200&parity=N&stopbits=1"


def test_a_gateway_that_speaks_rtu_frames_is_found(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    with simulated({1: simulated_meter()}, "rtu+tcp://127.0.0.1:0", turnaround_s=0.0) as server:
        address = f"127.0.0.1:{server.port}"
        answer = init((), "--out", site, "--address", address, "--units", "1", "--timeout", "0.1", *YES)
        assert answer.code == 0, answer
        assert good(site)
    assert load_site(site).site.buses[0].url == f"rtu+tcp://{address}"


def test_a_site_may_have_several_buses_but_each_line_once(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    one, other = {1: simulated_meter()}, {1: simulated_meter("carlogavazzi-em24-rs485")}
    with simulated(one) as first, simulated(other) as second:
        meter = ("",) * 5  # which, model, name, wiring, point
        answers = ("1", *meter, "y", first.url, second.url, "1", *meter, *([""] * 20))
        answer = init(answers, "--out", site, "--address", first.url, "--units", "1", "--timeout", "0.1")
        assert answer.code == 0, answer
    assert "is a bus of the site already" in answer.out
    assert [meter.name for _, meter in load_site(site).site.meters()] == ["meter-1", "meter-1-2"]


# At a terminal


def test_a_person_at_a_terminal_gets_there_by_pressing_return(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    with (
        simulated({1: simulated_meter()}) as server,
        at_terminal("init", "--out", site, "--address", server.url, *QUICK) as terminal,
    ):
        terminal.until("Unit ids to ask")
        terminal.keys("1\r")
        for question in ("belong to the site", "model", "name", "wiring", "point", "another adapter"):
            terminal.until(f"{question}")
            terminal.until("]: ")
            terminal.keys("\r")
        for question in (
            "Nominal voltage",
            "Nominal freq",
            "Earthing",
            "Limits [",
            "Broker",
            "User",
            "site, in",
            "Language",
        ):
            terminal.until(question)
            terminal.keys("\r")
        terminal.until("written")
        assert terminal.end() == 0
        assert good(site)


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D])
def test_leaving_in_the_middle_leaves_nothing(key: str, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    with (
        simulated({1: simulated_meter()}) as server,
        at_terminal("init", "--out", site, "--address", server.url, *QUICK) as terminal,
    ):
        terminal.until("Unit ids to ask")
        terminal.keys("1\r")
        terminal.until("belong to the site")
        terminal.keys(key)
        terminal.until("nothing was written")
        assert terminal.end() == 2
    assert "Traceback" not in terminal.shown
    assert alone(site)


# Files


def test_answers_that_end_too_early_leave_nothing(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    with simulated({1: simulated_meter()}) as server:
        answer = init(["1", "all", ""], "--out", site, "--address", server.url, *QUICK)
    assert answer.code == 2
    assert answer.lines == ["the answers end at:   its name; nothing was written"]
    assert alone(site)


def test_a_file_that_is_there_is_replaced_only_if_that_is_wanted(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("mine")
    site.chmod(0o600)
    with simulated({1: simulated_meter()}) as server:
        where = ("--out", site, "--address", server.url, *QUICK)
        refused = init((), *where, *YES)
        assert (refused.code, refused.lines[0][-59:]) == (
            2,
            "here already; move it away, or name another file with --out",
        )
        beside = init(("n", *([""] * 20)), *where)
        assert (beside.code, site.read_text(), good(tmp_path / "site-new.yaml")) == (0, "mine", True)
        assert init(("y", *([""] * 20)), *where).code == 0
    assert load_site(site).site.buses[0].name == "bus-1"
    assert site.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("--out", "/no/such/site.yaml"),
            "--out /no/such/site.yaml: there is no directory /no/such; mkdir -p /no/such",
        ),
        (("--out", "/tmp"), "--out /tmp: is a directory; name a file, as /tmp/site.yaml"),
        (("--address", "http://x"), "--address http://x: unknown scheme 'http'"),
        (("--units", "1-900"), "--units: '1-900' is not from low to high within 0 to 255"),
        (("--broker", "a b", "--address", "{address}"), "--broker 'a b': must be a host, mqtt://host:1883"),
        (("--address", "127.0.0.1:{closed}"), "tcp://127.0.0.1:{closed}: cannot connect: [Errno 111]"),
    ],
)
def test_wrong_usage_is_one_line_and_no_file(arguments: tuple[str, str], line: str, tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}) as server:
        fields = {"address": server.url, "closed": free_port()}
        given = {"--out": str(tmp_path / "site.yaml"), "--units": "1", "--timeout": "0.1"} | dict(
            zip(arguments[::2], (text.format(**fields) for text in arguments[1::2]), strict=True)
        )
        answer = init((), "--yes", *(word for option in given.items() for word in option))
    assert answer.code == 2
    assert answer.lines[-1].startswith(line.format(**fields))
    assert list(tmp_path.iterdir()) == []
