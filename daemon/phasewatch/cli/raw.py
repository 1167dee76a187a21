"""`phasewatch read --raw`: the words of one poll, as an example that a profile can carry as its test."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from phasewatch.cli.outcome import problem_found, say
from phasewatch.cli.probe import Poll, poll_site
from phasewatch.configuration.site import LoadedSite, load_site
from phasewatch.meters.examples import example_lines, seen_example
from phasewatch.meters.profile import Example, Profile
from phasewatch.settings import MeterSettings


def dump_words(path: Path, *, as_json: bool) -> None:
    """Poll every meter once; exit status 1 if one did not answer. Raises: LibraryError."""
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
