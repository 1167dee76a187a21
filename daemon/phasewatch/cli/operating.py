"""The commands that speak to the running daemon."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from phasewatch.cli.outcome import InputError, reporting_errors

alerts_app = typer.Typer(help="The alerts of the running daemon.", no_args_is_help=True)

Socket = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="The daemon's socket. Default: /run/phasewatch/control.sock."),
]
OfSite = Annotated[
    Path | None,
    typer.Option("--config", metavar="SITE.YAML", help="The site file of a daemon that was started by hand."),
]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Target = Annotated[
    str, typer.Argument(metavar="ALERT", help="SUBJECT/RULE[/PHASE] as `alerts list` shows it, or its id.")
]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who does it. Default: the login name.")]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why; told with the alert.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="As 2026-03-01T18:00, in this machine's zone.")]
Lasting = Annotated[str | None, typer.Option("--for", metavar="2h", help="How long: 30s, 90m, 2h or 3d.")]


def status(socket: Socket = None, config: OfSite = None, json: Json = False) -> None:
    """Show how the running daemon fares: buses, points, alerts, delivery."""
    from phasewatch.adapters.http.client import Control
    from phasewatch.cli.reach import sockets
    from phasewatch.cli.status import show_status

    with reporting_errors():
        show_status(Control(sockets(socket, config)), as_json=json)


def watch(
    config: OfSite = None,
    socket: Socket = None,
    interval: Annotated[float, typer.Option(min=0.2, max=3600.0, help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Show it once; so it is without a terminal.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, one for each look.")] = False,
) -> None:
    """Show the picture's numbers of the running daemon as they change: points, alerts, buses; Ctrl-C ends it."""
    from phasewatch.adapters.http.client import Control
    from phasewatch.cli.reach import sockets
    from phasewatch.cli.watch import TIMEOUT_S, watch_daemon

    with reporting_errors():
        watch_daemon(Control(sockets(socket, config), TIMEOUT_S), interval, once=once, as_json=json)


@alerts_app.command("list")
def alerts_list(
    every: Annotated[bool, typer.Option("--all", help="Those that are cleared, too.")] = False,
    socket: Socket = None,
    config: OfSite = None,
    json: Json = False,
) -> None:
    """List the alerts that stand."""
    from phasewatch.adapters.http.client import Control
    from phasewatch.cli.alerts import list_alerts
    from phasewatch.cli.reach import sockets

    with reporting_errors():
        list_alerts(Control(sockets(socket, config)), every=every, as_json=json)


@alerts_app.command()
def acknowledge(
    alert: Target,
    by: By = None,
    reason: Reason = None,
    until: Until = None,
    lasting: Lasting = None,
    socket: Socket = None,
    config: OfSite = None,
    json: Json = False,
) -> None:
    """Say that somebody has seen an alert and minds it."""
    _operate("acknowledge", alert, (by, reason, until, lasting), (socket, config), as_json=json)


@alerts_app.command()
def shelve(
    alert: Target,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; told with the alert.")],
    until: Until = None,
    lasting: Lasting = None,
    by: By = None,
    socket: Socket = None,
    config: OfSite = None,
    json: Json = False,
) -> None:
    """Take an alert out of the way for a time; it comes back by itself."""
    with reporting_errors():
        if until is None and lasting is None:
            raise InputError("shelve: needs an end; add --for 2h or --until 2026-03-01T18:00")
    _operate("shelve", alert, (by, reason, until, lasting), (socket, config), as_json=json)


@alerts_app.command()
def unshelve(
    alert: Target,
    by: By = None,
    reason: Reason = None,
    socket: Socket = None,
    config: OfSite = None,
    json: Json = False,
) -> None:
    """Take a shelved alert back before its time."""
    _operate("unshelve", alert, (by, reason, None, None), (socket, config), as_json=json)


@alerts_app.command("test")
def alerts_test(
    by: By = None, reason: Reason = None, socket: Socket = None, config: OfSite = None, json: Json = False
) -> None:
    """Send a marked test alert the whole way; tell whether the broker has acknowledged it."""
    from phasewatch.adapters.http.client import Control
    from phasewatch.cli.alerts import prove_delivery
    from phasewatch.cli.reach import login, sockets

    with reporting_errors():
        body = {"by": by or login(), **({"reason": reason} if reason else {})}
        prove_delivery(Control(sockets(socket, config)), body, as_json=json)


def _operate(
    verb: str,
    alert: str,
    wishes: tuple[str | None, str | None, str | None, str | None],
    place: tuple[Path | None, Path | None],
    *,
    as_json: bool,
) -> None:
    """Give a command about one alert; `wishes`: by, reason, until, lasting; `place`: socket, site file."""
    from phasewatch.adapters.http.client import Control
    from phasewatch.cli.alerts import operate
    from phasewatch.cli.reach import end_of, login, sockets, target

    by, reason, until, lasting = wishes
    with reporting_errors():
        told = {"by": by or login(), "reason": reason, "until": end_of(until, lasting, datetime.now(UTC))}
        body = {**target(alert), **{key: value for key, value in told.items() if value is not None}}
        operate(Control(sockets(*place)), verb, alert, body, as_json=as_json)
