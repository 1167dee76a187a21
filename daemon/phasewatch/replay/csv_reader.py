"""Reads a recording: columns and time format are told from its beginning, then it streams.

Reads a table of text: encoding, delimiter and header are told from its beginning, then it streams.
"""

import csv
import gzip
import io
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TextIO, TypeVar, cast

from phasewatch.replay.columns import Columns, columns_of
from phasewatch.replay.player import Row, median_step_s, newest_first
from phasewatch.replay.summary import Findings, RecordingError
from phasewatch.replay.timestamps import Format, formats_of, in_utc, mixed, strptime_format, told_format

if TYPE_CHECKING:
    import _csv

T = TypeVar("T")

LONGEST_LINE: Final = 65_536
"""Characters; no row of readings is longer."""
_BYTE_ORDER_MARKS: Final = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_OPEN_PIPES: Final = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
"""Where a shell puts a pipe that somebody writes to."""

Numbered = tuple[int, list[str]]
"""Line of the file, cells."""


@dataclass(frozen=True, slots=True)
class Grid:
    """An open table."""

    header: list[str]
    rows: Iterator[Numbered]
    """Those that are not blank."""
    position: Callable[[], float]
    """How much of the file is read, 0 to 1; 1 where nobody knows."""


@contextmanager
def grid(path: Path) -> Iterator[Grid]:
    """Open a table. Raises: RecordingError, also while its rows are read."""
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or str(path).startswith(_OPEN_PIPES)):
            raise RecordingError("is no regular file; give the path of a file, or /dev/stdin")
        file = path.open("rb")
    except OSError as error:
        raise RecordingError(f"cannot be read: {error.strerror}") from error
    with file:
        size = path.stat().st_size
        plain = cast("BinaryIO", gzip.GzipFile(fileobj=file)) if path.suffix == ".gz" else file
        text = _reading(lambda: _text(plain))
        yield _grid(text, lambda: file.tell() / size if size else 1.0)


def _grid(text: TextIO, position: Callable[[], float]) -> Grid:
    lines = _lines(text)
    before, first_line, delimiter = _first_line(lines)
    reader = csv.reader(chain((first_line,), lines), delimiter=delimiter, strict=True)
    header = _without_tail(next(_numbered(before, reader))[1])
    return Grid(header, _numbered(before, reader), position)


def _reading(read: Callable[[], T]) -> T:
    try:
        return read()
    except (OSError, EOFError, zlib.error) as error:
        raise RecordingError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _text(file: BinaryIO) -> TextIO:
    """Return the text of a file; what its encoding cannot say becomes a mark that no number holds."""
    buffered = io.BufferedReader(cast("io.RawIOBase", file)) if not isinstance(file, io.BufferedReader) else file
    begin = buffered.peek(LONGEST_LINE)[:LONGEST_LINE]
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if begin.startswith(mark)), None)
    return io.TextIOWrapper(buffered, encoding or _guessed(begin), errors="replace", newline="")


def _guessed(begin: bytes) -> str:
    try:
        begin.decode("utf-8")
    except UnicodeDecodeError as error:
        return "utf-8" if error.start > len(begin) - 4 else "cp1252"
    return "utf-8"


def _numbered(before: int, reader: "_csv.Reader") -> Iterator[Numbered]:
    """Yield the rows that are not blank."""
    try:
        for cells in reader:
            if cells:
                yield before + reader.line_num, cells
    except csv.Error as error:
        raise RecordingError(f"line {before + reader.line_num}: cannot be read as CSV: {error}") from error


def _lines(text: TextIO) -> Iterator[str]:
    while line := _reading(lambda: text.readline(LONGEST_LINE)):
        if len(line) == LONGEST_LINE:
            raise RecordingError(f"a line is longer than {LONGEST_LINE} characters: this is no table of readings")
        if "\0" in line:
            raise RecordingError("holds NUL bytes: the file is damaged, or no text")
        yield line


def _first_line(lines: Iterator[str]) -> tuple[int, str, str]:
    """Return the lines passed over, the header line and the delimiter."""
    told = None
    for passed, line in enumerate(lines):
        if line.startswith("sep=") and len(line.strip()) >= 5:
            told = line[4]
        elif line.strip() and not line.startswith("#"):
            return passed, line, told or next((mark for mark in "\t;" if mark in line), ",")
    raise RecordingError("is empty; it needs a header and rows")


def _without_tail(header: list[str]) -> list[str]:
    while header and not header[-1].strip():
        header.pop()
    return header


def fits(cells: Sequence[str], width: int) -> bool:
    """Return whether a row is whole: one that is cut off may end in half a number."""
    return len(cells) == width or (len(cells) > width and not any(cell.strip() for cell in cells[width:]))


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
