import os
from pathlib import Path
from typing import get_args

import pytest

from phasewatch.electrical.supply import System
from phasewatch.meters.quantities import LN, LPE
from tests.cli.program import phasewatch

FOUNDING = ("--ln", "234,234,234", "--lpe", "208,254,254")
KEYS = {
    *("verdict", "phase", "phases", "severity", "summary"),
    *("neutral_shift_v", "neutral_shift_deg", "earth_shift_v", "earth_shift_deg"),
    *("neutral_earth_v", "neutral_earth_deg", "resolution_v", "residual_v"),
    *("u2_percent", "lvur_percent", "pvur_percent", "causes", "cannot_tell", "next_steps"),
}
NO_NUMBER = "is not a number of 0 or more; a reading that is not there is -"
HEADER = ",".join(("time", *LN, *LPE))


def put(directory: Path, content: str | bytes) -> Path:
    file = directory / "cases.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def test_the_founding_question_is_answered() -> None:
    answer = phasewatch("explain", *FOUNDING)
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[0] == "Verdict: earth_displaced | L1 | high"
    assert lines[1].startswith("Not normal: the earth (PE) is pulled 30 V toward L1; neutral to earth is about 30 V.")
    assert "  earth shift  30.3 V at 0 degrees" in lines
    for title in ("Possible causes, the likeliest first:", "What to do next:"):
        assert lines[lines.index(title) + 1].startswith("  1. ")


def test_the_founding_question_is_answered_in_chinese() -> None:
    answer = phasewatch("explain", *FOUNDING, "--lang", "zh")
    assert answer.out.startswith("结论: earth_displaced | L1 | high\n不正常：地线 (PE) 电位 向 L1 偏移 30 V")
    assert phasewatch("explain", *FOUNDING, "--lang", "zh", "--json").json()["summary"] in answer.out


def test_the_founding_question_is_answered_to_machines() -> None:
    answer = phasewatch("explain", *FOUNDING, "--json")
    said = answer.json()
    assert (answer.code, set(said)) == (0, KEYS)
    assert (said["verdict"], said["phase"], said["phases"]) == ("earth_displaced", "L1", ["L1"])
    assert (said["severity"], said["earth_shift_deg"]) == ("high", 0.0)
    assert said["earth_shift_v"] == pytest.approx(30.27, abs=0.01)
    assert all(set(cause) == {"code", "text"} for cause in said["causes"])
    assert said["u2_percent"] is None


@pytest.mark.parametrize(
    ("arguments", "key", "value"),
    [
        (("--ln", "230,230,230", "--ll", "400,150,200"), "verdict", "impossible_triangle"),
        (("--ln", "230,230,230", "--npe", "3"), "neutral_earth_v", 3.0),
        (("--ln", "277,277,277"), "verdict", "overvoltage"),
        (("--ln", "277,277,277", "--nominal", "277"), "verdict", "normal"),
        (("--ln", "230,230,230", "--accuracy", "1"), "resolution_v", 5.71),
        (("--ln", "230,230,230", "--system", "TN-S", "--i", "1,2,3", "--in", "1"), "verdict", "normal"),
        (("--ln", "0,230,230"), "phase", "L1"),
        (("--ln", "-,230,230"), "verdict", "not_enough_data"),
        (("--npe", "3"), "verdict", "not_enough_data"),
        (("--ln", " 234 , 234,234"), "verdict", "normal"),
        (("--ln", "1e308,1e308,1e308"), "verdict", "not_enough_data"),
    ],
)
def test_every_option_counts(arguments: tuple[str, ...], key: str, value: object) -> None:
    answer = phasewatch("explain", *arguments, "--json")
    assert answer.code == 0
    assert answer.json()[key] == value


