"""`phasewatch scan`: which meters answer on a line, which model each is, and a site file for them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import typer
from rich.console import Console
from rich.table import Column, Table

from phasewatch.cli.errors import problem_found, say
from phasewatch.commissioning.identify import Found
from phasewatch.commissioning.scan import Unreached, Wishes, every_profile, found_on
from phasewatch.commissioning.site_file import site_lines
from phasewatch.meters.endpoint import Endpoint, parse_url


def scan_line(wishes: Wishes, *, as_json: bool) -> None:
    """Scan; exit status 1 if nothing answered. Raises: InputError."""
    profiles = every_profile()
    found, why = [], f"nothing answered at {wishes.url}; try other units, a longer --timeout, or another framing"
    try:
        found = found_on(wishes, profiles, say)
    except Unreached as error:
        why = str(error)
    site = "\n".join(site_lines(found, profiles)) + "\n" if found else None
    if as_json:
        typer.echo(json.dumps({"found": [_entry(one) for one in found], "site": site}, indent=2))
    elif site is not None:
        _show(found, site)
    if site is None:
        say(why)
        problem_found()


def _entry(one: Found) -> dict[str, Any]:
    proposals = [{"profile": profile_id, **asdict(like)} for profile_id, like in one.proposals]
    return {"url": one.url, "unit_id": one.unit_id, "identified": one.identified, "proposals": proposals}


def _show(found: Sequence[Found], site: str) -> None:
    table = Table("unit", Column("line", overflow="fold"), Column("profile", overflow="fold"), "why", title="Answering")
    for one in found:
        for profile_id, why in _rows(one):
            table.add_row(str(one.unit_id), _line(parse_url(one.url)), profile_id, why)
    Console().print(table)
    typer.echo("\nA site file for these meters; `check` and `read` show whether it is right:\n")
    typer.echo(site, nl=False)


def _line(endpoint: Endpoint) -> str:
    return f"{endpoint.baudrate} {endpoint.parity}" if endpoint.device else endpoint.framing


def _rows(one: Found) -> Iterator[tuple[str, str]]:
    yield from ((profile_id, "identified") for profile_id in one.identified)
    others = [(profile_id, like) for profile_id, like in one.proposals if profile_id not in one.identified]
    for profile_id, like in others[:3]:
        volts = "/".join(f"{value:.0f}" for name, value in like.values.items() if name.endswith("_n"))
        yield profile_id, f"{like.fits} values fit: {volts} V"
    if one.profile is None:
        yield "-", "no profile fits"
