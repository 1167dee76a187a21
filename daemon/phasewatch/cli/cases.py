"""The rows of a CSV file as readings to explain; what is no reading is missing, and named."""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Final

from phasewatch.cli.outcome import InputError, say
from phasewatch.cli.progress import long_work
from phasewatch.meters.quantities import LN, LPE
from phasewatch.replay.columns import Columns, has_decimal_comma, own_quantity, with_points
from phasewatch.replay.csv_reader import Grid, fits, grid
from phasewatch.replay.summary import RecordingError

SNIFFED_ROWS: Final = 1000
"""Rows from which is told how decimals are written."""
_ROWS_A_LOOK: Final = 500
"""The bar is moved once in so many rows."""


def magnitude(cell: str, *, decimal_comma: bool = False) -> float | None:
    """Return a cell as a magnitude; None if it is not a finite number of 0 or more."""
    with suppress(ValueError):
        value = float(with_points((cell,))[0] if decimal_comma else cell)
        return value if math.isfinite(value) and value >= 0.0 else None
    return None


def told_rows(path: Path, *, hidden: bool) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield (row, values); the row below the header is 1. Unless it is hidden a bar shows how far long work is.

    Raises: InputError.
    """
    try:
        with grid(path) as table, long_work(1.0, path.name, hidden=hidden) as look:
            for row, values in _rows(path, table):
                yield row, values
                if row % _ROWS_A_LOOK == 0:
                    look(table.position(), f"{path.name}: row {row}")
    except RecordingError as error:
        raise InputError(f"{path}: {error}") from error


def _rows(path: Path, table: Grid) -> Iterator[tuple[int, dict[str, float]]]:
    columns = _columns(table.header)
    first = [cells for _, cells in islice(table.rows, SNIFFED_ROWS)]
    if not first:
        raise RecordingError("holds no rows below its header")
    comma = has_decimal_comma(first, columns)
    for row, cells in enumerate(chain(first, (cells for _, cells in table.rows)), start=1):
        yield row, dict(_values(f"{path}: row {row}", columns, cells, comma))


def _columns(header: Sequence[str]) -> Columns:
    places = {place: name for place, text in enumerate(header) if (name := own_quantity(text.strip())) is not None}
    if not places:
        raise RecordingError(f"no column is named by a quantity; name them {', '.join((*LN, *LPE))} ...")
    names = list(places.values())
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RecordingError(f"two columns are named {twice}; keep one")
    return Columns(len(header), (), places, tuple(header))


def _values(place: str, columns: Columns, cells: Sequence[str], comma: bool) -> Iterator[tuple[str, float]]:
    if len(cells) > columns.width and not fits(cells, columns.width):
        say(
            f"{place}: {len(cells)} cells where the header has {columns.width}: is the decimal comma also the"
            " delimiter? All taken as missing"
        )
        return
    for at, name in columns.quantities.items():
        cell = cells[at] if at < len(cells) else ""
        value = magnitude(cell, decimal_comma=comma)
        if value is None:
            say(f"{place}: {name}: {cell!r} is not a finite number of 0 or more: taken as missing")
        else:
            yield name, value
