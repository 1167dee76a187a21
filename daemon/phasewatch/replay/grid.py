"""Reads a table of text: encoding, delimiter and header are told from its beginning, then it streams."""

import csv
import gzip
import io
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TextIO, TypeVar, cast

from phasewatch.replay.findings import RecordingError

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
