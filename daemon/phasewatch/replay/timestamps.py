"""Time stamps of recordings: the format is told from the first rows, then every row takes the short way.

Local times of a recording in UTC, through the hour that autumn has twice.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from phasewatch.replay.summary import RecordingError

Parse = Callable[[str], datetime]
"""Text -> moment, naive where the text has no zone. Raises: ValueError, OverflowError."""


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a moment."""

    name: str
    parse: Parse

    def fits(self, text: str) -> bool:
        """Return whether the text is a moment in this format."""
        try:
            self.parse(text)
        except (ValueError, OverflowError):
            return False
        return True


_EXCEL_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - a local time
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)?")
_DIGITS: Final = re.compile(r"(?:19|2\d)\d{6}(?:\d{4}(?:\d\d)?)?")
_DATE: Final = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})")
_YEAR_FIRST: Final = re.compile(r"(\d{4})([./])(\d{1,2})\2(\d{1,2})")
_TIME: Final = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?: ?([AaPp])\.?[Mm]\.?)?")
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].*)?|\d{8}T.*")
_ZONE_WORD: Final = re.compile(r" ?(?:UTC|GMT)$")


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(_ZONE_WORD.sub("+00:00", text))


def _iso_strictly(text: str) -> datetime:
    if not _ISO.fullmatch(text):
        raise ValueError(text)
    return _iso(text)


def _digits(text: str) -> datetime:
    if not _DIGITS.fullmatch(text):
        raise ValueError(text)
    return datetime.fromisoformat(f"{text[:8]}T{text[8:]}" if len(text) > 8 else text)


def _dated(day: Callable[[str], date]) -> Parse:
    def parse(text: str) -> datetime:
        first, _, rest = text.strip().partition(" " if " " in text else "T")
        return datetime.combine(day(first.rstrip(",")), _clock(rest))

    return parse


def _clock(text: str) -> time:
    if not text:
        return time()
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    hours, minutes, seconds, fraction, half = found.groups()
    hour = int(hours)
    if half is not None:
        if not 1 <= hour <= 12:
            raise ValueError(text)
        hour = hour % 12 + (12 if half in "pP" else 0)
    return time(hour, int(minutes), int(seconds or 0), int((fraction or "0").ljust(6, "0")[:6]))


def _numbered(pattern: re.Pattern[str], separators: str, year: int, month: int, day: int) -> Callable[[str], date]:
    """Return a parser of dates; rows of one day share the work."""

    @lru_cache(maxsize=8)
    def parse(text: str) -> date:
        found = pattern.fullmatch(text)
        if found is None or found[2] not in separators:
            raise ValueError(text)
        return date(int(found[year]), int(found[month]), int(found[day]))

    return parse


def _epoch(digits_s: int, per_second: int) -> Parse:
    """Return a parser of numbers since 1970; `digits_s` tells seconds from milliseconds by their size."""
    low, high = per_second * 10 ** (digits_s - 1), per_second * 10**digits_s

    def parse(text: str) -> datetime:
        number = float(text.replace(",", "."))
        if not low <= number < high or not _NUMBER.fullmatch(text):
            raise ValueError(text)
        return datetime.fromtimestamp(number / per_second, UTC)

    return parse


def _excel(text: str) -> datetime:
    number = float(text.replace(",", "."))
    if not 20_000.0 <= number < 80_000.0 or not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return _EXCEL_EPOCH + timedelta(milliseconds=round(number * 86_400_000.0))


DAY_FIRST: Final = Format("day/month/year", _dated(_numbered(_DATE, "/-", 4, 3, 1)))
MONTH_FIRST: Final = Format("month/day/year", _dated(_numbered(_DATE, "/-", 4, 1, 3)))

FORMATS: Final = (
    Format("ISO 8601", _iso_strictly),
    Format("year/month/day", _dated(_numbered(_YEAR_FIRST, "/.", 1, 3, 4))),
    Format("day.month.year", _dated(_numbered(_DATE, ".", 4, 3, 1))),
    DAY_FIRST,
    MONTH_FIRST,
    Format("digits YYYYMMDDhhmmss", _digits),
    Format("epoch seconds", _epoch(10, 1)),
    Format("epoch milliseconds", _epoch(10, 1_000)),
    Format("epoch microseconds", _epoch(10, 1_000_000)),
    Format("epoch nanoseconds", _epoch(10, 1_000_000_000)),
    Format("Excel day number", _excel),
)
"""Every format that is told by itself; no text fits two of them but a date that starts with day or month."""

