"""Which column is the time and which is which quantity."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from phasewatch.meters.quantities import LN, UNITS
from phasewatch.replay.findings import RecordingError
from phasewatch.replay.stamps import formats_of

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
    """Return what each column is; `renamed` maps column -> quantity. Raises: RecordingError with the mend."""
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
