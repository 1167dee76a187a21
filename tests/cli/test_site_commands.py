"""`check`, `read` and `run`: what they do with a site file."""

import re
from pathlib import Path

import pytest

from phasewatch.simulator.device import Fault
from tests.broker import free_port, mosquitto
from tests.cli.program import SITE, ended, interrupted, phasewatch, put_site, simulated, simulated_meter, started

NOWHERE = "tcp://127.0.0.1:1"
RTU = "rtu:///dev/ttyUSB0?baudrate=1200"


@pytest.mark.parametrize("command", ["run", "check", "read"])
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (None, ["cannot be read: No such file or directory"]),
        ("", ["holds no keys such as site, buses and mqtt; begin with config/site.example.yaml"]),
        (
            SITE.format(url="tcp://h", meter=', unit_id: "1", colour: grey'),
            [
                "buses[0].meters[0].unit_id: Input should be a valid integer (is '1')",
                "buses[0].meters[0].colour: unknown key; check its spelling or remove it",
            ],
        ),
    ],
    ids=["missing", "empty", "two errors"],
)
def test_a_wrong_site_file_starts_nothing(command: str, text: str | None, lines: list[str], tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    if text is not None:
        file.write_text(text)
    before = sorted(tmp_path.iterdir())
    answer = phasewatch(command, "--config", file)
    assert (answer.code, answer.out, answer.lines) == (2, "", [f"{file}: {line}" for line in lines])
    assert sorted(tmp_path.iterdir()) == before


def test_a_wrong_site_file_leaves_no_traceback(tmp_path: Path) -> None:
    file = put_site(tmp_path, "site: a\nsite: b\n")
    answer = ended(started("run", "--config", file))
    assert answer == (2, "", f"{file}:2: key 'site' is already in line 1; remove one of the two\n")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_password_that_cannot_be_read_starts_nothing(content: bytes | None, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    text = SITE.format(url=NOWHERE, meter="").replace("urls", f"username: me, password_file: {secret}, urls")
    answer = ended(started("run", "--config", put_site(tmp_path, f"{text}state_dir: {tmp_path}/state\n")))
    assert (answer.code, answer.out, len(answer.lines)) == (2, "", 1)
    assert answer.err.startswith(f"{tmp_path}/site.yaml: mqtt.password_file: ")
    assert not (tmp_path / "state").exists()


def test_check_shows_the_plan_and_the_limits(tmp_path: Path) -> None:
    file = put_site(tmp_path, SITE.format(url=NOWHERE, meter=", point: main"))
    answer = phasewatch("check", "--config", file)
    assert (answer.code, answer.lines) == (0, [f"{file}: good"])
    for word in ("Read plan", "board", "incomer", "eastron", "Limits", "main", "EN 50160", "207.0", "253.0"):
        assert word in answer.out


def test_check_answers_machines(tmp_path: Path) -> None:
    file = put_site(tmp_path, SITE.format(url=NOWHERE, meter=", point: main"))
    answer = phasewatch("check", "--config", file, "--json")
    said = answer.json()
    (bus,), (point,) = said["buses"], said["points"]
    assert (answer.code, said["file"], said["problems"]) == (0, str(file), [])
    assert bus["requests"] == len(bus["meters"][0]["plan"])
    assert bus["words"] == sum(count for _, _, count in bus["meters"][0]["plan"])
    assert (point["point"], point["low_v"], point["high_v"], point["u2_percent"]) == ("main", 207.0, 253.0, 2.0)


def test_check_shows_the_sites_own_limits(tmp_path: Path) -> None:
    own = "rules: {voltage_deviation: {lower_percent: -5, upper_percent: 5}, voltage_unbalance: {limit_percent: 3}}\n"
    file = put_site(tmp_path, SITE.format(url=NOWHERE, meter=", point: main") + own)
    (point,) = phasewatch("check", "--config", file, "--json").json()["points"]
    assert (point["low_v"], point["high_v"], point["u2_percent"]) == (218.5, 241.5, 3.0)
    deviation = next(limit for limit in point["in_force"] if limit["rule"] == "voltage_deviation")
    assert (deviation["low"], deviation["high"], deviation["unit"], deviation["own"]) == (218.5, 241.5, "V", True)
    assert "218.5" in phasewatch("check", "--config", file).out


def test_no_name_is_cut_from_the_tables(tmp_path: Path) -> None:
    text = SITE.format(url=NOWHERE, meter="").replace("incomer", "a-meter-with-quite-a-long-name")
    answer = phasewatch("check", "--config", put_site(tmp_path, text))
    assert "…" not in answer.out


def test_a_serial_bus_that_cannot_keep_its_intervals_is_a_problem(tmp_path: Path) -> None:
    file = put_site(tmp_path, SITE.format(url=RTU, meter=", interval_s: 0.2"))
    for arguments in ((), ("--json",)):
        answer = phasewatch("check", "--config", file, *arguments)
        (line,) = answer.lines
        assert answer.code == 1
        assert line.startswith(f"{file}: buses[0]: board needs ")
        assert re.search(r" needs (\d+) % of the time there is; make interval_s [\d.]+ times as long, ", line)
        assert line.endswith(" times as long, raise the baud rate, or split the bus")
    said = answer.json()
    assert said["problems"] == [line]
    assert said["buses"][0]["load_percent"] > 100.0


def test_the_silence_at_each_change_of_unit_is_part_of_the_load(tmp_path: Path) -> None:
    def cycle_ms(*meters: str, gap: str = "") -> float:
        more = "".join(f"}}\n      - {{name: {name}, profile: eastron-sdm630, unit_id: 2" for name in meters)
        text = SITE.format(url=f"{RTU}{gap}", meter=more)
        bus = phasewatch("check", "--config", put_site(tmp_path, text), "--json").json()["buses"][0]
        return float(bus["cycle_ms"])

    gap = "\n    unit_gap_ms: 100"
    assert cycle_ms(gap=gap) == cycle_ms()
    assert cycle_ms("pump", gap=gap) == pytest.approx(cycle_ms("pump") + 2 * (100 - 35 / 1.2), abs=0.5)


def test_a_line_to_line_nominal_voltage_is_a_problem(tmp_path: Path) -> None:
    file = put_site(tmp_path, SITE.format(url=NOWHERE, meter="") + "supply: {nominal_v: 400}\n")
    answer = phasewatch("check", "--config", file)
    assert (answer.code, len(answer.lines)) == (1, 1)
    assert "supply.nominal_v: 400 V looks like a line-to-line voltage; phase to neutral would be 231 V" in answer.err


ALL_LN = "[voltage_l1_n, voltage_l2_n, voltage_l3_n]"
ON_PE = "}\n      - {name: earth, profile: eastron-sdm630, unit_id: 2, point: incomer, wiring: neutral_on_pe"
NO_VERDICT = "no verdict is possible at point incomer: no voltage to neutral or earth is read there; "


@pytest.mark.parametrize(
    ("meter", "mend"),
    [
        (f", ignore: {ALL_LN}", "take those that are wired out of ignore"),
        (", ignore: [voltage_l1_n, voltage_l2_n]", None),
        (f", ignore: {ALL_LN}{ON_PE}", None),
        (", wiring: neutral_on_pe", None),
    ],
)
def test_a_point_where_no_verdict_is_possible_is_a_problem(meter: str, mend: str | None, tmp_path: Path) -> None:
    file = put_site(tmp_path, SITE.format(url=NOWHERE, meter=meter))
    answer = phasewatch("check", "--config", file)
    assert answer.lines == [f"{file}: buses[0].meters[0]: {NO_VERDICT}{mend}" if mend else f"{file}: good"]


def test_a_meter_without_voltages_alone_at_a_point_is_a_problem(tmp_path: Path) -> None:
    text = SITE.format(url=NOWHERE, meter="").replace("eastron-sdm630", "eastron-sdm72d-m")
    answer = phasewatch("check", "--config", put_site(tmp_path, text))
    assert answer.lines[0].endswith(f"{NO_VERDICT}its meters have no such registers: add one that has")


def test_run_warns_of_a_schedule_that_check_refuses(tmp_path: Path) -> None:
    file = put_site(
        tmp_path,
        SITE.format(url="rtu:///dev/none?baudrate=1200", meter=", interval_s: 0.2") + f"state_dir: {tmp_path}\n",
    )
    (line,) = phasewatch("check", "--config", file).lines
    process = started("run", "--config", file)
    assert process.stderr is not None
    assert any(line in logged for logged in process.stderr)
    interrupted(process)


def test_check_connect_calls_good_only_what_it_found_nothing_wrong_with(tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}) as server, mosquitto(tmp_path / "broker") as broker_there:
        ghost = "}\n      - {name: ghost, profile: eastron-sdm630, unit_id: 9"
        text = SITE.format(url=server.url, meter=ghost).replace("mqtt://127.0.0.1:1", broker_there.url)
        answer = phasewatch("check", "--config", put_site(tmp_path, text), "--connect")
    (line,) = answer.lines
    assert answer.code == 1
    assert line.startswith("meter ghost: ")


def test_check_connects_to_every_meter_and_broker(tmp_path: Path) -> None:
    answer = phasewatch("check", "--config", put_site(tmp_path, SITE.format(url=NOWHERE, meter="")), "--connect")
    assert answer.code == 1
    meter, broker = answer.lines
    assert meter.startswith(f"meter incomer: {NOWHERE}: cannot connect: ")
    assert broker.startswith("broker mqtt://127.0.0.1:1: ")
    with simulated({1: simulated_meter()}) as server, mosquitto(tmp_path / "broker") as broker_there:
        text = SITE.format(url=server.url, meter="").replace("mqtt://127.0.0.1:1", broker_there.url)
        file = put_site(tmp_path, text)
        assert phasewatch("check", "--config", file, "--connect").lines == [f"{file}: good"]


def test_read_shows_the_readings_and_what_they_mean(tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}) as server:
        file = put_site(tmp_path, SITE.format(url=server.url, meter=", point: main"))
        table, machine = phasewatch("read", "--config", file), phasewatch("read", "--config", file, "--json")
    assert (table.code, table.err, machine.code) == (0, "", 0)
    for words in ("Readings of plant", "incomer", "voltage_l1_n", "Point main", "Verdict: normal"):
        assert words in table.out
    said = machine.json()
    (meter,), (point,) = said["meters"], said["points"]
    assert set(meter) == {"meter", "values", "missing"}
    assert f"{meter['values']['voltage_l1_n']:.2f}" in table.out
    assert (point["point"], point["verdict"], point["phase"]) == ("main", "normal", None)