_FAST: Final = {"ISO 8601": Format("ISO 8601", _iso)}
"""Once a format is known, what kept it apart from the others need not be checked on every row."""


def strptime_format(pattern: str) -> Format:
    """Return the format of a strptime pattern."""
    return Format(pattern, lambda text: datetime.strptime(text, pattern))  # noqa: DTZ007 - the zone comes later


def formats_of(text: str) -> tuple[Format, ...]:
    """Return every format that a text fits."""
    return tuple(form for form in FORMATS if form.fits(text))


def told_format(texts: Sequence[str]) -> Format:
    """Return the one format of the stamps of the first rows. Raises: RecordingError with the remedy."""
    fitting = [(text, formats_of(text)) for text in texts]
    known = [(text, forms) for text, forms in fitting if forms]
    if not known:
        raise RecordingError(f"{texts[0]!r} is no time that is known; say how to read it with --time-format %Y...")
    left = [form for form in FORMATS if all(form in forms for _, forms in known)]
    if len(left) == 1:
        _refuse_mixed_zones(left[0], [text for text, _ in known])
        return _FAST.get(left[0].name, left[0])
    text = known[0][0]
    if left:
        raise RecordingError(
            f"{text!r} is ambiguous: day or month first? "
            f"Say it: --time-format '{_pattern(text, '%d', '%m')}' or '{_pattern(text, '%m', '%d')}'"
        )
    apart = ((a, b) for a, ours in known for b, theirs in known if not set(ours) & set(theirs))
    raise RecordingError(mixed(*next(apart, (text, known[-1][0]))))


def mixed(before: str, text: str) -> str:
    """Return the sentence for two formats in one file."""
    return f"mixed time formats: {before!r} and {text!r}; bring the file to one"


def _refuse_mixed_zones(form: Format, texts: Iterable[str]) -> None:
    zoned: dict[bool, str] = {}
    for text in texts:
        zoned.setdefault(form.parse(text).tzinfo is not None, text)
    if len(zoned) == 2:
        raise RecordingError(f"some times have a zone and some have none: {zoned[True]!r} and {zoned[False]!r}")


def _pattern(text: str, first: str, second: str) -> str:
    separator = "-" if "-" in text else "/"
    day, gap, clock = text.partition(" " if " " in text else "T")
    seconds = ":%S" if clock.count(":") == 2 else ""
    half = " %p" if clock[-1:] in "mM" else ""
    hours = (f"{'%I' if half else '%H'}:%M{seconds}{half}") if clock else ""
    return f"{first}{separator}{second}{separator}%Y{gap}{hours}" if day else ""


_BACK: Final = timedelta(minutes=20)
"""A local clock that steps back this far inside the doubled hour was set to winter time."""


def in_utc(form: Format, zone: tzinfo | None) -> Callable[[str], datetime]:
    """Return text -> aware UTC. `zone` None: the texts say it themselves. Raises (the function): ValueError."""
    if zone is None:
        return _zoned(form.parse)
    return _as_utc(form.parse) if zone is UTC else _Local(form.parse, zone)


def _zoned(parse: Callable[[str], datetime]) -> Callable[[str], datetime]:
    def utc(text: str) -> datetime:
        moment = parse(text)
        if moment.tzinfo is None:
            raise ValueError(text)
        return moment if moment.tzinfo is UTC else moment.astimezone(UTC)

    return utc


def _as_utc(parse: Callable[[str], datetime]) -> Callable[[str], datetime]:
    def utc(text: str) -> datetime:
        moment = parse(text)
        if moment.tzinfo is not None:
            raise ValueError(text)
        return moment.replace(tzinfo=UTC)

    return utc


class _Local:
    """Remembers which of the two hours of the change to winter time it is in."""

    def __init__(self, parse: Callable[[str], datetime], zone: tzinfo) -> None:
        self._parse, self._zone = parse, zone
        self._last: datetime | None = None
        self._second = False

    def __call__(self, text: str) -> datetime:
        moment = self._parse(text)
        if moment.tzinfo is not None:
            raise ValueError(text)
        local, later = moment.replace(tzinfo=self._zone), moment.replace(tzinfo=self._zone, fold=1)
        if local.utcoffset() == later.utcoffset():
            self._second = False
        elif self._last is not None and moment <= self._last - _BACK:
            self._second = True
        self._last = moment
        return (later if self._second else local).astimezone(UTC)
