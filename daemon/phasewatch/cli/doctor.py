"""`phasewatch doctor`: why meters do not answer, or answer nonsense."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import typer
from rich.progress import Progress, TaskID

from phasewatch.cli.errors import problem_found, say
from phasewatch.commissioning.doctor_evidence import BusSeen, Finding, PointSeen
from phasewatch.commissioning.doctor_findings import findings
from phasewatch.commissioning.doctor_probe import examine
from phasewatch.commissioning.progress import bar
from phasewatch.configuration.site import LoadedSite, load_site


def examine_site(path: Path, *, as_json: bool) -> None:
    """Examine a site; exit status 1 if a problem was found. Raises: ConfigurationError."""
    loaded = load_site(path)
    meters = sum(1 for _ in loaded.site.meters())
    say(f"{path}: asking {meters} meters on {len(loaded.site.buses)} buses, some in several ways; this takes a while")
    found = findings(*_examined(loaded, as_json=as_json))
    if as_json:
        typer.echo(json.dumps({"file": str(path), "findings": [asdict(one) for one in found]}, indent=2))
    else:
        typer.echo("\n".join(_text(one) for one in found) if found else "No problem found.")
    if found:
        problem_found()


def _examined(loaded: LoadedSite, *, as_json: bool) -> tuple[list[BusSeen], list[PointSeen]]:
    with bar(hidden=as_json) as progress:
        return asyncio.run(examine(loaded, _Bars(progress)))


class _Bars:
    """A bar for each bus."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, bus: str, doing: str, *, done: int = 1, more: int = 0) -> None:
        if bus not in self._tasks:
            self._tasks[bus] = self._progress.add_task(bus, total=0)
        task = self._tasks[bus]
        if more:
            self._progress.update(task, total=(self._progress.tasks[task].total or 0) + more)
        self._progress.update(task, advance=done)
        if doing:
            self._progress.update(task, description=f"{bus}: {doing}")


def _text(one: Finding) -> str:
    rows = (("seen", one.seen), ("means", one.means), ("change", one.change))
    return "\n".join((f"{one.place}: {one.code}", *(f"  {title:<7} {text}" for title, text in rows)))
