"""`phasewatch watch`: the picture's numbers of the running daemon, as they change.

The live table of a site: points with the numbers of their picture, alerts, buses, delivery.

What was last heard of a daemon, and how old that is.
"""

import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import typer
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.style import Style
from rich.table import Column, Table
from rich.text import Text

from phasewatch.adapters.http.client import Control, ControlError
from phasewatch.cli.alerts import standing
from phasewatch.cli.daemon_client import show
from phasewatch.configuration.errors import InputError
from phasewatch.configuration.files import load_messages
from phasewatch.electrical.explanation import Messages
from phasewatch.electrical.severity import SEVERITIES
from phasewatch.meters.quantities import LL, LN, PHASES, phase_name
from phasewatch.settings import LANGUAGES

GRACE_S: Final = 3.0
"""So much longer than the interval may pass before what was heard is taken as old."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One answer of the daemon."""

    at: datetime
    status: Mapping[str, Any]
    points: Sequence[Mapping[str, Any]]
    alerts: Sequence[Mapping[str, Any]]
    """Those that stand, the worst first."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of the daemon."""

    interval_s: float
    snapshot: Snapshot | None = None
    heard_s: float = 0.0
    """When that was, of the monotonic clock."""
    trouble: str | None = None
    """Why nothing is heard any more; None: the last answer came."""
    since: datetime | None = None
    """Since when; None: it is heard."""

    def after(self, snapshot: Snapshot, now_s: float) -> "Sight":
        """Return the sight after an answer."""
        return Sight(self.interval_s, snapshot, now_s)

    def lost(self, why: str, now: datetime) -> "Sight":
        """Return the sight when no answer came."""
        return replace(self, trouble=why, since=self.since or now)

    def silent_s(self, now_s: float) -> float:
        """Return how long ago the last answer was."""
        return now_s - self.heard_s

    def old(self, now_s: float) -> bool:
        """Return whether what was told must not be taken as what is."""
        return self.trouble is not None or self.silent_s(now_s) > self.interval_s + GRACE_S


