"""`phasewatch replay`: recordings of any make go in, the events of live readings come out."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from phasewatch.configuration.site import load_site
from phasewatch.meters.quantities import LL, LN, VOLTAGES
from phasewatch.meters.reading import Reading
from phasewatch.service.build import build_watch
from tests.cli.program import SITE, Ended, phasewatch, put_site

START = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)
ALL = (*LN, *LL)
HEALTHY = (231.0, 230.4, 230.1, 399.3, 399.0, 398.8)
OPEN = (124.1, 298.3, 312.2, 399.3, 399.0, 398.8)
"""The neutral is open."""
LOST = (231.0, 0.0, 230.1, 231.0, 230.1, 398.8)
"""L2 is lost."""
HIGH = (258.0, 257.5, 257.0, 446.0, 445.5, 445.2)
Row = tuple[float, Sequence[float]]
"""Seconds after START, voltages."""


def story(*parts: tuple[Sequence[float], int], step_s: float = 1.0, start_s: float = 0.0) -> list[Row]:
    """Return rows at a steady step; the last digit wanders, as that of a meter does."""
    values = [part for part, times in parts for _ in range(times)]
    return [
        (start_s + n * step_s, [v and round(v + 0.1 * ((n * 7 + place) % 3), 1) for place, v in enumerate(part)])
        for n, part in enumerate(values)
    ]


FAULTS = story((HEALTHY, 60), (OPEN, 40), (HEALTHY, 40), (LOST, 30), (HEALTHY, 60))


def iso(at_s: float) -> str:
    return (START + timedelta(seconds=at_s)).replace(tzinfo=None).isoformat(sep=" ")


def table(rows: Iterable[Row], time: Any = iso, header: Sequence[str] = ("time", *ALL), delimiter: str = ",") -> str:
    lines = [delimiter.join(header)]
    lines += [delimiter.join([time(at_s), *(str(v) for v in values)]) for at_s, values in rows]
    return "\n".join(lines) + "\n"


def site(directory: Path, meter: str = "", more: str = "") -> Path:
    return put_site(directory, SITE.format(url="tcp://127.0.0.1:1", meter=meter) + more)


def replay(directory: Path, content: str | bytes, *options: object, name: str = "log.csv", config: str = "") -> Ended:
    file = directory / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return phasewatch("replay", file, "--config", site(directory, more=config), *options)


def told(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return [f"{row['at'][11:19]} {row['rule']} {row['transition']}" for row in rows]


FAULT_EVENTS = [
    "12:01:02 neutral_displacement raised",
    "12:01:45 neutral_displacement cleared",
    "12:02:22 phase_loss raised",
    "12:02:55 phase_loss cleared",
]


def rules(ended: Ended, *names: str) -> list[str]:
    """Return what was told of the two rules of the story."""
    wanted = names or ("neutral_displacement", "phase_loss")
    return told(row for row in ended.rows() if row["rule"] in wanted)


def test_a_recording_makes_events(tmp_path: Path) -> None:
    ended = replay(tmp_path, table(FAULTS))
    assert ended.code == 0
    assert rules(ended) == FAULT_EVENTS
    assert [row["seq"] for row in ended.rows()] == list(range(1, len(ended.rows()) + 1))
    first = ended.rows()[0]
    assert first["id"] == "plant-replay-1"
    assert first["alert_id"].startswith("plant-replay-incomer-")
    assert (first["clock"], first["boot_id"]) == ("unsync", None)


def test_the_events_are_those_of_live_readings(tmp_path: Path) -> None:
    ended = replay(tmp_path, table(FAULTS))
    watch, _ = build_watch(load_site(tmp_path / "site.yaml"), "replay", {})
    live = []
    for at_s, values in FAULTS:
        at = START + timedelta(seconds=at_s)
        live += watch.reading(Reading("incomer", at, 5000.0 + at_s, dict(zip(ALL, values, strict=True))))
    recorded = [
        {name: value for name, value in row.items() if name not in ("id", "seq", "clock", "boot_id", "uptime_s")}
        for row in ended.rows()
    ]
    assert recorded == json.loads(json.dumps([event.payload for event in live]))
    assert recorded


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_the_same_file_gives_the_same_bytes_in_every_process(tmp_path: Path, seed: str) -> None:
    first = replay(tmp_path, table(FAULTS), "--summary-json")
    command = [sys.executable, "-m", "phasewatch", "replay", str(tmp_path / "log.csv"), "--summary-json"]
    again = subprocess.run(
        [*command, "--config", str(tmp_path / "site.yaml")],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"},
    )
    assert again.stdout.decode() == first.out


TIMES: Mapping[str, tuple[Any, tuple[str, ...]]] = {
    "iso": (iso, ()),
    "iso T Z": (lambda s: iso(s).replace(" ", "T") + "Z", ()),
    "iso offset": (lambda s: iso(s + 3600) + "+01:00", ()),
    "iso UTC": (lambda s: iso(s) + " UTC", ()),
    "iso milliseconds": (lambda s: iso(s) + ".000", ()),
    "dotted": (lambda s: when(s, "%d.%m.%Y %H:%M:%S"), ()),
    "year/month/day": (lambda s: when(s, "%Y/%m/%d %H:%M:%S"), ()),
    "day/month": (lambda s: when(s, "%d/%m/%Y %H:%M:%S"), ("--time-format", "%d/%m/%Y %H:%M:%S")),
    "month/day": (lambda s: when(s, "%m/%d/%Y %I:%M:%S %p"), ("--time-format", "%m/%d/%Y %I:%M:%S %p")),
    "digits": (lambda s: when(s, "%Y%m%d%H%M%S"), ()),
    "epoch s": (lambda s: str(int(START.timestamp() + s)), ()),
    "epoch s with a fraction": (lambda s: f"{START.timestamp() + s:.3f}", ()),
    "epoch ms": (lambda s: str(int(START.timestamp() + s) * 1000), ()),
    "epoch us": (lambda s: str(int(START.timestamp() + s) * 1_000_000), ()),
    "epoch ns": (lambda s: str(int(START.timestamp() + s) * 1_000_000_000), ()),
    "excel": (lambda s: f"{(START - datetime(1899, 12, 30, tzinfo=UTC)).days + 0.5 + s / 86400:.10f}", ()),
    "local": (lambda s: iso(s + 3600), ("--timezone", "Europe/Berlin")),
    "quoted": (lambda s: f'"{iso(s)}"', ()),
}


def when(at_s: float, pattern: str) -> str:
    return (START + timedelta(seconds=at_s)).strftime(pattern)


@pytest.mark.parametrize("name", TIMES)
def test_every_way_to_write_the_time_gives_the_same_events(tmp_path: Path, name: str) -> None:
    time, options = TIMES[name]
    ended = replay(tmp_path, table(FAULTS, time), *options)
    assert (ended.code, rules(ended)) == (0, FAULT_EVENTS)


def test_a_day_above_twelve_tells_the_order_of_day_and_month(tmp_path: Path) -> None:
    for pattern in ("%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"):
        ended = replay(tmp_path, table(FAULTS, lambda s, p=pattern: when(s + 20 * 86400, p)))
        assert rules(ended) == FAULT_EVENTS
        assert ended.rows()[0]["at"].startswith("2024-03-21T12:")


GERMAN = table(FAULTS, lambda s: when(s, "%d.%m.%Y %H:%M:%S"), delimiter=";").replace("time;", "Zeit;")
LAYOUTS: Mapping[str, tuple[str | bytes, tuple[str, ...]]] = {
    "semicolons and decimal commas": (
        "\n".join(
            line if n == 0 else _comma
            for n, line in enumerate(GERMAN.splitlines())
            for _comma in [line[:20] + line[20:].replace(".", ",")]
        ),
        (),
    ),
    "tabs": (table(FAULTS, delimiter="\t"), ()),
    "byte order mark and CRLF": (b"\xef\xbb\xbf" + table(FAULTS).replace("\n", "\r\n").encode(), ()),
    "UTF-16": (table(FAULTS).encode("utf-16"), ()),
    "Latin-1": (table(FAULTS, header=("Gerätezeit", *ALL)).encode("latin-1"), ("--time", "Gerätezeit")),
    "sep line": ("sep=,\n" + table(FAULTS), ()),
    "comment and blank lines": ("# logger 7\n\n" + table(FAULTS).replace("\n", "\n\n"), ()),
    "units in the header": (table(FAULTS, header=("Time", *(f"{name.upper()} [V]" for name in ALL))), ()),
    "mapped": (
        table(FAULTS, header=("when", "U1", "U2", "U3", "U12", "U23", "U31")),
        tuple(
            part
            for own, name in zip(("U1", "U2", "U3", "U12", "U23", "U31"), ALL, strict=True)
            for part in ("--map", f"{own}={name}")
        ),
    ),
    "date and time apart": (
        table(FAULTS, lambda s: iso(s).replace(" ", ","), header=("Date", "Clock", *ALL)),
        ("--time", "Date+Clock"),
    ),
    "other columns": (
        table(FAULTS, lambda s: f"{iso(s)},x y,7", header=("time", "note", "row", *ALL)),
        (),
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_of_a_table_gives_the_same_events(tmp_path: Path, name: str) -> None:
    content, options = LAYOUTS[name]
    ended = replay(tmp_path, content, *options)
    assert (ended.code, rules(ended)) == (0, FAULT_EVENTS), ended.err


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    ended = replay(tmp_path, gzip.compress(table(FAULTS).encode()), name="log.csv.gz")
    assert rules(ended) == FAULT_EVENTS


def test_how_the_file_is_read_is_said(tmp_path: Path) -> None:
    lines = replay(tmp_path, table(FAULTS, lambda s: f"{iso(s)},x", header=("time", "note", *ALL))).lines
    assert lines[0] == "time: time as ISO 8601, taken as UTC (--timezone)"
    assert lines[2] == "not used: note"
    assert lines[3] == "interval: 1 s (median of the first 1000 rows); more than 30 s is a gap"


def test_duplicates_and_rows_back_in_time_are_dropped_and_counted(tmp_path: Path) -> None:
    rows = list(FAULTS)
    rows[30:30] = [rows[29], (rows[29][0], HEALTHY), rows[10]]
    ended = replay(tmp_path, table(rows))
    assert rules(ended) == FAULT_EVENTS
    assert "duplicates, dropped: 2, first on line 32 (2024-03-01T12:00:29+00:00)" in ended.lines
    assert "duplicates with other values: are the times too coarse?: 1, first on line 33" in ended.err
    assert "rows back in time, dropped: 1, first on line 34" in ended.err


def test_one_row_of_a_clock_gone_wrong_does_not_swallow_the_rest(tmp_path: Path) -> None:
    rows = list(FAULTS)
    rows[30:30] = [(86400.0 * 365, OPEN)]
    ended = replay(tmp_path, table(rows))
    assert rules(ended) == FAULT_EVENTS
    assert "rows of another time among their neighbours, dropped: 1, first on line 32" in ended.err


def test_a_gap_stops_timers_and_makes_standing_alerts_unknown(tmp_path: Path) -> None:
    rows = story((HEALTHY, 60), (OPEN, 40)) + story((OPEN, 20), (HEALTHY, 40), start_s=3600.0)
    ended = replay(tmp_path, table(rows))
    assert rules(ended, "neutral_displacement") == [
        "12:01:02 neutral_displacement raised",
        "12:02:09 neutral_displacement stale",
        "13:00:00 neutral_displacement fresh",
        "13:00:25 neutral_displacement cleared",
    ]
    assert "gaps: 1, first on line 102 (3501 s)" in ended.lines


def test_a_half_run_timer_does_not_run_through_a_gap(tmp_path: Path) -> None:
    rows = story((HEALTHY, 60), (HIGH, 50)) + story((HIGH, 50), (HEALTHY, 200), start_s=3600.0)
    assert rules(replay(tmp_path, table(rows)), "voltage_deviation") == []


def test_irregular_steps_are_counted(tmp_path: Path) -> None:
    rows = FAULTS[:20] + [(at_s + 5.0, values) for at_s, values in FAULTS[20:]]
    assert "irregular steps: 1, first on line 22 (6 s)" in replay(tmp_path, table(rows)).lines


def test_a_log_of_15_minutes_has_gaps_of_its_own_size_and_no_ten_minute_mean(tmp_path: Path) -> None:
    ended = replay(tmp_path, table(story((HEALTHY, 8), (HIGH, 3), (HEALTHY, 6), step_s=900.0)))
    assert "interval: 900 s (median of the first 1000 rows); more than 9000 s is a gap" in ended.lines
    assert "rows are too far apart to fill 10-minute means: voltage_deviation judges each row by itself" in ended.lines
    assert "gaps" not in ended.err
    events = [row for row in ended.rows() if row["rule"] == "voltage_deviation"]
    assert [row["transition"] for row in events] == 3 * ["raised"] + 3 * ["cleared"]
    assert events[0]["blind"]["interval_s"] == 900.0


def test_missing_and_bad_cells_are_missing_and_counted_by_column(tmp_path: Path) -> None:
    lines = table(FAULTS).splitlines()
    for place, cells in ((5, "-,abc,NaN,-3,9999,398.8"), (6, ",,,,,"), (7, "inf,1_0x,0x10,399,399,399")):
        lines[place] = lines[place][:20] + cells
    ended = replay(tmp_path, "\n".join(lines))
    assert rules(ended) == FAULT_EVENTS
    for line in (
        "voltage_l1_n: empty: 2, first on line 6 (-)",
        "voltage_l2_n: not a number: 2, first on line 6 (abc)",
        "voltage_l1_l2: implausible: 1, first on line 6 (-3)",
        "voltage_l1_n: implausible: 1, first on line 8 (inf)",
    ):
        assert line in ended.lines


def test_a_row_that_is_cut_off_is_no_row(tmp_path: Path) -> None:
    ended = replay(tmp_path, table(FAULTS) + iso(300.0) + ",231.0,23")
    assert rules(ended) == FAULT_EVENTS
    assert "rows of another length than the header, dropped: 1, first on line 232 (3 cells)" in ended.lines


def test_the_doubled_hour_of_autumn_is_two_hours(tmp_path: Path) -> None:
    autumn = datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    rows = story((HEALTHY, 10), (OPEN, 3), (HEALTHY, 10), step_s=600.0)

    def local(at_s: float) -> str:
        at = autumn + timedelta(seconds=at_s)
        return (at + timedelta(hours=2 if at.hour < 1 and at.day == 27 else 1)).strftime("%d.%m.%Y %H:%M")

    ended = replay(tmp_path, table(rows, local), "--timezone", "Europe/Berlin", "--summary-json")
    summary = ended.rows()[-1]
    assert (summary["rows"], summary["findings"]) == (23, {})
    assert (summary["from"], summary["to"]) == ("2024-10-27T00:30:00.000Z", "2024-10-27T04:10:00.000Z")


def test_frozen_readings_are_told_of_the_only_meter(tmp_path: Path) -> None:
    rows = story((HEALTHY, 60)) + [(60.0 + n, (231.1, 230.4, 230.1, 399.3, 399.0, 398.8)) for n in range(60)]
    ended = replay(tmp_path, table(rows))
    assert [row["subject"] for row in ended.rows() if row["rule"] == "frozen_readings"] == ["incomer"]


def test_the_summary_counts_by_rule(tmp_path: Path) -> None:
    ended = replay(tmp_path, table(FAULTS[:150]), "--summary-json")
    summary = ended.rows()[-1]
    by_rule = {rule["rule"]: rule for rule in summary["rules"]}
    assert summary["schema"] == "phasewatch.replay/1"
    assert (summary["rows"], summary["interval_s"], summary["events"]) == (150, 1.0, len(ended.rows()) - 1)
    neutral = by_rule["neutral_displacement"]
    assert (neutral["raised"], neutral["cleared"], neutral["active"], neutral["longest_s"]) == (1, 1, 0, 43.0)
    assert (neutral["first"], neutral["unit"]) == ("2024-03-01T12:01:02.000Z", "V")
    assert by_rule["phase_loss"]["active"] == 1


def test_people_get_a_table_on_stderr(tmp_path: Path) -> None:
    ended = replay(tmp_path, table(FAULTS))
    assert any("neutral_displacement" in line and "2024-03-01 12:01:02" in line for line in ended.lines)
    assert f"{len(FAULTS)} rows from 2024-03-01T12:00:00.000Z to 2024-03-01T12:03:49.000Z" in ended.err


def test_one_row_is_explained(tmp_path: Path) -> None:
    for asked in ("2024-03-01 12:01:20", "2024-03-01T12:01:20.700Z", "2024-03-01T13:01:20+01:00"):
        ended = replay(tmp_path, table(FAULTS), "--explain-at", asked)
        assert ended.out.startswith("Verdict: neutral_open")
        assert "line 82, 2024-03-01T12:01:20.000Z" in ended.lines
    answer = replay(tmp_path, table(FAULTS), "--explain-at", asked, "--json").json()
    assert (answer["verdict"], answer["at"], answer["line"]) == ("neutral_open", "2024-03-01T12:01:20.000Z", 82)


SEVERAL = "      - {name: other, profile: eastron-sdm630, unit_id: 9}\n"


def test_of_several_points_one_is_chosen(tmp_path: Path) -> None:
    text = SITE.format(url="tcp://127.0.0.1:1", meter="").replace("mqtt: {", SEVERAL + "mqtt: {")
    (tmp_path / "log.csv").write_text(table(FAULTS))
    config = put_site(tmp_path, text)
    refused = phasewatch("replay", tmp_path / "log.csv", "--config", config)
    assert (refused.code, "--point" in refused.err) == (2, True)
    chosen = phasewatch("replay", tmp_path / "log.csv", "--config", config, "--point", "other")
    assert {row["subject"] for row in chosen.rows()} == {"other"}


HEAD = "time," + ",".join(LN) + "\n"
ONE = "2024-03-01 12:00:01,230.1,230.2,230.3\n"
REFUSED: Mapping[str, tuple[str | bytes, tuple[str, ...], str]] = {
    "nothing": ("", (), "is empty; it needs a header and rows"),
    "no rows": (HEAD, (), "holds no rows below its header"),
    "no time": ("a,voltage_l1_n\nx,2\n", (), "no time column; columns: 'a'; name it with --time"),
    "two times": ("time,ts,voltage_l1_n\n2024-03-01,2024-03-01,1\n", (), "which column is the time: 'time', 'ts'?"),
    "no quantity": ("time,u1\n2024-03-01 12:00,2\n", (), "no column is a known quantity; columns: 'u1'; map them"),
    "no such quantity": (HEAD + ONE, ("--map", "x=voltage_l1n"), "did you mean voltage_l1_n?"),
    "no such column": (HEAD + ONE, ("--map", "Tims=frequency"), "there is no column 'Tims'; did you mean time?"),
    "half a map": (HEAD + ONE, ("--map", "U1"), "needs COLUMN=QUANTITY"),
    "no such time column": (HEAD + ONE, ("--time", "t"), "--time t: there is no column 't'"),
    "x is nothing": ("time,voltage_l1_n\n2024-03-01,3\n", ("--map", "time=x"), "x is no quantity"),
    "a column twice": ("time,voltage_l1_n,voltage_l1_n\n2024-03-01 1:00,2,3\n", (), "two columns are voltage_l1_n"),
    "all bad": (HEAD + ONE.replace("230", "x"), (), "no row has a value"),
    "no moments": (HEAD + "foo,1,2,3\n", (), "'foo' is no time that is known"),
    "mixed times": (HEAD + ONE + "01.03.2024 12:00:02,1,2,3\n", (), "mixed time formats: '2024-03-01 12:00:01' and"),
    "half zoned": (HEAD + ONE + "2024-03-01 12:00:02Z,1,2,3\n", (), "some times have a zone and some have none"),
    "ambiguous": (HEAD + "03/01/2024 12:00,1,2,3\n", (), "day or month first? Say it: --time-format '%d/%m/%Y %H:%M'"),
    "wrong format": (HEAD + ONE, ("--time-format", "%d"), "is not as --time-format '%d' says"),
    "wrong zone": (HEAD + ONE, ("--timezone", "Mars/Base"), "--timezone Mars/Base: no such zone"),
    "wrong point": (HEAD + ONE, ("--point", "x"), "the site has no such point; one of incomer"),
    "too early": (HEAD + ONE, ("--explain-at", "2024-01-01 00:00"), "the first row is later: 2024-03-01T12:00:01.000Z"),
    "no moment": (HEAD + ONE, ("--explain-at", "noon"), "--explain-at noon: is no time"),
    "NUL": (HEAD + "2024\0,1,2,3\n", (), "holds NUL bytes"),
    "10 MB in a line": (HEAD + "1" * 10_000_000, (), "a line is longer than 65536 characters"),
    "unpaired quote": (HEAD + ONE + '2024-03-01 12:00:02,"1,2,3\n' + ONE, (), "cannot be read as CSV"),
    "decimal comma is the delimiter": (HEAD + "2024-03-01,2,1,2,2,2,3\n", (), "7 cells where the header has 4"),
    "decimals both ways": (HEAD.replace(",", ";") + "2024-03-01;2,1;2.2;1\n", (), "decimals are written both ways"),
    "newest first": (table(reversed(FAULTS)), (), "the newest row stands first"),
    "no gzip": (b"hello", (), "Not a gzipped file"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_one_clear_error(tmp_path: Path, name: str) -> None:
    content, options, said = REFUSED[name]
    ended = replay(tmp_path, content, *options, name="log.csv.gz" if name == "no gzip" else "log.csv")
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.lines[-1]
    assert "Traceback" not in ended.err


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    ended = phasewatch("replay", tmp_path / "none.csv", "--config", site(tmp_path))
    assert (ended.code, ended.lines) == (2, [f"{tmp_path}/none.csv: cannot be read: No such file or directory"])


def test_another_time_format_further_down_is_refused_with_its_line(tmp_path: Path) -> None:
    rows = story((HEALTHY, 1100))
    ended = replay(tmp_path, table(rows) + table([(1200.0, HEALTHY)], lambda s: when(s, "%d.%m.%Y %H:%M")))
    assert ended.code == 2
    assert "line 1103: mixed time formats" in ended.lines[-1]


def test_every_voltage_can_be_a_column(tmp_path: Path) -> None:
    values = (*HEALTHY, 231.0, 230.4, 230.1, 0.3)
    rows = [(float(n), [round(v + 0.1 * (n % 2), 1) for v in values]) for n in range(20)]
    ended = replay(tmp_path, table(rows, header=("time", *VOLTAGES)))
    assert (ended.code, ended.out) == (0, "")
