"""`phasewatch meters`: the profiles, what each can see, and their register maps."""

import json
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Column, Table

from phasewatch.library import load_profile, profile_ids
from phasewatch.meters.profile import Profile
from phasewatch.meters.quantities import CURRENTS, LL, LN, LPE, NPE


def list_meters(*, as_json: bool) -> None:
    """List every profile."""
    profiles = [load_profile(profile_id) for profile_id in profile_ids()]
    if as_json:
        typer.echo(json.dumps([_entry(profile) for profile in profiles], ensure_ascii=False, indent=2))
        return
    table = Table(Column("id", no_wrap=True), "maker", "models", "L-N", "L-L", "L-PE", "N-PE", "currents")
    for profile in profiles:
        marks = ["yes" if seen else "-" for seen in sees(profile).values()]
        table.add_row(profile.id, profile.maker, ", ".join(profile.models[:3]), *marks)
    Console().print(table)


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


def _entry(profile: Profile) -> dict[str, Any]:
    return {
        "id": profile.id,
        "maker": profile.maker,
        "models": list(profile.models),
        "kind": profile.kind,
        "sees": sees(profile),
        "quantities": list(profile.registers),
    }


def show_meter(profile_id: str, *, as_json: bool) -> None:
    """Show one profile."""
    profile = load_profile(profile_id, Path.cwd() if (Path.cwd() / "meters").is_dir() else None)
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
