"""The cells of a row as values: what is missing or not believed is missing, and counted by column."""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Final

from phasewatch.meters.decode import plausible_range
from phasewatch.replay.findings import Findings, RecordingError
from phasewatch.replay.header import Columns

Values = tuple[dict[str, float], dict[str, str]]
"""Quantity -> value, and quantity -> why it is missing."""

_BLANK: Final = frozenset(("", "-", "--", "nan", "null", "none", "na", "n/a", "#n/a", "unknown", "unavailable"))
"""What loggers write where they have nothing."""


def has_decimal_comma(rows: Iterable[Sequence[str]], columns: Columns) -> bool:
    """Return how the first rows write decimals. Raises: RecordingError when they do it both ways."""
    cells = [row[place] for row in rows if len(row) == columns.width for place in columns.quantities]
    comma = next((cell for cell in cells if _is_decimal(cell, ",")), None)
    point = next((cell for cell in cells if _is_decimal(cell, ".")), None)
    if comma is not None and point is not None:
        raise RecordingError(f"decimals are written both ways: {comma!r} and {point!r}; bring the file to one")
    return comma is not None


def _is_decimal(cell: str, mark: str) -> bool:
    whole, found, rest = cell.strip().lstrip("+-").partition(mark)
    return bool(found) and whole.isdigit() and rest.isdigit()


class Cells:
    """Reads the quantities of whole rows."""

    def __init__(self, columns: Columns, nominal_v: float, decimal_comma: bool, findings: Findings) -> None:
        self._columns, self._findings = columns, findings
        self._decimal_comma = decimal_comma
        self._names = tuple(columns.quantities.values())
        self._pick = _picked(tuple(columns.quantities))
        ranges = [plausible_range(name, nominal_v) for name in self._names]
        self._lows, self._highs = tuple(low for low, _ in ranges), tuple(high for _, high in ranges)

    def __call__(self, line: int, row: Sequence[str]) -> Values:
        """Return what the row says."""
        cells = self._pick(row)
        try:
            numbers = tuple(map(float, with_points(cells) if self._decimal_comma else cells))
        except ValueError:
            return self._one_by_one(line, cells)
        for low, number, high in zip(self._lows, numbers, self._highs, strict=True):
            if not low <= number <= high:
                return self._one_by_one(line, cells)
        return dict(zip(self._names, numbers, strict=True)), {}

    def _one_by_one(self, line: int, cells: Sequence[str]) -> Values:
        values: dict[str, float] = {}
        missing: dict[str, str] = {}
        for name, cell, low, high in zip(self._names, cells, self._lows, self._highs, strict=True):
            value, why = self._value(cell, low, high)
            if value is not None:
                values[name] = value
            else:
                missing[name] = why
                self._findings.add(f"{name}: {why}", line, cell.strip())
        return values, missing

    def _value(self, cell: str, low: float, high: float) -> tuple[float | None, str]:
        text = cell.strip()
        if text.casefold() in _BLANK:
            return None, "empty"
        try:
            number = float(with_points((text,))[0] if self._decimal_comma else text)
        except ValueError:
            return None, "not a number"
        return (number, "") if low <= number <= high else (None, "implausible")


def with_points(cells: Sequence[str]) -> Sequence[str]:
    """Return cells with decimal points. Raises: ValueError where a point may part thousands."""
    joined = "\t".join(cells)
    if "." in joined:
        raise ValueError(joined)
    return joined.replace(",", ".").split("\t")


def _picked(places: tuple[int, ...]) -> Callable[[Sequence[str]], tuple[str, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda row: (row[places[0]],)
