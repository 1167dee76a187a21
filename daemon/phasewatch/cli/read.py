"""`phasewatch read`: what every meter says now, as a table with the picture's numbers.

`phasewatch read --raw`: the words of one poll, as an example that a profile can carry as its test.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Column, Table

from phasewatch.alerts.point_monitor import PointMonitor
from phasewatch.cli.errors import problem_found, say
from phasewatch.cli.explain import as_object, as_text
from phasewatch.commissioning.one_poll import Poll, poll_site, poll_until_joined
from phasewatch.configuration.site import LoadedSite, load_site
from phasewatch.electrical.diagnosis import joining
from phasewatch.meters.examples import example_lines, seen_example
from phasewatch.meters.profile import Example, Profile
from phasewatch.meters.quantities import UNITS
from phasewatch.service.build import build_watch
from phasewatch.service.publisher import nominal_doubt
from phasewatch.settings import MeterSettings

METERS_A_TABLE: Final = 4
"""As many as fit into 80 characters."""


def read_site(path: Path, *, as_json: bool) -> None:
    """Poll until every point can be judged; exit status 1 if a meter did not answer or does not fit.

    Raises: ConfigurationError.
    """
    loaded = load_site(path)
    watch, _ = build_watch(loaded, "read", {})
    polls = poll_until_joined(loaded, watch, hidden=as_json)
    points = list(watch.points.values())
    if as_json:
        shown = {"meters": [_meter(poll) for poll in polls], "points": [_point(loaded, point) for point in points]}
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        _show(loaded, polls, points)
    found = [f"meter {poll.meter}: {poll.failure}" for poll in polls if poll.failure is not None]
    for point in points:
        likelier_v = point.likelier_nominal_v()
        if likelier_v is not None:
            found.append(nominal_doubt(point.name, point.supply.nominal_v, likelier_v))
    for line in found:
        say(line)
    if found:
        problem_found()


def _meter(poll: Poll) -> dict[str, Any]:
    if poll.reading is None:
        return {"meter": poll.meter, "failure": poll.failure}
    return {"meter": poll.meter, "values": poll.reading.values, "missing": poll.reading.missing}


def _point(loaded: LoadedSite, point: PointMonitor) -> dict[str, Any]:
    if point.diagnosis is None:
        return {"point": point.name, "verdict": None}
    return {"point": point.name, **as_object(point.diagnosis, loaded.messages), **joining(point.diagnosis)}


def _show(loaded: LoadedSite, polls: list[Poll], points: list[PointMonitor]) -> None:
    console = Console()
    answered = [poll for poll in polls if poll.reading is not None]
    for first in range(0, len(answered), METERS_A_TABLE):
        console.print(_table(answered[first : first + METERS_A_TABLE], f"Readings of {loaded.site.site}"))
    for point in points:
        if point.diagnosis is not None:
            console.print(f"\nPoint {point.name}", style="bold")
            typer.echo("\n".join(as_text(point.diagnosis, loaded.messages)))


def _table(polls: list[Poll], title: str) -> Table:
    meters = (Column(poll.meter, overflow="fold", min_width=8) for poll in polls)
    table = Table(Column("quantity", no_wrap=True), *meters, "unit", title=title)
    for name, unit in UNITS.items():
        cells = [_cell(poll, name) for poll in polls]
        if any(cells):
            table.add_row(name, *cells, unit)
    return table


def _cell(poll: Poll, name: str) -> str:
    if poll.reading is None:
        return ""
    if name in poll.reading.values:
        return f"{poll.reading.values[name]:.2f}"
    return f"missing: {poll.reading.missing[name]}" if name in poll.reading.missing else ""


def dump_words(path: Path, *, as_json: bool) -> None:
    """Poll every meter once; exit status 1 if one did not answer. Raises: ConfigurationError."""
    loaded = load_site(path)
    polls = poll_site(loaded, hidden=as_json)
    on = f"{datetime.now(UTC):%Y-%m-%d}"
    settings = {meter.name: meter for _, meter in loaded.site.meters()}
    answered = [
        (settings[poll.meter], _example(loaded, settings[poll.meter], poll, on)) for poll in polls if poll.blocks
    ]
    if as_json:
        typer.echo(json.dumps([_entry(loaded, meter, example) for meter, example in answered], indent=2))
    else:
        typer.echo("\n".join(line for meter, example in answered for line in _lines(loaded, meter, example)))
    failures = [f"meter {poll.meter}: {poll.failure}" for poll in polls if poll.failure is not None]
    for line in failures:
        say(line)
    if failures:
        problem_found()


def _example(loaded: LoadedSite, meter: MeterSettings, poll: Poll, on: str) -> Example:
    profile = loaded.profile_of(meter)
    return seen_example(profile, poll.blocks, f"Read from a {_model(profile)} on {on}.")


def _model(profile: Profile) -> str:
    return f"{profile.maker} {profile.models[0]}"


def _lines(loaded: LoadedSite, meter: MeterSettings, example: Example) -> Iterator[str]:
    profile, unit_id = loaded.profile_of(meter), loaded.unit_id_of(meter)
    yield f"# Meter {meter.name}, unit {unit_id}: an entry for {profile.id}.yaml"
    yield "examples:"
    yield from example_lines(example)


def _entry(loaded: LoadedSite, meter: MeterSettings, example: Example) -> dict[str, Any]:
    where = {"meter": meter.name, "profile": meter.profile, "unit_id": loaded.unit_id_of(meter)}
    return {**where, **example.model_dump(mode="json")}
