"""Which column is the time and which is which quantity.

The cells of a row as values: what is missing or not believed is missing, and counted by column.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from operator import itemgetter
from typing import Final

from phasewatch.meters.decode import plausible_range
from phasewatch.meters.quantities import LN, UNITS
from phasewatch.replay.summary import Findings, RecordingError
from phasewatch.replay.timestamps import formats_of

TIME_NAMES: Final = (
    "time",
    "timestamp",
    "time_stamp",
    "datetime",
    "date_time",
    "ts",
    "_time",
    "zeit",
    "zeitstempel",
    "datum_zeit",
    "时间",
    "last_changed",
)
"""Headers that are the time without being asked."""
_SEPARATORS: Final = re.compile(r"[\s\-./]+")
_UNIT: Final = re.compile(r"\s*[\[(]([^\])]*)[\])]$")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns in use."""

    width: int
    """Cells of a whole row."""
    time: tuple[int, ...]
    """Places that make the time, joined by a space: a date and a time of day may stand apart."""
    quantities: dict[int, str]
    """Place -> quantity."""
    names: tuple[str, ...]
    """Every header."""

    @property
    def ignored(self) -> tuple[str, ...]:
        """The headers that are of no use."""
        used = {*self.time, *self.quantities}
        return tuple(name for place, name in enumerate(self.names) if place not in used and name)


def columns_of(
    header: Sequence[str], rows: Sequence[Sequence[str]], renamed: Mapping[str, str], time: str | None
) -> Columns:
    """Return what each column is; `renamed` maps column -> quantity. Raises: RecordingError with the remedy."""
    names = tuple(name.strip() for name in header)
    quantities = _quantities(names, renamed)
    places = _time_places(names, rows, time, set(quantities))
    if not quantities:
        free = [name for place, name in enumerate(names) if place not in places]
        raise RecordingError(f"no column is a known quantity; columns: {_listed(free)}; map them as --map U1={LN[0]}")
    return Columns(len(names), places, quantities, names)


def _quantities(names: Sequence[str], renamed: Mapping[str, str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for column, quantity in renamed.items():
        if quantity not in UNITS:
            raise RecordingError(f"--map {column}={quantity}: {quantity} is no quantity{_nearest(quantity, UNITS)}")
        found[_place(names, column, f"--map {column}={quantity}")] = quantity
    taken = set(found.values())
    for place, name in enumerate(names):
        own = own_quantity(name)
        if place not in found and own is not None and own not in taken:
            found[place] = own
    twice = next((name for name in found.values() if list(found.values()).count(name) > 1), None)
    if twice is not None:
        both = [names[place] for place, name in found.items() if name == twice]
        raise RecordingError(f"two columns are {twice}: {_listed(both)}; choose with --map COLUMN={twice}")
    return dict(sorted(found.items()))


def own_quantity(header: str) -> str | None:
    """Return the quantity that a header names by itself, whatever its case and with its own unit; None for others."""
    unit = _UNIT.search(header)
    name = _SEPARATORS.sub("_", (header[: unit.start()] if unit else header).strip().casefold())
    if name not in UNITS or (unit is not None and unit[1].strip() != UNITS[name]):
        return None
    return name


def _time_places(
    names: Sequence[str], rows: Sequence[Sequence[str]], asked: str | None, taken: set[int]
) -> tuple[int, ...]:
    if asked is not None:
        parts = [asked] if asked in names else asked.split("+")
        return tuple(_place(names, part, f"--time {asked}") for part in parts)
    free = [place for place in range(len(names)) if place not in taken]
    named = [place for place in free if _SEPARATORS.sub("_", names[place].casefold()) in TIME_NAMES]
    likely = named or [place for place in free if _all_moments([row[place] for row in rows if place < len(row)])]
    if len(likely) == 1:
        return (likely[0],)
    if likely:
        raise RecordingError(f"which column is the time: {_listed([names[p] for p in likely])}? Say it with --time")
    raise RecordingError(
        f"no time column; columns: {_listed([names[p] for p in free] or names)}; name it with --time COLUMN,"
        " or --time DATE+TIME where it stands in two"
    )


def _all_moments(cells: Sequence[str]) -> bool:
    """Return whether all cells are moments; a bare number may be anything else as well."""
    texts = [cell.strip() for cell in cells[:20] if cell.strip()]
    return bool(texts) and all(formats_of(text) and not text.replace(".", "").isdigit() for text in texts)


def _place(names: Sequence[str], column: str, option: str) -> int:
    places = [place for place, name in enumerate(names) if name == column.strip()]
    if not places:
        raise RecordingError(f"{option}: there is no column {column!r}{_nearest(column, names)}")
    if len(places) > 1:
        raise RecordingError(f"{option}: {len(places)} columns are named {column!r}; rename one")
    return places[0]


def _nearest(name: str, known: Mapping[str, str] | Sequence[str]) -> str:
    near = get_close_matches(name.casefold(), [one.casefold() for one in known], 1, 0.5)
    spelt = next((one for one in known if near and one.casefold() == near[0]), None)
    return f"; did you mean {spelt}?" if spelt else f"; one of {_listed(tuple(known))}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:12])
    return f"{shown} and {len(names) - 12} more" if len(names) > 12 else shown or "none"


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
