"""`phasewatch check`: the site file, the read plan, the bus load and the limits in volts.

The files that a site file names: whether the daemon can use them.
"""

import json
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Column, Table

from phasewatch.adapters.http.api import TokenError, read_token
from phasewatch.adapters.mqtt.client import TlsFileError, tls_context
from phasewatch.cli.errors import problem_found, say
from phasewatch.commissioning.one_poll import poll_site, reach_broker
from phasewatch.commissioning.progress import long_work
from phasewatch.configuration.site import LoadedSite, load_site
from phasewatch.meters.sunspec import USUAL_ADDRESS
from phasewatch.rules.rule import Limit
from phasewatch.rules.voltage_deviation import VoltageDeviation
from phasewatch.rules.voltage_unbalance import U2, VoltageUnbalance
from phasewatch.service.build import (
    MeterPlan,
    limits_in_force,
    load_percent,
    meter_plan,
    overloads,
    point_names,
    poll_ms,
    supply_of,
)
from phasewatch.settings import BusSettings, MqttSettings, WebhookSettings, WebSettings, is_no_file, is_there

NO_LIMIT: Final = Limit(None, None, "")

COLUMNS: Final = ("point", "nominal_v", "system", "limits", "low_v", "high_v", "u2_percent", "resolution_v")
"""Keys of a point's limits that the table shows."""

HANDED_OVER: Final = Path("/run/credentials")
"""systemd hands over what is in there to the service alone."""


def unusable_files(loaded: LoadedSite) -> Iterator[str]:
    """Yield a line for each file of the site that cannot be used."""
    site = loaded.site
    lines = [*_tls(site.mqtt), *_password(site.mqtt), *([] if site.web is None else _token(site.web))]
    for place, webhook in enumerate(site.webhooks):
        lines += _webhook_files(webhook, f"webhooks[{place}]")
    yield from (f"{loaded.path}: {line}" for line in lines)


def _tls(mqtt: MqttSettings) -> Iterator[str]:
    try:
        tls_context(mqtt.ca_file, mqtt.client_cert_file, mqtt.client_key_file)
    except TlsFileError as error:
        yield str(error)


def _password(mqtt: MqttSettings) -> Iterator[str]:
    if mqtt.password_file is not None:
        yield from _secret("mqtt.password_file", mqtt.password_file, mqtt.secret)


def _webhook_files(webhook: WebhookSettings, path: str) -> Iterator[str]:
    yield from _secret(f"{path}.secret_file", webhook.secret_file, webhook.secret)
    try:
        tls_context(webhook.ca_file, section=path)
    except TlsFileError as error:
        yield str(error)


def _secret(key: str, file: Path, read: Callable[[], object]) -> Iterator[str]:
    """Yield why the file of a secret cannot be read; one that systemd hands over later is not looked for."""
    try:
        if not _to_be_handed_over(file):
            read()
    except UnicodeDecodeError:
        yield f"{key} {file}: is no UTF-8 text; save it as UTF-8"
    except OSError as error:
        remedy = "" if is_no_file(error) else "; the daemon must be able to read it"
        yield f"{key} {file}: {error.strerror}{remedy}"


def _token(web: WebSettings) -> Iterator[str]:
    if web.token_file is None or _to_be_handed_over(web.token_file):
        return
    try:
        read_token(web.token_file)
    except TokenError as error:
        yield str(error)


def _to_be_handed_over(file: Path) -> bool:
    return HANDED_OVER in file.parents and not is_there(file)


def check_site(path: Path, *, connect: bool, as_json: bool) -> None:
    """Check a site file; exit status 1 if it would not work as it stands. Raises: ConfigurationError."""
    loaded = load_site(path)
    buses = []
    with long_work(len(loaded.site.buses), "planning", hidden=as_json) as look:
        for place, bus in enumerate(loaded.site.buses):
            look(place, f"planning {bus.name}")
            buses.append(_bus(loaded, place))
    problems = [*loaded.warnings, *unusable_files(loaded), *overloads(loaded, [bus["load_percent"] for bus in buses])]
    problems += _unreachable(loaded, hidden=as_json) if connect else ()
    if as_json:
        limits = [_limits(loaded, point) for point in point_names(loaded)]
        typer.echo(json.dumps({"file": str(path), "problems": problems, "buses": buses, "points": limits}, indent=2))
    else:
        _show(loaded, buses)
    for problem in problems:
        say(problem)
    if problems:
        problem_found()
    say(f"{path}: good")


