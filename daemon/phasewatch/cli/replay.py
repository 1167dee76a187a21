"""`phasewatch replay`: recorded readings through the same rules and alerts as live ones."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich import box
from rich.console import Console
from rich.table import Table as Sheet

from phasewatch.cli.errors import say
from phasewatch.cli.explain import as_object, as_text
from phasewatch.commissioning.progress import long_work
from phasewatch.configuration.errors import InputError
from phasewatch.configuration.site import LoadedSite, load_site
from phasewatch.replay.columns import Cells, has_decimal_comma
from phasewatch.replay.csv_reader import SNIFFED_ROWS, Layout, Table, opened
from phasewatch.replay.player import Player, Row, chosen_point, gap_s, in_order
from phasewatch.replay.summary import Findings, RecordingError, ReplaySummary, span
from phasewatch.replay.timestamps import in_utc, told_format
from phasewatch.rules.aggregates import COVERAGE, LONGEST_GAP_S

SUMMARY_SCHEMA: Final = "phasewatch.replay/1"
_LEAST_WIDTH: Final = 130
"""A table that is folded to fit a narrow terminal cannot be read."""
_ROWS_A_LOOK: Final = 2000
"""The progress bar looks at the clock once in so many rows."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """The options of the command line."""

    renamed: Sequence[str] = ()
    time: str | None = None
    time_format: str | None = None
    timezone: str = "UTC"
    point: str | None = None
    explain_at: str | None = None
    as_json: bool = False
    summary_json: bool = False

    def layout(self) -> Layout:
        """Return how to read the file. Raises: InputError naming the option."""
        return Layout(dict(map(_pair, self.renamed)), self.time, self.time_format, self.zone)

    @property
    def zone(self) -> tzinfo:
        """The zone of times that do not say theirs. Raises: InputError."""
        if self.timezone.upper() in ("UTC", "Z"):
            return UTC
        try:
            return ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InputError(f"--timezone {self.timezone}: no such zone; give one such as Europe/Berlin") from None


def _pair(text: str) -> tuple[str, str]:
    column, equals, quantity = text.rpartition("=")
    if not equals or not column.strip() or not quantity.strip():
        raise InputError(f"--map {text}: needs COLUMN=QUANTITY, as U1=voltage_l1_n")
    return column.strip(), quantity.strip()


def replay_file(path: Path, config: Path, wishes: Wishes) -> None:
    """Replay a recording: events as JSON lines on stdout, or one row explained. Raises: InputError."""
    layout, loaded = wishes.layout(), load_site(config)
    findings = Findings()
    try:
        point = chosen_point(loaded, wishes.point)
        with opened(path, layout, findings) as table:
            session = Session(loaded, point, table, findings)
            session.introduce(wishes)
            if wishes.explain_at is not None:
                _explain(session, wishes)
            else:
                _play(session, wishes)
    except RecordingError as error:
        raise InputError(f"{path}: {error}") from error


class Session:
    """A recording on its way through the rules of a point."""

    def __init__(self, loaded: LoadedSite, point: str, table: Table, findings: Findings) -> None:
        self.loaded, self.table, self.findings = loaded, table, findings
        self._polled_s = min(m.interval_s for _, m in loaded.site.meters() if m.point_name == point)
        self.interval_s = self._polled_s if table.interval_s is None else table.interval_s
        comma = has_decimal_comma(table.first, table.columns)
        self._cells = Cells(table.columns, loaded.site.supply_of(point).nominal_v, comma, findings)
        self.player = Player(loaded, point, self.interval_s)
        self.tally = ReplaySummary(self.player.watch.desk)
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.rows = self._told = 0

    def introduce(self, wishes: Wishes) -> None:
        """Say on stderr how the file is read."""
        columns, stamps = self.table.columns, self.table.stamps
        time = "+".join(columns.names[place] for place in columns.time)
        zone = "with their zone" if stamps.zone is None else f"taken as {wishes.timezone} (--timezone)"
        say(f"time: {time} as {stamps.form.name}, {zone}")
        say("columns: " + ", ".join(_mapped(columns.names[place], name) for place, name in columns.quantities.items()))
        if columns.ignored:
            say(f"not used: {', '.join(columns.ignored)}")
        of = (
            f"median of the first {SNIFFED_ROWS} rows"
            if self.table.interval_s is not None
            else "interval_s of the site"
        )
        say(f"interval: {self.interval_s:g} s ({of}); more than {gap_s(self.interval_s):g} s is a gap")
        if COVERAGE * self.interval_s > LONGEST_GAP_S:
            say("rows are too far apart to fill 10-minute means: voltage_deviation judges each row by itself")

    def ordered(self) -> Iterator[Row]:
        """Yield the rows in the order of time."""
        return in_order(self.table.rows, self.interval_s, gap_s(self.interval_s), self.findings)

    def step(self, row: Row) -> Iterator[dict[str, Any]]:
        """Take one row; yield its payloads."""
        values, missing = self._cells(row.line, row.cells)
        self.first, self.last = self.first or row.at, row.at
        self.rows += 1
        self._told += bool(values)
        for event, payload in self.player.play(row.at, values, missing):
            self.tally.take(event, payload)
            yield payload

    def check(self) -> None:
        """Refuse a file that said nothing. Raises: RecordingError."""
        if not self.rows:
            raise RecordingError("no row could be used: " + "; ".join(self.findings.lines()))
        if not self._told:
            raise RecordingError("no row has a value: " + "; ".join(self.findings.lines()))


def _mapped(column: str, quantity: str) -> str:
    return quantity if column == quantity else f"{column}={quantity}"


def _play(session: Session, wishes: Wishes) -> None:
    write = sys.stdout.write
    with long_work(1.0, "replay", hidden=wishes.as_json or wishes.summary_json or sys.stdout.isatty()) as look:
        for row in session.ordered():
            for payload in session.step(row):
                write(json.dumps(payload, ensure_ascii=False, allow_nan=False) + "\n")
            if session.rows % _ROWS_A_LOOK == 0:
                look(session.table.position(), "replay")
    session.check()
    if session.last is not None:
        session.tally.end(session.last)
    _close(session, wishes)


def _close(session: Session, wishes: Wishes) -> None:
    for line in session.findings.lines():
        say(line)
    times = span(session.first, session.last)
    if wishes.summary_json:
        flaws = {kind: {"count": found.count, "line": found.line} for kind, found in session.findings.kinds.items()}
        summary = {
            "schema": SUMMARY_SCHEMA,
            "rows": session.rows,
            **times,
            "interval_s": session.interval_s,
            "events": session.tally.events,
            "findings": flaws,
            "rules": session.tally.rules(),
        }
        sys.stdout.write(json.dumps(summary, ensure_ascii=False, allow_nan=False) + "\n")
        return
    say(f"{session.rows} rows from {times['from']} to {times['to']}, {session.tally.events} events")
    if session.tally.lines:
        _show(session.tally.rules())


def _show(rules: Sequence[dict[str, Any]]) -> None:
    sheet = Sheet("rule", "raised", "cleared", "active", "longest", "worst", "first", "last", box=box.SIMPLE_HEAD)
    for rule in rules:
        worst = "-" if rule["worst"] is None else f"{rule['worst']:.1f} {rule['unit'] or ''}".rstrip()
        counts = (str(rule[name]) for name in ("raised", "cleared", "active"))
        times = ((rule[name] or "-")[:19].replace("T", " ") for name in ("first", "last"))
        sheet.add_row(rule["rule"], *counts, _duration(rule["longest_s"]), worst, *times)
    Console(stderr=True, width=max(Console(stderr=True).width, _LEAST_WIDTH)).print(sheet)


def _duration(seconds: float) -> str:
    if seconds < 60.0:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _explain(session: Session, wishes: Wishes) -> None:
    """Explain the row at or before the time asked for, with what the rows before it tell."""
    at = _asked_moment(session.table, wishes)
    found: Row | None = None
    with long_work(1.0, "replay", hidden=wishes.as_json) as look:
        for row in session.ordered():
            if row.at > at:
                session.first = session.first or row.at
                break
            found = row
            for _ in session.step(row):
                pass
            if session.rows % _ROWS_A_LOOK == 0:
                look(session.table.position(), "replay")
    diagnosis = session.player.point.diagnosis
    if found is None or diagnosis is None:
        begin = span(session.first, None)["from"]
        raise RecordingError(f"--explain-at {wishes.explain_at}: the first row is later: {begin}")
    stamp = span(found.at, None)["from"]
    if wishes.as_json:
        told = as_object(diagnosis, session.loaded.messages)
        typer.echo(json.dumps({"at": stamp, "line": found.line, **told}, ensure_ascii=False, indent=2))
        return
    say(f"line {found.line}, {stamp}")
    typer.echo("\n".join(as_text(diagnosis, session.loaded.messages)))


def _asked_moment(table: Table, wishes: Wishes) -> datetime:
    text = (wishes.explain_at or "").strip()
    stamps = table.stamps
    try:
        own = stamps.form if stamps.form.fits(text) else told_format([text])
        zoned = own.parse(text).tzinfo is not None
        return in_utc(own, None if zoned else wishes.zone)(text)
    except (RecordingError, ValueError, OverflowError):
        raise InputError(
            f"--explain-at {text}: is no time; write it as in the file or as 2024-03-01T12:00:00"
        ) from None
