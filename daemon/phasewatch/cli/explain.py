"""`phasewatch explain`: what a set of readings means, for one case or for every row of a file.

The rows of a CSV file as readings to explain; what is no reading is missing, and named.
"""

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, cast, get_args

import typer

from phasewatch.cli.errors import say
from phasewatch.commissioning.progress import long_work
from phasewatch.configuration.errors import InputError
from phasewatch.configuration.files import load_messages
from phasewatch.electrical.diagnosis import Diagnosis, diagnose, numbers
from phasewatch.electrical.explanation import Explained, Messages, explain
from phasewatch.electrical.supply import Supply, System
from phasewatch.meters.quantities import CURRENT_N, CURRENTS, LL, LN, LPE, NPE
from phasewatch.replay.columns import Columns, has_decimal_comma, own_quantity, with_points
from phasewatch.replay.csv_reader import Grid, fits, grid
from phasewatch.replay.summary import RecordingError
from phasewatch.settings import LANGUAGES

SNIFFED_ROWS: Final = 1000
"""Rows from which is told how decimals are written."""
_ROWS_A_LOOK: Final = 500
"""The bar is moved once in so many rows."""


def magnitude(cell: str, *, decimal_comma: bool = False) -> float | None:
    """Return a cell as a magnitude; None if it is not a finite number of 0 or more."""
    with suppress(ValueError):
        value = float(with_points((cell,))[0] if decimal_comma else cell)
        return value if math.isfinite(value) and value >= 0.0 else None
    return None


def told_rows(path: Path, *, hidden: bool) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield (row, values); the row below the header is 1. Unless it is hidden a bar shows how far long work is.

    Raises: InputError.
    """
    try:
        with grid(path) as table, long_work(1.0, path.name, hidden=hidden) as look:
            for row, values in _rows(path, table):
                yield row, values
                if row % _ROWS_A_LOOK == 0:
                    look(table.position(), f"{path.name}: row {row}")
    except RecordingError as error:
        raise InputError(f"{path}: {error}") from error


def _rows(path: Path, table: Grid) -> Iterator[tuple[int, dict[str, float]]]:
    columns = _columns(table.header)
    first = [cells for _, cells in islice(table.rows, SNIFFED_ROWS)]
    if not first:
        raise RecordingError("holds no rows below its header")
    comma = has_decimal_comma(first, columns)
    for row, cells in enumerate(chain(first, (cells for _, cells in table.rows)), start=1):
        yield row, dict(_values(f"{path}: row {row}", columns, cells, comma))


def _columns(header: Sequence[str]) -> Columns:
    places = {place: name for place, text in enumerate(header) if (name := own_quantity(text.strip())) is not None}
    if not places:
        raise RecordingError(f"no column is named by a quantity; name them {', '.join((*LN, *LPE))} ...")
    names = list(places.values())
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RecordingError(f"two columns are named {twice}; keep one")
    return Columns(len(header), (), places, tuple(header))


def _values(place: str, columns: Columns, cells: Sequence[str], comma: bool) -> Iterator[tuple[str, float]]:
    if len(cells) > columns.width and not fits(cells, columns.width):
        say(
            f"{place}: {len(cells)} cells where the header has {columns.width}: is the decimal comma also the"
            " delimiter? All taken as missing"
        )
        return
    for at, name in columns.quantities.items():
        cell = cells[at] if at < len(cells) else ""
        value = magnitude(cell, decimal_comma=comma)
        if value is None:
            say(f"{place}: {name}: {cell!r} is not a finite number of 0 or more: taken as missing")
        else:
            yield name, value


@dataclass(frozen=True, slots=True)
class Frame:
    """What the readings are held against."""

    nominal_v: float
    system: str | None
    accuracy_percent: float
    language: str

    def supply(self) -> Supply:
        """Return the supply. Raises: InputError for a system that does not exist."""
        if self.system is not None and self.system not in get_args(System):
            raise InputError(f"--system: {self.system} is none of {', '.join(get_args(System))}")
        return Supply(self.nominal_v, cast("System | None", self.system), self.accuracy_percent)

    def messages(self) -> Messages:
        """Return the words. Raises: InputError for a language that is not there."""
        if self.language not in LANGUAGES:
            raise InputError(f"--lang: {self.language} is none of {', '.join(LANGUAGES)}")
        return load_messages(self.language)


@dataclass(frozen=True, slots=True)
class Case:
    """The readings as they stand on the command line."""

    ln: str | None
    lpe: str | None
    ll: str | None
    npe: str | None
    i: str | None
    i_n: str | None

    def given(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Return (option, text, quantities) of the options that were given."""
        groups: Sequence[tuple[str, str | None, tuple[str, ...]]] = (
            ("--ln", self.ln, LN),
            ("--lpe", self.lpe, LPE),
            ("--ll", self.ll, LL),
            ("--npe", self.npe, (NPE,)),
            ("--i", self.i, CURRENTS),
            ("--in", self.i_n, (CURRENT_N,)),
        )
        return [(option, text, names) for option, text, names in groups if text is not None]

    def values(self) -> dict[str, float]:
        """Return quantity -> value. Raises: InputError naming the option."""
        values: dict[str, float] = {}
        for option, text, names in self.given():
            values.update(_group(option, text, names))
        if not values:
            raise InputError("nothing to explain: give at least --ln A,B,C, or --file CASES.csv")
        return values


