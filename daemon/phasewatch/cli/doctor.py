"""`phasewatch doctor`: why meters do not answer, or answer nonsense."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import typer

from phasewatch.cli.examination import examine
from phasewatch.cli.findings import Finding, findings
from phasewatch.cli.outcome import problem_found, say
from phasewatch.library import load_site


def examine_site(path: Path, *, as_json: bool) -> None:
    """Examine a site; exit status 1 if a problem was found. Raises: LibraryError."""
    loaded = load_site(path)
    meters = sum(1 for _ in loaded.site.meters())
    say(f"{path}: asking {meters} meters on {len(loaded.site.buses)} buses, some in several ways; this takes a while")
    found = findings(*asyncio.run(examine(loaded)))
    if as_json:
        typer.echo(json.dumps({"file": str(path), "findings": [asdict(one) for one in found]}, indent=2))
    else:
        typer.echo("\n".join(_text(one) for one in found) if found else "No problem found.")
    if found:
        problem_found()


def _text(one: Finding) -> str:
    rows = (("seen", one.seen), ("means", one.means), ("change", one.change))
    return "\n".join((f"{one.place}: {one.code}", *(f"  {title:<7} {text}" for title, text in rows)))
