"""`phasewatch explain`: what a set of readings means, for one case or for every row of a file."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast, get_args

import typer

from phasewatch.cli.cases import magnitude, told_rows
from phasewatch.cli.outcome import InputError
from phasewatch.configuration.files import load_messages
from phasewatch.electrical.diagnosis import Diagnosis, diagnose, numbers
from phasewatch.electrical.explanation import Explained, Messages, explain
from phasewatch.electrical.supply import Supply, System
from phasewatch.meters.quantities import CURRENT_N, CURRENTS, LL, LN, LPE, NPE

LANGUAGES: Final = ("en", "zh")


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
