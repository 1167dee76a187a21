"""The last hour and the last day of each point, thinned, in bounded memory; time is an argument.

What goes on in a slot is kept as its lowest, mean and highest value. A slot without readings stays empty.
"""

import math
from array import array
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from phasewatch.meters.quantities import LN

Span = Literal["hour", "day"]
SPANS: Final[tuple[Span, ...]] = get_args(Span)

QUANTITIES: Final = (*LN, "neutral_shift_v", "earth_shift_v")
"""What is kept of the values that are offered."""
PARTS: Final = ("low", "mean", "high")
SLOT_S: Final[Mapping[Span, float]] = {"hour": 10.0, "day": 300.0}
SLOTS: Final[Mapping[Span, int]] = {"hour": 360, "day": 288}

_FOLDED: Final = round(SLOT_S["day"] / SLOT_S["hour"])
"""Slots of the hour in one of the day."""
_DIGITS: Final = 2


@dataclass(slots=True)
class _Pile:
    """What has been read of one quantity in a slot that is not over."""

    low: float = math.inf
    high: float = -math.inf
    sum: float = 0.0
    count: int = 0

    def add(self, low: float, mean: float, high: float, count: int) -> None:
        if low < self.low:
            self.low = low
        if high > self.high:
            self.high = high
        self.sum += count * mean
        self.count += count

    @property
    def parts(self) -> tuple[float, float, float]:
        return (self.low, self.sum / self.count, self.high) if self.count else (math.nan,) * 3


class _Ring:
    """The slots of one quantity over one span; single precision is finer than any meter."""

    __slots__ = ("_cells", "_newest")

    def __init__(self, slots: int) -> None:
        self._newest = -1
        self._cells = array("f", [math.nan] * (3 * slots))

    @property
    def _slots(self) -> int:
        return len(self._cells) // 3

    def put(self, slot: int, parts: tuple[float, float, float]) -> None:
        """Keep a slot that is over; those that were passed over are empty."""
        slots = self._slots
        if self._newest < 0 or slot - self._newest > slots:
            self._newest = slot - slots
        for passed in range(self._newest + 1, slot + 1):
            place = 3 * (passed % slots)
            self._cells[place : place + 3] = _EMPTY if passed < slot else array("f", parts)
        self._newest = slot

    def window(self, first: int, count: int) -> "array[float]":
        """Return the cells of so many slots in a row; NaN for those that are not kept."""
        found, slots = array("f", _EMPTY * count), self._slots
        start, end = max(first, self._newest - slots + 1, 0), min(first + count, self._newest + 1)
        while start < end:
            place = start % slots
            length = min(end - start, slots - place)
            found[3 * (start - first) : 3 * (start - first + length)] = self._cells[3 * place : 3 * (place + length)]
            start += length
        return found


_EMPTY: Final = array("f", [math.nan] * 3)


class _Track:
    """One quantity of one point."""

    __slots__ = ("_day", "_days", "_hour", "_hours", "_slot")

    def __init__(self, slot: int) -> None:
        self._slot = slot
        """The slot of the hour that is not over."""
        self._hour, self._day = _Pile(), _Pile()
        self._hours, self._days = _Ring(SLOTS["hour"]), _Ring(SLOTS["day"])

    def add(self, slot: int, value: float) -> None:
        if slot > self._slot:
            self._close(slot)
        self._hour.add(value, value, value, 1)

    def _close(self, slot: int) -> None:
        """Begin a slot; keep the one that was open."""
        if self._hour.count:
            parts = self._hour.parts
            self._hours.put(self._slot, parts)
            self._day.add(*parts, self._hour.count)
            self._hour = _Pile()
        if slot // _FOLDED > self._slot // _FOLDED and self._day.count:
            self._days.put(self._slot // _FOLDED, self._day.parts)
            self._day = _Pile()
        self._slot = slot

    def window(self, span: Span, first: int, count: int) -> "array[float]":
        """Return lowest, mean and highest value of each slot; NaN for what was not read."""
        hour = span == "hour"
        found = (self._hours if hour else self._days).window(first, count)
        open_slot = (self._slot if hour else self._slot // _FOLDED) - first
        if 0 <= open_slot < count:
            found[3 * open_slot : 3 * open_slot + 3] = array("f", self._hour.parts if hour else self._today())
        return found

    def _today(self) -> tuple[float, float, float]:
        """Return what is in the slot of the day that is not over."""
        whole, hour = replace(self._day), self._hour
        if hour.count:
            whole.add(*hour.parts, hour.count)
        return whole.parts


class History:
    """What every point of a daemon has read lately; in memory only."""

    def __init__(self) -> None:
        self._points: dict[str, dict[str, _Track]] = {}

    def reading(self, point: str, monotonic_s: float, values: Mapping[str, float]) -> None:
        """Keep a reading of a point; call it with the picture's shifts among the values where there are any."""
        tracks = self._points.setdefault(point, {})
        slot = int(monotonic_s // SLOT_S["hour"])
        for name in QUANTITIES:
            value = values.get(name)
            if value is None or not math.isfinite(value):
                continue
            track = tracks.get(name)
            if track is None:
                track = tracks[name] = _Track(slot)
            track.add(slot, value)

    def trend(self, point: str, span: Span, now_s: float) -> dict[str, Any]:
        """Return columns: `t_s`, seconds before now of the middle of each slot, and low, mean and high of quantities.

        None stands where nothing was read; a quantity that was never read has no columns.
        """
        width_s, count = SLOT_S[span], SLOTS[span]
        last = int(now_s // width_s)
        slots = range(last - count + 1, last + 1)
        tracks = self._points.get(point, {})
        return {
            "span": span,
            "slot_s": width_s,
            "t_s": [round((slot + 0.5) * width_s - now_s, 1) for slot in slots],
            "quantities": {name: _columns(tracks[name], span, slots) for name in QUANTITIES if name in tracks},
        }

    def keep(self, points: Collection[str]) -> None:
        """Forget every other point."""
        for gone in self._points.keys() - set(points):
            del self._points[gone]


def _columns(track: _Track, span: Span, slots: range) -> dict[str, list[float | None]]:
    cells = track.window(span, slots.start, len(slots))
    return {
        part: [None if value != value else round(value, _DIGITS) for value in cells[place::3]]
        for place, part in enumerate(PARTS)
    }
