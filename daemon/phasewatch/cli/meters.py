"""`phasewatch meters`: the profiles, what each can see, and their register maps."""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table

from phasewatch.cli.errors import DEFAULT_CONFIG, problem_found, say
from phasewatch.configuration.errors import ConfigurationError
from phasewatch.configuration.files import load_profile, profile_ids
from phasewatch.meters.profile import Profile
from phasewatch.meters.quantities import CURRENTS, LL, LN, LPE, NPE

MARKS: Final = {"voltage_l_n": "L-N", "voltage_l_l": "L-L", "voltage_l_pe": "L-PE", "voltage_n_pe": "N-PE"}
NARROWEST: Final = 70
"""Columns; below that a wrapped line would hold no word."""


def own_folder() -> Path | None:
    """Return the folder whose meters/ counts beside the shipped one: this one, or that of the service's site file."""
    folders = (Path.cwd(), DEFAULT_CONFIG.parent)
    return next((folder for folder in folders if (folder / "meters").is_dir()), None)


def list_meters(*, as_json: bool) -> None:
    """List every profile; exit status 1 if one in the own folder cannot be used."""
    folder = own_folder()
    profiles: list[Profile] = []
    problems: list[str] = []
    for profile_id in profile_ids(folder):
        try:
            profiles.append(load_profile(profile_id, folder))
        except ConfigurationError as error:
            problems += error.lines
    if as_json:
        typer.echo(json.dumps([_entry(profile, folder) for profile in profiles], ensure_ascii=False, indent=2))
    else:
        typer.echo("\n".join(_table(profiles, folder)))
    for problem in problems:
        say(problem)
    if problems:
        problem_found()


def _table(profiles: Sequence[Profile], folder: Path | None) -> Iterator[str]:
    """Yield the lines of the list: at a terminal wrapped to its width, else one a profile."""
    columns = max(shutil.get_terminal_size().columns, NARROWEST) if sys.stdout.isatty() else None
    width, seen_width = max(len(profile.id) for profile in profiles), len(" ".join((*MARKS.values(), "I")))
    yield f"{'id':{width}}  {'sees':{seen_width}}  meter"
    for profile in profiles:
        told = f"{profile.maker}: {', '.join(profile.models[:3])}{_origin(profile.id, folder)}"
        line = f"{profile.id:{width}}  {_marks(profile):{seen_width}}  "
        behind = " " * len(line)
        yield from (
            [line + told]
            if columns is None
            else textwrap.wrap(told, columns, initial_indent=line, subsequent_indent=behind)
        )


def _marks(profile: Profile) -> str:
    seen = sees(profile)
    marks = [mark if seen[group] else " " * len(mark) for group, mark in MARKS.items()]
    voltages = " ".join(marks) if any(seen[group] for group in MARKS) else f"{'no voltages':{len(' '.join(marks))}}"
    return f"{voltages} {'I' if seen['currents'] else ' '}"


def _own_file(profile_id: str, folder: Path | None) -> Path | None:
    file = None if folder is None else folder / "meters" / f"{profile_id}.yaml"
    return file if file is not None and file.is_file() else None


def _origin(profile_id: str, folder: Path | None) -> str:
    file = _own_file(profile_id, folder)
    if file is None:
        return ""
    return f" ({file}{', in place of the shipped one' if profile_id in profile_ids() else ''})"


def sees(profile: Profile) -> dict[str, bool]:
    """Return which groups of quantities a profile has registers for."""
    registers = profile.registers
    return {
        "voltage_l_n": any(name in registers for name in LN),
        "voltage_l_l": any(name in registers for name in LL),
        "voltage_l_pe": any(name in registers for name in LPE),
        "voltage_n_pe": NPE in registers,
        "currents": any(name in registers for name in CURRENTS),
    }


def _entry(profile: Profile, folder: Path | None) -> dict[str, Any]:
    file = _own_file(profile.id, folder)
    return {
        "id": profile.id,
        "maker": profile.maker,
        "models": list(profile.models),
        "kind": profile.kind,
        "sees": sees(profile),
        "quantities": list(profile.registers),
        "own_file": None if file is None else str(file),
        "overrides": file is not None and profile.id in profile_ids(),
    }


def show_meter(profile_id: str, *, as_json: bool) -> None:
    """Show one profile."""
    profile = load_profile(profile_id, own_folder())
    if as_json:
        typer.echo(profile.model_dump_json(indent=2, exclude_none=True))
        return
    console = Console()
    console.print(f"{profile.maker} {', '.join(profile.models)} ({profile.kind})", highlight=False)
    over_tcp = "" if profile.tcp_unit_id is None else f" (over TCP and UDP {profile.tcp_unit_id})"
    console.print(
        f"function code {profile.function_code}, {profile.word_order} word first, unit id {profile.unit_id}{over_tcp},"
        f" at most {profile.max_words} words a request",
        highlight=False,
    )
    if profile.sunspec is not None:
        models, bases = (", ".join(map(str, numbers)) for numbers in (profile.sunspec.models, profile.sunspec.bases))
        console.print(
            f"SunSpec models {models}, looked for along the chain that begins at one of {bases}; addresses count from"
            " the model's header",
            highlight=False,
        )
    table = Table("quantity", "address", "type", "scale", "note")
    for name, register in profile.registers.items():
        table.add_row(name, str(register.address), register.type, f"{register.scale:g}", register.note or "")
    console.print(table)
    for note in profile.notes:
        console.print(f"- {note}", highlight=False)
    for source in profile.sources:
        console.print(f"source: {source}", highlight=False)
