"""Local times of a recording in UTC, through the hour that autumn has twice."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from phasewatch.replay.stamps import Format

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