def test_a_dead_meter_does_not_hide_the_others(tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}) as server:
        port = free_port()
        dead = f'  - {{name: cellar, url: "tcp://127.0.0.1:{port}", meters: [{{name: pump, profile: generic}}]}}\nmqtt'
        text = SITE.format(url=server.url, meter="").replace("mqtt", dead, 1)
        silent = "      - {name: mute, profile: generic, unit_id: 9}\n  - {name: cellar"
        file = put_site(tmp_path, text.replace("  - {name: cellar", silent))
        table, machine = (ended(started("read", "--config", file, *more)) for more in ((), ("--json",)))
    for answer in (table, machine):
        assert answer.code == 1
        mute, pump = answer.lines  # each failure is told once
        assert mute == f"meter mute: {server.url}: unit 9, function 3, address 0, count 24: no answer within 0.2 s"
        assert pump.startswith(f"meter pump: tcp://127.0.0.1:{port}: cannot connect")
    assert "voltage_l1_n" in table.out
    assert "Verdict: normal" in table.out
    assert "Point mute" not in table.out
    good, mute_said, _ = machine.json()["meters"]
    assert good["meter"] == "incomer"
    assert set(mute_said) == {"meter", "failure"}
    assert [point["verdict"] for point in machine.json()["points"]] == ["normal", None, None]