@pytest.mark.parametrize("text", ["0,0,0", "1e-320,1e308,3", "9e4,0,1e-9", "230,230,230", "1e308,1e308,1e308"])
def test_no_reading_makes_a_number_that_is_none(text: str) -> None:
    answer = phasewatch("explain", "--ln", text, "--lpe", text, "--ll", text, "--npe", "1e300", "--json")
    assert answer.code == 0
    assert set(answer.json()) == KEYS


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "nothing to explain: give at least --ln A,B,C, or --file CASES.csv"),
        (("--ln", "-,-,-"), "nothing to explain: give at least --ln A,B,C, or --file CASES.csv"),
        (
            ("--ln", "234,234"),
            "--ln 234,234: needs 3 numbers with commas, as 234,234,234; a reading that is not there is -",
        ),
        (("--npe", "1,2"), "--npe 1,2: needs one number; a reading that is not there is -"),
        *(
            ((option, text), f"{option} {text}: {cell!r} {NO_NUMBER}")
            for option, text, cell in (
                ("--ln", "a,1,2", "a"),
                ("--lpe", "1,nan,2", "nan"),
                ("--ll", "1,2,inf", "inf"),
                ("--i", "1,2,-3", "-3"),
                ("--i", "1,,3", ""),
                ("--in", "1e400", "1e400"),
            )
        ),
        (("--ln", "1,2,3", "--system", "TNS"), f"--system: TNS is none of {', '.join(get_args(System))}"),
        (("--ln", "1,2,3", "--lang", "de"), "--lang: de is none of en, zh"),
    ],
)
def test_a_wrong_option_is_one_clear_line(arguments: tuple[str, ...], line: str) -> None:
    answer = phasewatch("explain", *arguments)
    assert (answer.code, answer.out, answer.lines) == (2, "", [line])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--nominal", "0"), "--nominal"),
        (("--nominal", "nan"), "--nominal"),
        (("--nominal", "inf"), "--nominal"),
        (("--nominal", "x"), "--nominal"),
        (("--accuracy", "0"), "--accuracy"),
        (("--accuracy", "nan"), "--accuracy"),
        (("--accuracy", "50"), "--accuracy"),
        (("--lnn", "1,2,3"), "--lnn"),
        (("more",), "more"),
    ],
)
def test_wrong_usage_is_named(arguments: tuple[str, ...], named: str) -> None:
    answer = phasewatch("explain", "--ln", "230,230,230", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert named in answer.lines[-1]


def test_every_row_of_a_file_is_answered_on_a_line(tmp_path: Path) -> None:
    file = put(tmp_path, f"{HEADER}\n08:00,234,234,234,208,254,254\n08:01,234,234,234,234,234,234\n")
    answer = phasewatch("explain", "--file", file)
    rows = answer.rows()
    assert (answer.code, answer.err) == (0, "")
    assert [(row["row"], row["verdict"]) for row in rows] == [(1, "earth_displaced"), (2, "normal")]
    assert all(set(row) == {"row", *KEYS} for row in rows)
    assert rows[0] == {"row": 1, **phasewatch("explain", *FOUNDING, "--json").json()}
    assert phasewatch("explain", "--file", file, "--json").out == answer.out


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfvoltage_l1_n,voltage_l2_n,voltage_l3_n\r\n234,234,234\r\n0,230,230\r\n",
        b"voltage_l1_n,voltage_l2_n,voltage_l3_n\n\n234,234,234\n\r\n0,230,230\n\n",
        b"voltage_l1_n,voltage_l2_n,voltage_l3_n\r234,234,234\r0,230,230",
        b"remark, voltage_l3_n ,voltage_l2_n,voltage_l1_n\n,234,234,234\nno,230,230,0\n",
        b'"voltage_l1_n","voltage_l2_n","voltage_l3_n","note"\n"234","234","234","a\nb, ""c"""\n"0",230,"230",x\n',
        b"voltage_l1_n,voltage_l2_n,voltage_l3_n\n234,234,234,,\n0,230,230,\n",
        b"voltage_l1_n;voltage_l2_n;voltage_l3_n\n234,5;234,1;233,9\n0;230,1;230\n",
        b"sep=;\nvoltage_l1_n;voltage_l2_n;voltage_l3_n\n234.5;234;233.9\n0;230;230\n",
        b"# a logger\nVoltage L1-N [V]\tVoltage L2-N [V]\tVoltage L3-N [V]\n234\t234\t234\n0\t230\t230\n",
        "voltage_l1_n,voltage_l2_n,voltage_l3_n\n234,234,234\n0,230,230\n".encode("utf-16"),
        b"voltage_l1_n,voltage_l2_n,voltage_l3_n,Stra\xdfe\n234,234,234,\xe4\n0,230,230,\n",
    ],
    ids=[
        "mark and CRLF",
        "blank lines",
        "CR",
        "order and other columns",
        "quotes",
        "empty tails",
        "semicolons and decimal commas",
        "sep=",
        "tabs, units",
        "UTF-16",
        "cp1252",
    ],
)
def test_any_shape_of_csv_is_read(content: bytes, tmp_path: Path) -> None:
    answer = phasewatch("explain", "--file", put(tmp_path, content))
    assert (answer.code, answer.err) == (0, "")
    assert [row["verdict"] for row in answer.rows()] == ["normal", "phase_lost"]


