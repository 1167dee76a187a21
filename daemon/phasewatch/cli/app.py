"""The commands of phasewatch, with their options. Each is thin, and imports what it needs when it is called."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from phasewatch import version
from phasewatch.cli.errors import DEFAULT_CONFIG, reporting_errors
from phasewatch.configuration.errors import InputError

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
    from phasewatch.cli.daemon_client import sockets
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
    from phasewatch.cli.daemon_client import sockets
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
    from phasewatch.cli.daemon_client import sockets

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
    from phasewatch.cli.daemon_client import login, sockets

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
    from phasewatch.cli.daemon_client import end_of, login, sockets, target

    by, reason, until, lasting = wishes
    with reporting_errors():
        told = {"by": by or login(), "reason": reason, "until": end_of(until, lasting, datetime.now(UTC))}
        body = {**target(alert), **{key: value for key, value in told.items() if value is not None}}
        operate(Control(sockets(*place)), verb, alert, body, as_json=as_json)


app = typer.Typer(
    name="phasewatch",
    help="Watches three-phase voltages over Modbus, names neutral and earth faults, publishes alerts over MQTT.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
meters_app = typer.Typer(help="The meter profiles.", no_args_is_help=True)
app.add_typer(meters_app, name="meters")

Config = Annotated[Path, typer.Option("--config", help="The site file.", metavar="SITE.YAML")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"phasewatch {version()}")
        raise typer.Exit


@app.callback()
def _main(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after this long.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Repeat the scenario until stopped.")] = False,
    scenario: Annotated[Path | None, typer.Option(help="Another scenario file.")] = None,
    web: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Serve the page there, too.")] = None,
    json: Json = False,
) -> None:
    """Show the whole loop on loopback: simulated meters, the real service, a real broker, a subscriber."""
    from phasewatch.cli.demo import play

    with reporting_errors():
        play(seconds=seconds, loop=loop, scenario=scenario, as_json=json, listen=web)


@app.command("init")
def first_run(
    out: Annotated[Path, typer.Option(metavar="SITE.YAML", help="The file to write.")] = Path("site.yaml"),
    address: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the meters are: host[:port], /dev/ttyUSB0 or a URL.")
    ] = None,
    units: Annotated[str, typer.Option(help="Unit ids to propose: 1-20 or 1,5,100-110.")] = "1-20",
    timeout: Annotated[float | None, typer.Option(min=0.01, max=30.0, help="As that of `scan`.")] = None,
    broker: Annotated[str | None, typer.Option(metavar="URL", help="mqtt://host:1883 or mqtts://host:8883.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Accept every proposal; replaces no file.")] = False,
) -> None:
    """Look for meters, ask what they are and where the broker is, and write a site file with comments."""
    from phasewatch.cli.init import Given, set_up

    with reporting_errors():
        set_up(Given(out, address, units, timeout, broker, yes))


@app.command()
def run(config: Config = DEFAULT_CONFIG) -> None:
    """Run the service."""
    from phasewatch.cli.run import run_site

    with reporting_errors():
        run_site(config)


@app.command()
def check(
    config: Config = DEFAULT_CONFIG,
    connect: Annotated[bool, typer.Option("--connect", help="Also ask every meter and the broker once.")] = False,
    json: Json = False,
) -> None:
    """Check the site file; show the read plan, the bus load and the limits in volts."""
    from phasewatch.cli.check import check_site

    with reporting_errors():
        check_site(config, connect=connect, as_json=json)


@app.command()
def read(
    config: Config = DEFAULT_CONFIG,
    raw: Annotated[bool, typer.Option("--raw", help="The words, as an example for the meter's profile.")] = False,
    json: Json = False,
) -> None:
    """Poll every meter once; show what it says and what that means."""
    from phasewatch.cli.read import dump_words, read_site

    with reporting_errors():
        (dump_words if raw else read_site)(config, as_json=json)


@app.command()
def scan(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="tcp://host:502, rtu+tcp://..., udp://... or rtu:///dev/...")
    ],
    units: Annotated[str, typer.Option(help="Unit ids to ask: 1-20 or 1,5,100-110.")] = "1-20",
    baudrates: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Serial line only. Default: the URL's, or 9600,19200,38400,115200."),
    ] = None,
    parities: Annotated[
        str | None, typer.Option(metavar="N,E,O", help="Serial line only. Default: the URL's, or N,E.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=30.0,
            help="Seconds to wait for an answer. Default: 0.3 on a serial line, where later ones are noticed; else 1.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Ask for meters on a line or an endpoint; name their models and write a site file for them."""
    from phasewatch.cli.scan import scan_line
    from phasewatch.commissioning.scan import Wishes

    with reporting_errors():
        scan_line(Wishes(url, units, baudrates, parities, timeout), as_json=json)


