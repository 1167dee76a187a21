"""`phasewatch status`: how the running daemon fares."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import typer
from rich.console import Console
from rich.table import Column, Table

from phasewatch.adapters.http.client import Control
from phasewatch.cli import alerts
from phasewatch.cli.daemon_client import show


def show_status(control: Control, *, as_json: bool) -> None:
    """Show daemon, buses, points, alerts and delivery. Raises: InputError when the daemon cannot be reached."""
    status, points = show(control, "/api/status"), show(control, "/api/points").get("points", [])
    standing = alerts.standing(control)
    if as_json:
        typer.echo(json.dumps({"status": status, "points": points, "alerts": standing}, ensure_ascii=False, indent=2))
        return
    typer.echo("\n".join(_daemon(status)))
    console = Console(markup=False, emoji=False)
    console.print(_buses(status["buses"]))
    console.print(_points(points))
    typer.echo("\n".join(alerts.lines(standing)))


def _daemon(status: Mapping[str, Any]) -> Iterator[str]:
    up = datetime.fromisoformat(status["at"]) - datetime.fromisoformat(status["since"])
    clock = "synchronised" if status.get("clock") == "sync" else "NOT synchronised"
    yield f"phasewatch {status['version']}, site {status['site']}, up {timedelta(seconds=int(up.total_seconds()))}"
    yield f"clock: {clock}; journal: {status['storage']}"
    yield f"delivery: {_delivery(status)}"
    refused = (status.get("configuration") or {}).get("refused")
    for trouble in filter(None, (refused, status.get("unserved"))):
        yield f"trouble: {trouble}"


def _delivery(status: Mapping[str, Any]) -> str:
    delivery, outbox = status.get("delivery", {}), status["outbox"]
    parts = [f"connected to {delivery.get('url')}" if delivery.get("connected") else "NOT connected"]
    parts.append(f"{outbox['depth']} waiting")
    parts += [
        f"{outbox[key]} {text}" for key, text in (("dropped", "dropped"), ("dead_letters", "given up")) if outbox[key]
    ]
    if outbox.get("last_error"):
        parts.append(f"last error: {outbox['last_error']}")
    return ", ".join(parts)


def _buses(buses: Mapping[str, Mapping[str, Any]]) -> Table:
    columns = (Column("bus", overflow="fold"), "meters", "polls", "failed %", "overruns", "load %")
    made = Table(*columns, Column("failing", overflow="fold"), title="Buses")
    for name, bus in buses.items():
        failures, polls = bus.get("failures"), bus["polls"]
        failed = 100.0 * failures / polls if failures is not None and polls else None
        cells = map(_text, (bus["meters"], polls, failed, bus["overruns"], bus.get("load_percent")))
        made.add_row(name, *cells, ", ".join(bus["failing"]))
    return made


def _points(points: list[dict[str, Any]]) -> Table:
    columns = (Column("point", overflow="fold"), Column("verdict", overflow="fold"), "N off V", "PE off V", "u2 %")
    made = Table(*columns, "age s", "quality", title="Points")
    for point in points:
        picture = point.get("picture") or {}
        numbers = (picture.get(name) for name in ("neutral_shift_v", "earth_shift_v", "u2_percent"))
        cells = map(_text, (*numbers, point.get("age_s"), point.get("quality")))
        made.add_row(_text(point.get("point")), _text(point.get("verdict")), *cells)
    return made


def _text(cell: object) -> str:
    return "-" if cell is None else f"{cell:.1f}" if isinstance(cell, float) else str(cell)