def test_a_bad_cell_is_missing_and_named(tmp_path: Path) -> None:
    file = put(tmp_path, f'{HEADER}\n1,234,x,234,nan,-1,\n2,234,234,234\n3,"234,5",1e400,inf,1,1,1\n,,,,,,\n')
    answer = phasewatch("explain", "--file", file)
    bad = [
        *((1, "voltage_l2_n", "x"), (1, "voltage_l1_pe", "nan"), (1, "voltage_l2_pe", "-1"), (1, "voltage_l3_pe", "")),
        *((2, "voltage_l1_pe", ""), (2, "voltage_l2_pe", ""), (2, "voltage_l3_pe", "")),
        *((3, "voltage_l2_n", "1e400"), (3, "voltage_l3_n", "inf")),
        *((4, name, "") for name in (*LN, *LPE)),
    ]
    assert answer.lines == [
        f"{file}: row {row}: {name}: {cell!r} is not a finite number of 0 or more: taken as missing"
        for row, name, cell in bad
    ]
    verdicts = [row["verdict"] for row in answer.rows()]
    assert (answer.code, verdicts) == (0, ["not_enough_data", "normal", "not_enough_data", "not_enough_data"])


def test_huge_and_tiny_numbers_stay_json(tmp_path: Path) -> None:
    cells = ("1e308", "1e-320", "0", "-0", "230", "9" * 400)
    rows = [",".join((a, b, c)) for a in cells for b in cells for c in cells]
    answer = phasewatch("explain", "--file", put(tmp_path, "\n".join((",".join(LN), *rows))))
    assert answer.code == 0
    assert [row["row"] for row in answer.rows()] == list(range(1, len(rows) + 1))


def test_a_file_without_rows_has_no_answers(tmp_path: Path) -> None:
    file = put(tmp_path, HEADER + "\n")
    assert phasewatch("explain", "--file", file) == (2, "", f"{file}: holds no rows below its header\n")


def test_three_voltages_that_cannot_be_read_are_missing_and_no_interruption(tmp_path: Path) -> None:
    rows = ("x,y,z", ",,", "-,-,-", "nan,nan,nan", "230,1,231,2,229,9", "0,0,0,0,0,0")
    for row in rows:
        answer = phasewatch("explain", "--file", put(tmp_path, f"{','.join(LN)}\n{row}\n"))
        assert (answer.code, answer.rows()[0]["verdict"]) == (0, "not_enough_data"), row


def test_the_decimal_comma_as_delimiter_is_named(tmp_path: Path) -> None:
    file = put(tmp_path, f"{','.join(LN)}\n230,1,231,2,229,9\n")
    assert phasewatch("explain", "--file", file).lines == [
        f"{file}: row 1: 6 cells where the header has 3: is the decimal comma also the delimiter? All taken as missing"
    ]


def test_a_pipe_that_nobody_writes_to_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    assert phasewatch("explain", "--file", pipe) == (
        2, "", f"{pipe}: is no regular file; give the path of a file, or /dev/stdin\n"
    )  # fmt: skip


NO_COLUMN = f"no column is named by a quantity; name them {', '.join((*LN, *LPE))} ..."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty; it needs a header and rows"),
        (b"a,b\n1,2\n", NO_COLUMN),
        (b"voltage_l1_n;voltage_l2_n\n1,5;2.5\n", "decimals are written both ways: '1,5' and '2.5'"),
        (b"voltage_l1_n,voltage_l1_n\n1,2\n", "two columns are named voltage_l1_n; keep one"),
        (b"voltage_l1_n\n1\0\n", "holds NUL bytes: the file is damaged, or no text"),
        (b'voltage_l1_n,note\n1,"x\n2,y\n', "line 3: cannot be read as CSV: unexpected end of data"),
        (b"voltage_l1_n\n" + b"1" * 200_000, "a line is longer than 65536 characters"),
    ],
    ids=["empty", "no quantity", "two ways of decimals", "twice", "NUL", "unpaired quote", "huge cell"],
)
def test_a_file_that_cannot_be_read_is_one_clear_line(content: bytes, reason: str, tmp_path: Path) -> None:
    file = put(tmp_path, content)
    answer = phasewatch("explain", "--file", file)
    assert (answer.code, answer.out, len(answer.lines)) == (2, "", 1)
    assert answer.err.startswith(f"{file}: {reason}")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "gone.csv", "No such file or directory"), (tmp_path, "Is a directory")):
        assert phasewatch("explain", "--file", path) == (2, "", f"{path}: cannot be read: {reason}\n")


@pytest.mark.parametrize("option", ["--ln", "--lpe", "--ll", "--i", "--npe", "--in"])
def test_readings_come_from_options_or_from_a_file(option: str, tmp_path: Path) -> None:
    answer = phasewatch("explain", "--file", put(tmp_path, HEADER), option, "1,2,3")
    assert answer == (2, "", f"{option} and --file exclude each other; put the readings into the file\n")