def _bus(loaded: LoadedSite, place: int) -> dict[str, Any]:
    bus = loaded.site.buses[place]
    plans = [meter_plan(loaded, bus, meter) for meter in bus.meters]
    meters = [_meter(bus, plan) for plan in plans]
    return {
        "name": bus.name,
        "url": bus.url,
        "requests": sum(meter["requests"] for meter in meters),
        "words": sum(meter["words"] for meter in meters),
        "cycle_ms": round(sum(meter["bus_ms"] for meter in meters), 1),
        "load_percent": round(load_percent(bus, plans), 1),
        "meters": meters,
    }


def _meter(bus: BusSettings, plan: MeterPlan) -> dict[str, Any]:
    start = 0 if plan.profile.sunspec is None else USUAL_ADDRESS
    return {
        "name": plan.name,
        "profile": plan.profile.id,
        "unit_id": plan.unit_id,
        "interval_s": plan.interval_s,
        "requests": len(plan.requests),
        "words": sum(request.count for request in plan.requests),
        "bus_ms": round(poll_ms(bus, plan), 1),
        "plan": [[request.function_code, start + request.address, request.count] for request in plan.requests],
        "walks_chain": plan.profile.sunspec is not None,
    }


def _limits(loaded: LoadedSite, point: str) -> dict[str, Any]:
    """Return what the rules of a point judge by; None: no such limit in force."""
    supply, preset = supply_of(loaded, point), loaded.limits[loaded.site.supply_of(point).limits]
    found = list(limits_in_force(loaded, point))
    band = next((limit for rule, limit in found if rule == VoltageDeviation.name), NO_LIMIT)
    u2 = next((limit for rule, limit in found if rule == VoltageUnbalance.name and limit.detail == U2), NO_LIMIT)
    return {
        "point": point,
        "nominal_v": supply.nominal_v,
        "system": supply.system,
        "limits": preset.standard,
        "low_v": band.low,
        "high_v": band.high,
        "u2_percent": u2.high,
        "resolution_v": round(supply.resolution_v, 2),
        "in_force": [{"rule": rule, **limit._asdict()} for rule, limit in found],
    }


def _unreachable(loaded: LoadedSite, *, hidden: bool) -> Iterator[str]:
    polls = poll_site(loaded, hidden=hidden)
    yield from (f"meter {poll.meter}: {poll.failure}" for poll in polls if poll.failure is not None)
    urls = loaded.site.mqtt.urls
    with long_work(len(urls), "asking the broker", hidden=hidden) as look:
        reasons = []
        for place, url in enumerate(urls):
            look(place, url)
            reasons.append(reach_broker(url))
    yield from (f"broker {url}: {reason}" for url, reason in zip(urls, reasons, strict=True) if reason is not None)


def _show(loaded: LoadedSite, buses: list[dict[str, Any]]) -> None:
    console = Console()
    names = [Column(name, overflow="fold") for name in ("bus", "meter", "profile")]
    plan = Table(*names, "unit", "every s", "requests", "words", "ms a cycle", title="Read plan")
    for bus in buses:
        for meter in bus["meters"]:
            cells = (meter[key] for key in ("unit_id", "interval_s", "requests", "words", "bus_ms"))
            plan.add_row(bus["name"], meter["name"], meter["profile"], *map(_text, cells))
        plan.add_row(
            bus["name"], f"= {bus['load_percent']} % load", "", "", "", *map(_text, _totals(bus)), style="bold"
        )
    console.print(plan)
    for meter in (meter for bus in buses for meter in bus["meters"] if meter["walks_chain"]):
        console.print(
            f"{meter['name']}: the chain of SunSpec models is walked at the first poll; its model is planned at its"
            f" usual place, {USUAL_ADDRESS}",
            highlight=False,
            soft_wrap=True,
        )
    point_name = Column("point", overflow="fold")
    table = Table(point_name, "nominal V", "system", "limits", "low V", "high V", "u2 %", "resolves V", title="Limits")
    for point in point_names(loaded):
        table.add_row(*map(_text, itemgetter(*COLUMNS)(_limits(loaded, point))))
    console.print(table)


def _totals(bus: dict[str, Any]) -> tuple[Any, ...]:
    return bus["requests"], bus["words"], bus["cycle_ms"]


def _text(cell: object) -> str:
    return "-" if cell is None else f"{cell:.1f}" if isinstance(cell, float) else str(cell)