def test_read_shows_every_meter_of_a_long_bus(tmp_path: Path) -> None:
    names = [f"meter-number-{unit_id}" for unit_id in range(1, 8)]
    meters = [f"{{name: {name}, profile: generic, unit_id: {place}}}" for place, name in enumerate(names, 1)]
    with simulated(dict.fromkeys(range(1, 8), simulated_meter("generic"))) as server:
        text = SITE.format(url=server.url, meter="")
        file = put_site(tmp_path, text.replace("{name: incomer, profile: eastron-sdm630}", "\n      - ".join(meters)))
        answer = phasewatch("read", "--config", file)
    assert (answer.code, answer.err) == (0, "")
    assert "…" not in answer.out
    assert answer.out.count("Readings of plant") == 2


def test_read_names_a_nominal_voltage_that_does_not_fit(tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}) as server:
        file = put_site(tmp_path, SITE.format(url=server.url, meter="") + "supply: {nominal_v: 120}\n")
        answer = phasewatch("read", "--config", file)
    assert (answer.code, len(answer.lines)) == (1, 1)
    assert "120" in answer.err
    assert "230" in answer.err


def test_a_meter_that_hangs_up_has_failed(tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}) as server:
        server.faults[1] = Fault(hang_up=True)
        answer = phasewatch("read", "--config", put_site(tmp_path, SITE.format(url=server.url, meter="")))
    assert (answer.code, answer.out, len(answer.lines)) == (1, "", 1)
    assert answer.err.startswith("meter incomer: ")
