"""Reads a recording: columns and time format are told from its beginning, then it streams."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import chain, islice
from pathlib import Path
from typing import Final

from phasewatch.replay.findings import Findings, RecordingError
from phasewatch.replay.grid import Grid, Numbered, fits, grid
from phasewatch.replay.header import Columns, columns_of
from phasewatch.replay.order import Row, median_step_s, newest_first
from phasewatch.replay.stamps import Format, formats_of, mixed, strptime_format, told_format
from phasewatch.replay.zones import in_utc

SNIFFED_ROWS: Final = 1000
"""Rows from which formats and the interval are told."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a file, as asked for."""

    renamed: Mapping[str, str]
    """Column -> quantity."""
    time: str | None
    time_format: str | None
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class Table:
    """An open recording."""

    columns: Columns
    stamps: "Stamps"
    first: Sequence[Sequence[str]]
    """The first rows."""
    interval_s: float | None
    """Median step of the first rows; None: there is no second row."""
    rows: Iterator[Row]
    position: Callable[[], float]
    """How much of the file is read, 0 to 1."""


@contextmanager
def opened(path: Path, layout: Layout, findings: Findings) -> Iterator[Table]:
    """Open a recording. Raises: RecordingError, also while its rows are read."""
    with grid(path) as cells:
        yield _table(cells, layout, findings)


def _table(grid: Grid, layout: Layout, findings: Findings) -> Table:
    header, rows = grid.header, grid.rows
    sample = list(islice(rows, SNIFFED_ROWS))
    if not sample:
        raise RecordingError("holds no rows below its header")
    columns = columns_of(header, [cells for _, cells in sample], layout.renamed, layout.time)
    whole = [(line, cells) for line, cells in sample if fits(cells, columns.width)]
    if not whole:
        line, cells = sample[0]
        raise RecordingError(
            f"line {line}: {len(cells)} cells where the header has {columns.width}:"
            " is the decimal comma also the delimiter?"
        )
    stamps = _told_stamps(columns.time, layout, [cells for _, cells in whole])
    moments = list(_moments(stamps, whole))
    if newest_first(moments):
        raise RecordingError("the newest row stands first; turn the file round, oldest first")
    return Table(
        columns=columns,
        stamps=stamps,
        first=[cells for _, cells in whole],
        interval_s=median_step_s(moments),
        rows=_rows(chain(sample, rows), columns.width, stamps, findings),
        position=grid.position,
    )


def _moments(stamps: "Stamps", rows: Iterable[Numbered]) -> Iterator[datetime]:
    utc = stamps.reader()
    for _, cells in rows:
        with suppress(ValueError, OverflowError):
            yield utc(stamps.text(cells))


def _rows(numbered: Iterable[Numbered], width: int, stamps: "Stamps", findings: Findings) -> Iterator[Row]:
    utc, text_of = stamps.reader(), stamps.text
    for line, cells in numbered:
        if len(cells) != width and not fits(cells, width):
            findings.add("rows of another length than the header, dropped", line, f"{len(cells)} cells")
            continue
        text = text_of(cells)
        try:
            at = utc(text)
        except (ValueError, OverflowError) as error:
            if isinstance(error, ValueError) and stamps.told and formats_of(text):
                raise RecordingError(f"line {line}: {mixed(stamps.example, text)}") from None
            findings.add("rows without a time that can be read, dropped", line, text)
            continue
        yield Row(line, at, cells)


@dataclass(frozen=True, slots=True)
class Stamps:
    """How the times of a recording are written."""

    places: tuple[int, ...]
    form: Format
    told: bool
    """Whether the format was told from the rows, not given."""
    example: str
    zone: tzinfo | None
    """Zone of the times; None: they say it themselves."""

    def text(self, cells: Sequence[str]) -> str:
        """Return the time of a row as it is written."""
        if len(self.places) == 1:
            return cells[self.places[0]].strip()
        return " ".join(cells[place].strip() for place in self.places).strip()

    def reader(self) -> Callable[[str], datetime]:
        """Return text -> UTC, for rows in their order from here on."""
        return in_utc(self.form, self.zone)


def _told_stamps(places: tuple[int, ...], layout: Layout, rows: Sequence[Sequence[str]]) -> Stamps:
    texts = [text for text in (" ".join(cells[place].strip() for place in places).strip() for cells in rows) if text]
    if not texts:
        raise RecordingError("the time column is empty")
    form = told_format(texts) if layout.time_format is None else strptime_format(layout.time_format)
    example = next((text for text in texts if form.fits(text)), None)
    if example is None:
        raise RecordingError(f"{texts[0]!r} is not as --time-format {layout.time_format!r} says")
    zoned = form.parse(example).tzinfo is not None
    return Stamps(places, form, layout.time_format is None, example, None if zoned else layout.zone)