@app.command()
def doctor(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Find out why meters do not answer, or answer nonsense: what was seen, what it means, what to change."""
    from phasewatch.cli.doctor import examine_site

    with reporting_errors():
        examine_site(config, as_json=json)


@app.command()
def explain(
    ln: Annotated[str | None, typer.Option(metavar="A,B,C", help="Phase to neutral L1,L2,L3 in V.")] = None,
    lpe: Annotated[str | None, typer.Option(metavar="A,B,C", help="Phase to earth L1,L2,L3 in V.")] = None,
    ll: Annotated[str | None, typer.Option(metavar="A,B,C", help="Line to line L1-L2,L2-L3,L3-L1 in V.")] = None,
    npe: Annotated[str | None, typer.Option(metavar="V", help="Neutral to earth, read directly.")] = None,
    i: Annotated[str | None, typer.Option("--i", metavar="A,B,C", help="Currents L1,L2,L3 in A.")] = None,
    i_n: Annotated[str | None, typer.Option("--in", metavar="A", help="Neutral current.")] = None,
    nominal: Annotated[float, typer.Option(min=1.0, max=1e6, help="Nominal phase-to-neutral voltage in V.")] = 230.0,
    system: Annotated[str | None, typer.Option(help="TN-S TN-C-S TT IT three_wire split_phase ...")] = None,
    accuracy: Annotated[float, typer.Option(min=0.01, max=20.0, help="Error class in percent of reading.")] = 0.5,
    lang: Annotated[str, typer.Option(help="en or zh.")] = "en",
    file: Annotated[Path | None, typer.Option(help="CSV with columns named by quantity; one JSON line a row.")] = None,
    json: Json = False,
) -> None:
    """Say what a set of readings means: the verdict, its causes, what cannot be told, what to do next."""
    from phasewatch.cli import explain as command

    with reporting_errors():
        frame = command.Frame(nominal, system, accuracy, lang)
        case = command.Case(ln, lpe, ll, npe, i, i_n)
        if file is not None:
            command.explain_file(file, frame, case, as_json=json)
        else:
            command.explain_case(case, frame, as_json=json)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Recorded readings; .csv or .csv.gz.")],
    config: Config = DEFAULT_CONFIG,
    renamed: Annotated[
        list[str] | None, typer.Option("--map", metavar="COLUMN=QUANTITY", help="What a column is; repeatable.")
    ] = None,
    time: Annotated[str | None, typer.Option(metavar="COLUMN", help="The time column, or DATE+TIME.")] = None,
    time_format: Annotated[str | None, typer.Option(metavar="STRPTIME", help="As %d/%m/%Y %H:%M.")] = None,
    timezone: Annotated[str, typer.Option(help="Zone of times that do not say theirs.")] = "UTC",
    point: Annotated[str | None, typer.Option(help="Default: the site's only one.")] = None,
    explain_at: Annotated[str | None, typer.Option(metavar="TIME", help="Explain the row at or before it.")] = None,
    summary_json: Annotated[bool, typer.Option("--summary-json", help="Summary as the last line on stdout.")] = False,
    json: Json = False,
) -> None:
    """Play recorded readings through the rules: events as JSON lines on stdout, a summary on stderr."""
    from phasewatch.cli.replay import Wishes, replay_file

    with reporting_errors():
        wishes = Wishes(tuple(renamed or ()), time, time_format, timezone, point, explain_at, json, summary_json)
        replay_file(file, config, wishes)


@app.command()
def simulate(
    meter: Annotated[str, typer.Option(help="Profile of the meter to simulate.")],
    listen: Annotated[str, typer.Option(help="tcp://127.0.0.1:5020, rtu+tcp://..., udp://... or rtu:///dev/...")],
    scenario: Annotated[Path | None, typer.Option(help="What happens to the feeder; default: a healthy one.")] = None,
    unit_id: Annotated[
        list[int] | None, typer.Option(min=0, max=255, help="Default: the profile's; again for each further meter.")
    ] = None,
    wiring: Annotated[str, typer.Option(help="three_phase, neutral_on_pe, n_pe, l1, l2 or l3.")] = "three_phase",
    loop: Annotated[bool, typer.Option("--loop", help="Repeat the scenario.")] = False,
    line_fault: Annotated[
        list[str] | None,
        typer.Option(
            help="On rtu://: noise=0.1, loss=0.01, late=0.1, late_s=2, echo, other_master_s=0.5, duplicate_s=0.001;"
            " repeatable."
        ),
    ] = None,
) -> None:
    """Serve a simulated meter on real Modbus until stopped; a pseudo terminal keeps the timing of a real line."""
    from phasewatch.cli.simulate import simulate_meter

    with reporting_errors():
        simulate_meter(meter, listen, scenario, unit_id or (), wiring, loop, line_fault or ())


@app.command()
def report(
    config: Config = DEFAULT_CONFIG,
    socket: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The daemon's socket. Default: where it listens, else the meters are read."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE.html", help="Where to write it; - for stdout.")] = Path(
        "report.html"
    ),
    lang: Annotated[str | None, typer.Option(help="en or zh. Default: that of the site.")] = None,
) -> None:
    """Write a report of the site as one HTML page: meters, limits, pictures, verdicts, alerts, what happened."""
    from phasewatch.cli.report import report_site

    with reporting_errors():
        report_site(config, socket, out, lang)


@meters_app.command("list")
def meters_list(json: Json = False) -> None:
    """List the meter profiles and what each can see."""
    from phasewatch.cli.meters import list_meters

    with reporting_errors():
        list_meters(as_json=json)


@meters_app.command("show")
def meters_show(
    profile_id: Annotated[str, typer.Argument(metavar="ID", help="As `meters list` names it.")], json: Json = False
) -> None:
    """Show the register map of a profile."""
    from phasewatch.cli.meters import show_meter

    with reporting_errors():
        show_meter(profile_id, as_json=json)


app.command()(status)
app.command()(watch)
app.add_typer(alerts_app, name="alerts")