def _group(option: str, text: str, names: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    cells = text.split(",")
    if len(cells) != len(names):
        wanted = "one number" if len(names) == 1 else f"{len(names)} numbers with commas, as 234,234,234"
        raise InputError(f"{option} {text}: needs {wanted}; a reading that is not there is -")
    for name, cell in zip(names, cells, strict=True):
        if cell.strip() == "-":
            continue
        value = magnitude(cell)
        if value is None:
            raise InputError(
                f"{option} {text}: {cell!r} is not a number of 0 or more; a reading that is not there is -"
            )
        yield name, value


def explain_case(case: Case, frame: Frame, *, as_json: bool) -> None:
    """Explain one case on stdout."""
    supply, messages = frame.supply(), frame.messages()
    diagnosis = diagnose(case.values(), supply)
    if as_json:
        typer.echo(json.dumps(as_object(diagnosis, messages), ensure_ascii=False, indent=2))
    else:
        typer.echo("\n".join(as_text(diagnosis, messages)))


def explain_file(path: Path, frame: Frame, case: Case, *, as_json: bool = False) -> None:
    """Explain every row of a CSV file: one JSON object a line on stdout, what is missing on stderr."""
    for option, _, _ in case.given():
        raise InputError(f"{option} and --file exclude each other; put the readings into the file")
    supply, messages = frame.supply(), frame.messages()
    for row, values in told_rows(path, hidden=as_json or sys.stdout.isatty()):
        diagnosis = diagnose(values, supply)
        typer.echo(json.dumps({"row": row, **as_object(diagnosis, messages)}, ensure_ascii=False))


def as_object(diagnosis: Diagnosis, messages: Messages) -> dict[str, Any]:
    """Return everything there is to say, for machines."""
    explained = explain(diagnosis, messages)
    return {
        **numbers(diagnosis),
        "summary": explained.summary,
        "causes": [{"code": code, "text": text} for code, text in explained.causes],
        "cannot_tell": list(explained.cannot_tell),
        "next_steps": list(explained.next_steps),
    }


def as_text(diagnosis: Diagnosis, messages: Messages) -> Iterator[str]:
    """Yield the lines of an answer, for people."""
    explained, labels = explain(diagnosis, messages), messages["labels"]
    verdict = diagnosis.verdict
    marks = [verdict.code, *([", ".join(verdict.phases)] if verdict.phases else []), *filter(None, [verdict.severity])]
    yield f"{labels['verdict']}: {' | '.join(marks)}"
    yield explained.summary
    yield from ("", f"{labels['numbers']}:")
    yield from (f"  {label}  {value}" for label, value in _number_lines(diagnosis, labels))
    yield from _lists(explained, labels)


def _number_lines(diagnosis: Diagnosis, labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    shown = numbers(diagnosis)
    for name in ("neutral_shift", "earth_shift", "neutral_earth"):
        yield labels[name], _volts_at(shown[f"{name}_v"], shown[f"{name}_deg"], labels)
    yield labels["resolution"], _volts_at(shown["resolution_v"], None, labels)
    for name, label in (("u2_percent", "u2"), ("lvur_percent", "LVUR"), ("pvur_percent", "PVUR")):
        if shown[name] is not None:
            yield label, f"{shown[name]:.2f} %"


def _volts_at(value: float | None, degrees: float | None, labels: Mapping[str, str]) -> str:
    if value is None:
        return labels["not_measured"]
    direction = "" if degrees is None or value < 0.05 else " " + labels["at_degrees"].format(degrees=f"{degrees:.0f}")
    return f"{value:.1f} V{direction}"


def _lists(explained: Explained, labels: Mapping[str, str]) -> Iterator[str]:
    parts = (
        (labels["causes"], [text for _, text in explained.causes]),
        (labels["cannot_tell"], explained.cannot_tell),
        (labels["next_steps"], explained.next_steps),
    )
    for title, texts in parts:
        if texts:
            yield from ("", f"{title}:")
            yield from (f"  {place}. {text}" for place, text in enumerate(texts, start=1))
