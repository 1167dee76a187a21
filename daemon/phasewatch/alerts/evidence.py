"""Evidence: the readings of a point around the onset of an alert, from a minute before to a minute after.

A point's newest readings are kept thin and bounded; an alert takes what is there and collects until its time is over.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from struct import Struct
from typing import Final, NamedTuple

from phasewatch.meters.quantities import CURRENT_N, CURRENTS, LL, LN, LPE, NPE

QUANTITIES: Final = (*LN, *LPE, *LL, NPE, *CURRENTS, CURRENT_N)
SHIFTS: Final = ("neutral_shift_v", "earth_shift_v")
COLUMNS: Final = (*QUANTITIES, *SHIFTS)
"""What a sample keeps of the values that it is offered."""
OFFSET: Final = "offset_s"
"""Column of the time of each sample, in seconds from the onset."""

BEFORE_S: Final = 60.0
AFTER_S: Final = 60.0
MAX_SAMPLES: Final = 600
"""Of one point before an onset, and of one alert after it."""
MAX_OPEN: Final = 500
"""Alerts that collect at the same time; further ones get no evidence, and are counted."""

_SPARE: Final = 0.05
"""A poll may come this share early and is still kept."""
# NaN for what is missing; packed, a sample takes a third of what a tuple of numbers would.
_PACKED: Final = Struct(f"<{len(COLUMNS)}d")


class Sample(NamedTuple):
    """One reading, packed."""

    monotonic_s: float
    packed: bytes


@dataclass(frozen=True, slots=True)
class Evidence:
    """The readings around the onset of one alert."""

    alert_id: str
    subject: str
    rule: str
    at: datetime
    """Wall clock of the onset."""
    samples: Mapping[str, Sequence[float | None]]
    """`offset_s` and each quantity that was ever there: columns of the same length, None where a value is missing."""
    complete: bool = True
    """False if the time after the onset was cut short."""


@dataclass(slots=True, eq=False)
class _Recording:
    point: str
    alert_id: str
    subject: str
    rule: str
    at: datetime
    onset_s: float
    samples: list[Sample]
    room: int

    def evidence(self, *, complete: bool) -> Evidence:
        return Evidence(self.alert_id, self.subject, self.rule, self.at, _columns(self.samples, self.onset_s), complete)


@dataclass(slots=True)
class _Track:
    """The newest samples of one point, and the alerts of it that collect."""

    newest: deque[Sample]
    open: list[_Recording] = field(default_factory=list)


class Recorder:
    """Keeps the newest readings of every point; time is an argument."""

    def __init__(self, before_s: float = BEFORE_S, after_s: float = AFTER_S, max_samples: int = MAX_SAMPLES) -> None:
        self._before_s, self._after_s, self._max_samples = before_s, after_s, max_samples
        self._spacing_s = before_s / max_samples * (1 - _SPARE)
        self._tracks: dict[str, _Track] = {}
        self._open: deque[_Recording] = deque()
        """In the order of their onsets, so the first is due first."""
        self.skipped = 0
        """Alerts without evidence because too many were raised at once."""

    def reading(self, point: str, monotonic_s: float, values: Mapping[str, float]) -> None:
        """Keep a reading of a point; call it with the picture's shifts among the values where there are any."""
        track = self._tracks.get(point) or self._track(point)
        newest = track.newest
        if newest and monotonic_s - newest[-1].monotonic_s < self._spacing_s:
            return
        get = values.get
        sample = Sample(monotonic_s, _PACKED.pack(*[get(name, math.nan) for name in COLUMNS]))
        newest.append(sample)
        while newest[0].monotonic_s < monotonic_s - self._before_s:
            newest.popleft()
        for recording in track.open:
            if recording.room > 0:
                recording.room -= 1
                recording.samples.append(sample)

    def raised(self, point: str, alert_id: str, subject: str, rule: str, at: datetime, monotonic_s: float) -> None:
        """Begin the evidence of an alert of a point, or of a meter of it."""
        track = self._tracks.get(point) or self._track(point)
        if any(recording.alert_id == alert_id for recording in track.open):
            return
        if len(self._open) >= MAX_OPEN:
            self.skipped += 1
            return
        before = [sample for sample in track.newest if sample.monotonic_s >= monotonic_s - self._before_s]
        recording = _Recording(point, alert_id, subject, rule, at, monotonic_s, before, self._max_samples)
        track.open.append(recording)
        self._open.append(recording)

    def due(self, monotonic_s: float) -> list[Evidence]:
        """Return and forget the evidence whose time is over."""
        done = []
        while self._open and monotonic_s - self._open[0].onset_s >= self._after_s:
            done.append(self._end(complete=True))
        return done

    def flush(self) -> list[Evidence]:
        """Return and forget all evidence as far as it came, before the daemon ends."""
        return [self._end(complete=False) for _ in range(len(self._open))]

    def _track(self, point: str) -> _Track:
        return self._tracks.setdefault(point, _Track(deque(maxlen=self._max_samples)))

    def _end(self, *, complete: bool) -> Evidence:
        recording = self._open.popleft()
        self._tracks[recording.point].open.remove(recording)
        return recording.evidence(complete=complete)


def _columns(samples: Sequence[Sample], onset_s: float) -> dict[str, list[float | None]]:
    rows = [_PACKED.unpack(sample.packed) for sample in samples]
    columns: dict[str, list[float | None]] = {OFFSET: [round(sample.monotonic_s - onset_s, 3) for sample in samples]}
    for name, column in zip(COLUMNS, zip(*rows, strict=True), strict=False):
        if not all(map(math.isnan, column)):
            columns[name] = [None if math.isnan(value) else round(value, 3) for value in column]
    return columns