WIDE: Final = 118
"""Columns from which line-to-line voltages have a column of their own, and every voltage a decimal."""
_STYLES: Final = {"critical": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan"}
_GOOD: Final = "green"
_OLD: Final = "bright_black"
_LOST: Final = "bold white on red"
_BUSES: Final = 3
"""So many are shown on a screen, those first of which meters fail."""
_BESIDE: Final = 7 + _BUSES
"""Lines of the screen that are neither point nor alert: title, heads, buses, delivery."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much can be shown."""

    width: int
    height: int | None
    """None: no end."""

    @property
    def wide(self) -> bool:
        """Whether every number has a place of its own."""
        return self.width >= WIDE


def board(sight: Sight, words: Messages, now_s: float, room: Room) -> RenderableType:
    """Return what people see; what is old is grey and says so."""
    snapshot = sight.snapshot
    if snapshot is None:
        return Text(words["page"]["never_connected"], style=_LOST)
    old, since_s = sight.old(now_s), sight.silent_s(now_s)
    points, hidden_points = _fitting(snapshot, room)
    alerts = snapshot.alerts[: _alerts_shown(room)]
    parts: list[RenderableType] = [*_title(sight, snapshot, words, since_s, old=old)]
    parts.append(_points(points, words, since_s, room, old=old))
    parts += _more(hidden_points, "more_points", words)
    parts += _alerts(alerts, snapshot, words, since_s, room, old=old)
    parts += _more(len(snapshot.alerts) - len(alerts), "more_alerts", words)
    parts += _system(snapshot.status, words, room, old=old)
    return Group(*parts)


def _more(count: int, word: str, words: Messages) -> list[Text]:
    return [Text(words["watch"][word].format(n=count), style="bold")] if count else []


def _alerts_shown(room: Room) -> int | None:
    return None if room.height is None else max(1, (room.height - _BESIDE) // 6)


def _fitting(snapshot: Snapshot, room: Room) -> tuple[Sequence[Mapping[str, Any]], int]:
    """Return the points that the screen has room for, those that are not normal first, and how many are left out."""
    if room.height is None:
        return snapshot.points, 0
    alert_lines = 2 * min(len(snapshot.alerts), _alerts_shown(room) or 0)
    fits = max(1, (room.height - _BESIDE - 2 - alert_lines) // (1 if room.wide else 2))
    if len(snapshot.points) <= fits:
        return snapshot.points, 0
    ranked = sorted(snapshot.points, key=_rank)
    return ranked[: max(1, fits - 1)], len(snapshot.points) - max(1, fits - 1)


def _rank(point: Mapping[str, Any]) -> int:
    severity = _severity(point)
    if severity in SEVERITIES:
        return SEVERITIES.index(severity)
    return len(SEVERITIES) + (point.get("verdict") == "normal" and point.get("quality") != "stale")


def _severity(point: Mapping[str, Any]) -> str | None:
    severity = (point.get("picture") or {}).get("severity")
    return str(severity) if severity else None


# The title


def _title(sight: Sight, snapshot: Snapshot, words: Messages, since_s: float, *, old: bool) -> Iterator[Text]:
    status, page = snapshot.status, words["page"]
    mark = Text(f" {page['not_live']} ", style=_LOST) if old else Text(f" {page['live']} ", style="black on green")
    name = Text(f"{status.get('site', '?')}  ", style="bold")
    yield Text.assemble(name, mark, f"  {snapshot.at:%H:%M:%S}  phasewatch {status.get('version', '?')}")
    if old:
        since = sight.since or snapshot.at
        fields = {"time": f"{since:%H:%M:%S}", "span": span(since_s, words)}
        yield Text(words["watch"]["lost"].format(**fields), style=_LOST)
    if sight.trouble is not None:
        yield Text(sight.trouble, style=_OLD)


def span(seconds: float, words: Messages) -> str:
    """Return a stretch of time in words."""
    sizes = (
        (100.0, 1.0, "seconds"),
        (6000.0, 60.0, "minutes"),
        (172800.0, 3600.0, "hours"),
        (float("inf"), 86400.0, "days"),
    )
    unit_s, word = next((unit_s, word) for below_s, unit_s, word in sizes if seconds < below_s)
    return str(words["page"][word]).format(n=round(max(0.0, seconds) / unit_s))


# Points


def _points(
    points: Sequence[Mapping[str, Any]], words: Messages, since_s: float, room: Room, *, old: bool
) -> RenderableType:
    text = words["watch"]
    voltages = ["L-N V", "L-L V"] if room.wide else ["L-N V\nL-L V"]
    columns = [
        Column(words["report"]["point"], overflow="fold", max_width=20 if room.wide else 13),
        Column(text["age"], overflow="fold", max_width=14 if room.wide else 10),
        *(Column(name, no_wrap=True) for name in voltages),
        *(Column(text[name], no_wrap=True, justify="right") for name in ("neutral", "earth", "neutral_earth")),
        Column("u2 %", no_wrap=True, justify="right"),
        Column(words["labels"]["verdict"], overflow="fold"),
    ]
    table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1 if room.wide else 0), pad_edge=False)
    for point in points:
        grey = old or point.get("quality") == "stale"
        table.add_row(*_row(point, words, since_s, room, old=old), style=_OLD if grey else None)
    return table


def _row(
    point: Mapping[str, Any], words: Messages, since_s: float, room: Room, *, old: bool
) -> Iterator[RenderableType]:
    picture, readings = point.get("picture") or {}, point.get("readings") or {}
    decimals = 1 if room.wide else 0
    voltages = [_volts(readings, names, decimals) for names in (LN, LL)]
    yield Text(str(point.get("point", "?")))
    yield _age(point, words, since_s, old=old)
    yield from map(Text, voltages if room.wide else ["\n".join(filter(None, voltages))])
    resolution_v = picture.get("resolution_v") or 0.0
    yield Text(_shift(picture, "neutral_shift", resolution_v))
    yield Text(_shift(picture, "earth_shift", resolution_v))
    yield Text(_number(picture.get("neutral_earth_v")))
    yield Text(_number(picture.get("u2_percent"), 2 if room.wide else 1))
    yield _verdict(point, words, grey=old or point.get("quality") == "stale")


def _age(point: Mapping[str, Any], words: Messages, since_s: float, *, old: bool) -> Text:
    """Return how good and how old the readings are, at the moment of drawing."""
    age_s = point.get("age_s")
    if age_s is None:
        return Text(words["page"]["no_readings_yet"])
    age_s += since_s
    if old or point.get("quality") == "stale":
        return Text(words["page"]["no_data_for"].format(span=span(age_s, words)))
    fresh = f"{age_s:.1f} s" if age_s < 10.0 else span(age_s, words)
    quality = str(point.get("quality"))
    return Text(f"{words['watch'].get(quality, quality)} {fresh}", style="" if quality == "good" else "yellow")


def _volts(readings: Mapping[str, float], names: Sequence[str], decimals: int) -> str:
    """Return three voltages; nothing where none is measured."""
    if not any(name in readings for name in names):
        return ""
    return " ".join(_number(readings.get(name), decimals) for name in names)


def _number(value: float | None, decimals: int = 1) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def _shift(picture: Mapping[str, Any], name: str, resolution_v: float) -> str:
    """Return how far a point of the picture was moved, and where to if that is more than noise."""
    value, degrees = picture.get(f"{name}_v"), picture.get(f"{name}_deg")
    if value is None or degrees is None or value < resolution_v:
        return _number(value)
    return f"{value:.1f} {toward(degrees)}"


def toward(degrees: float) -> str:
    """Return the phase that lies in a direction, or the two that it lies between; L1 = 0, L2 = -120, L3 = +120."""
    off = {slug: abs((degrees + 120.0 * place + 180.0) % 360.0 - 180.0) for place, slug in enumerate(PHASES)}
    near = sorted(slug for slug, away in off.items() if away <= 90.0 + 1e-6) if min(off.values()) > 30.0 else []
    return "/".join(map(phase_name, near or [min(off, key=lambda slug: off[slug])]))


def _verdict(point: Mapping[str, Any], words: Messages, *, grey: bool) -> Text:
    code, severity, page = point.get("verdict"), _severity(point), words["page"]
    if code is None:
        return Text(page["no_readings_yet"])
    phases = ", ".join((point.get("picture") or {}).get("phases") or ())
    said = " ".join(filter(None, (page.get(f"verdict_{code}", code), phases)))
    snapshot = f"{said} ({words['report'].get(f'severity_{severity}', severity)})" if severity else said
    quiet = _GOOD if code == "normal" else ""
    return Text(snapshot, style=_OLD if grey else _STYLES.get(severity or "", quiet))


# Alerts, buses, delivery


def _alerts(
    alerts: Sequence[Mapping[str, Any]], snapshot: Snapshot, words: Messages, since_s: float, room: Room, *, old: bool
) -> Iterator[Text]:
    yield Text("")
    if not alerts:
        yield Text(words["page"]["no_alerts"], style=_OLD if old else _GOOD)
    for alert in alerts:
        severity = str(alert.get("severity"))
        style = Style.parse(_OLD if old else _STYLES.get(severity, ""))
        word = words["report"].get(f"severity_{severity}", severity)
        phase = alert.get("phase")
        name = "/".join(
            str(part) for part in (alert.get("subject"), alert.get("rule"), phase and phase.lower()) if part
        )
        marks = ", ".join([*_since(alert, snapshot, words, since_s), *_states(alert, words)])
        title = words["titles"].get(str(alert.get("rule")), "")
        head = "  ".join(filter(None, (title if room.wide else "", name, marks)))
        yield Text.assemble((f" {word} ", style), f"  {head}", style=_OLD if old else "")
        if alert.get("summary"):
            summary = Text(f"    {alert['summary']}", style=_OLD if old else "", overflow="ellipsis")
            summary.no_wrap = room.height is not None and len(alerts) > 1
            yield summary


def _since(alert: Mapping[str, Any], snapshot: Snapshot, words: Messages, since_s: float) -> Iterator[str]:
    try:
        since = datetime.fromisoformat(alert["since"])
        lasting_s = (datetime.fromisoformat(snapshot.status["at"]) - since).total_seconds() + since_s
    except (KeyError, TypeError, ValueError):
        return
    yield words["page"]["since_ago"].format(time=f"{since.astimezone():%m-%d %H:%M:%S}", span=span(lasting_s, words))


def _states(alert: Mapping[str, Any], words: Messages) -> Iterator[str]:
    text = words["report"]
    if alert.get("state") == "unknown":
        yield text["state_unknown"]
    if alert.get("acknowledged"):
        yield text["state_acknowledged"]
    if alert.get("shelved_until"):
        yield text["state_shelved"].format(time=alert["shelved_until"])
    if alert.get("suppressed_by"):
        yield text["state_suppressed"].format(alert=alert["suppressed_by"])


def _system(status: Mapping[str, Any], words: Messages, room: Room, *, old: bool) -> Iterator[RenderableType]:
    text, buses = words["report"], status.get("buses") or {}
    ranked = sorted(buses.items(), key=lambda one: not one[1].get("failing"))
    shown = ranked if room.height is None else ranked[:_BUSES]
    yield Text("")
    for name, bus in shown:
        load = "-" if bus.get("load_percent") is None else f"{bus['load_percent']:.0f} %"
        parts = [
            f"{text['bus']} {name}: {bus.get('meters', '?')} {text['meters'].lower()}, {text['load'].lower()} {load}"
        ]
        failing = ", ".join(bus.get("failing") or ())
        parts += [f", {text['failing'].lower()}: {failing}"] if failing else []
        yield Text("".join(parts), style=_OLD if old else "red" if failing else "")
    yield from _more(len(ranked) - len(shown), "more_buses", words)
    yield _delivery(status, words, old=old)


def _delivery(status: Mapping[str, Any], words: Messages, *, old: bool) -> Text:
    text, delivery, outbox = words["report"], status.get("delivery") or {}, status.get("outbox") or {}
    connected = bool(delivery.get("connected"))
    state = text["connected"].format(url=delivery.get("url")) if connected else text["not_connected"]
    counts = text["outbox_counts"].format(
        **{name: outbox.get(name, "?") for name in ("depth", "dropped", "dead_letters")}
    )
    error = f", {text['last_error'].lower()}: {outbox['last_error']}" if outbox.get("last_error") else ""
    return Text(f"{text['broker']}: {state}; {counts}{error}", style=_OLD if old else "" if connected else "red")


TIMEOUT_S: Final = 3.0
"""A daemon that takes longer to answer is taken as gone."""
DRAWN_HZ: Final = 2.0
"""Ages count on between two answers."""


def watch_daemon(control: Control, interval_s: float, *, once: bool, as_json: bool) -> None:
    """Show what the daemon says, again and again, until Ctrl-C.

    Once only where that is wished or nobody sits at a terminal. Raises: InputError when no daemon answers at first.
    """
    with _ending_quietly():
        if as_json:
            _as_lines(control, interval_s, once=once)
            return
        sight = Sight(interval_s).after(ask(control), time.monotonic())
        words = _words(control)
        console = Console(markup=False, emoji=False, highlight=False)
        if once or not sys.stdout.isatty() or console.is_dumb_terminal:
            console.print(board(sight, words, time.monotonic(), Room(console.width, None)))
        else:
            _live(control, console, sight, words)


@contextmanager
def _ending_quietly() -> Iterator[None]:
    """Let Ctrl-C end the command, and being told to stop too: the terminal is left as it was."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


def ask(control: Control) -> Snapshot:
    """Return what the daemon says now. Raises: InputError when it cannot be reached."""
    status, points = show(control, "/api/status"), show(control, "/api/points").get("points", [])
    return Snapshot(datetime.now().astimezone(), status, points, standing(control))


def _words(control: Control) -> Messages:
    """Return the words of the site's language; English where the daemon does not tell it."""
    try:
        language = control.get("/api/words")["language"]
    except (ControlError, KeyError, TypeError):
        language = "en"
    return load_messages(language if language in LANGUAGES else "en")


def _live(control: Control, console: Console, sight: Sight, words: Messages) -> None:
    def drawn() -> RenderableType:
        return board(sight, words, time.monotonic(), Room(console.width, console.height))

    # A thread draws, so that a daemon that lets us wait does not stop the ages.
    with Live(get_renderable=drawn, console=console, screen=True, refresh_per_second=DRAWN_HZ) as live:
        while True:
            time.sleep(sight.interval_s)
            sight = _next(control, sight)
            live.refresh()


def _next(control: Control, sight: Sight) -> Sight:
    try:
        return sight.after(ask(control), time.monotonic())
    except InputError as error:
        return sight.lost(str(error), datetime.now().astimezone())


def _as_lines(control: Control, interval_s: float, *, once: bool) -> None:
    """Write one JSON object a line; what was told before is never told again."""
    sight = Sight(interval_s).after(ask(control), time.monotonic())
    while True:
        typer.echo(json.dumps(_object(sight), ensure_ascii=False))
        if once:
            return
        time.sleep(interval_s)
        sight = _next(control, sight)


def _object(sight: Sight) -> dict[str, Any]:
    snapshot = sight.snapshot
    if sight.trouble is not None or snapshot is None:
        silent_s = round(sight.silent_s(time.monotonic()), 1)
        now = datetime.now().astimezone()
        return {
            "at": now.isoformat("T", "milliseconds"),
            "connected": False,
            "no_data_s": silent_s,
            "error": sight.trouble,
        }
    at = snapshot.at.isoformat("T", "milliseconds")
    return {
        "at": at,
        "connected": True,
        "status": snapshot.status,
        "points": snapshot.points,
        "alerts": snapshot.alerts,
    }
