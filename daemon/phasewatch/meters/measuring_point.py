"""A measuring point: the readings of one or more meters, joined into what the diagnosis sees.

Hardly any meter has a register for earth, so what is diagnosed is a point, not a meter. Values of several meters
make one picture only while they are steady: across a step, one meter shows the time before it and one after.

Whether the meters of one point can be on one point: what two of them measure must be the same.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final, Literal, TypeVar

from phasewatch.meters.profile import ASSUMED_ACCURACY_PERCENT
from phasewatch.meters.quantities import CURRENTS, LL, LN, LPE, NPE, PHASES, VOLTAGES
from phasewatch.meters.reading import Reading

HIDDEN_V: Final = 28.5
"""A register that reads exactly 0 may hide up to this: some meters show nothing below their starting voltage."""
_COMPARED: Final = frozenset((*LN, *LL, *LPE))  # neutral to earth is mostly harmonics and pick-up


@dataclass(frozen=True, slots=True)
class PointReadings:
    """What one meter says, in the names of its point."""

    meter: str
    accuracy_percent: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One quantity that two meters of a point do not agree on."""

    quantity: str
    first: str
    first_v: float
    second: str
    second_v: float


def contradiction(parts: Iterable[PointReadings], drift_v: float) -> Contradiction | None:
    """Return the worst contradiction; None where all agree within their classes.

    `drift_v`: how far two steady readings may have moved apart.
    """
    found = _contradictions(parts, drift_v)
    return max(found, key=lambda one: (abs(one.first_v - one.second_v), one.quantity), default=None)


def _contradictions(parts: Iterable[PointReadings], drift_v: float) -> Iterator[Contradiction]:
    said: dict[str, PointReadings] = {}
    for part in parts:
        for name in part.values.keys() & _COMPARED:
            first = said.setdefault(name, part)
            if first is part:
                continue
            a_v, b_v = first.values[name], part.values[name]
            apart_v = abs(a_v - b_v)
            if apart_v > drift_v and apart_v > _tolerance_v(first, part, name, drift_v):
                yield Contradiction(name, first.meter, a_v, part.meter, b_v)


def _tolerance_v(first: PointReadings, second: PointReadings, name: str, drift_v: float) -> float:
    a_v, b_v = first.values[name], second.values[name]
    classes_v = (first.accuracy_percent * a_v + second.accuracy_percent * b_v) / 100.0
    return max(classes_v + drift_v, HIDDEN_V if 0.0 in (a_v, b_v) else 0.0)


T = TypeVar("T")

Wiring = Literal["three_phase", "neutral_on_pe", "n_pe", "l1", "l2", "l3"]

STEADY: Final = 0.015
"""A voltage that moved by more than this share of nominal since it last stood still is not steady."""
UNSTEADY_S: Final = 10.0
UNSTEADY_POLLS: Final = 5
"""After this long, and this many polls, without a steady moment the medians of the time are judged: an arcing neutral
never settles."""
CLOSE_ENOUGH: Final = 1.5
"""Readings of two meters belong together within this many poll intervals."""

NOT_STEADY: Final = "not_steady"
"""The meters of the point have not stood still together yet."""
APART: Final = "too_far_apart"
"""Its meter was read at too different a time."""
SILENT: Final = "no_reading"
"""Its meter gives no reading, or gave none for long."""
CONTRADICTED: Final = "contradicts"
"""The meters of the point do not agree on what they both measure."""

_VOLTAGES: Final = frozenset(VOLTAGES)


@dataclass(frozen=True, slots=True)
class Member:
    """One meter of a point, and what its terminals are on."""

    meter: str
    wiring: Wiring = "three_phase"
    phases: tuple[str, str, str] = PHASES
    """The phase that each of the meter's inputs is really on."""
    vt_ratio: float = 1.0
    interval_s: float = 1.0
    window_s: float | None = None
    """Averaging window of the meter; None: not stated."""
    accuracy_percent: float = ASSUMED_ACCURACY_PERCENT


@dataclass(frozen=True, slots=True)
class Joined:
    """One moment of a point."""

    reading: Reading
    """Everything that is known, source = the point."""
    geometry: Mapping[str, float]
    """The values that belong to one picture."""
    unjudged: Mapping[str, str] = field(default_factory=dict)
    """Voltage that some meter measures and the picture is drawn without -> why, one of the reasons above."""
    contradiction: Contradiction | None = None
    """What the meters do not agree on; None: nothing, or nothing that can be compared."""


def translation(member: Member) -> dict[str, tuple[str, float]]:
    """Return meter quantity -> (point quantity, factor) for one member; what is not in it is of no use there."""
    if member.wiring in PHASES:
        return _single_phase(member)
    if member.wiring == "n_pe":
        return {NPE: (NPE, member.vt_ratio), LN[0]: (NPE, member.vt_ratio)}
    renamed = {name: _renamed(name, member.phases) for name in (*LN, *LL, *LPE)}
    if member.wiring == "neutral_on_pe":
        renamed.update({name: _renamed(name, member.phases).replace("_n", "_pe") for name in LN})
        renamed[NPE] = NPE  # a fourth voltage input, on N, reads it against the terminal that is on PE
        return {name: (target, member.vt_ratio) for name, target in renamed.items() if name not in LPE}
    table = {name: (target, member.vt_ratio) for name, target in renamed.items()}
    table[NPE] = (NPE, member.vt_ratio)
    for family in ("current_{}", "active_power_{}", "thd_voltage_{}"):
        for own, real in zip(PHASES, member.phases, strict=True):
            table[family.format(own)] = (family.format(real), 1.0)
    for name in ("current_n", "residual_current", "frequency", "active_power_total"):
        table[name] = (name, 1.0)
    return table


def _single_phase(member: Member) -> dict[str, tuple[str, float]]:
    phase = member.wiring
    return {
        LN[0]: (f"voltage_{phase}_n", member.vt_ratio),
        CURRENTS[0]: (f"current_{phase}", 1.0),
        "active_power_l1": (f"active_power_{phase}", 1.0),
        "frequency": ("frequency", 1.0),
    }


def _renamed(name: str, phases: Sequence[str]) -> str:
    """Return a voltage's name on the phases its inputs are really on: voltage_l1_l2 -> voltage_l3_l1."""
    real = dict(zip(PHASES, phases, strict=True))
    first, second = name.removeprefix("voltage_").split("_")
    first, second = real.get(first, first), real.get(second, second)
    forward, back = f"voltage_{first}_{second}", f"voltage_{second}_{first}"
    return forward if forward in VOLTAGES else back


@dataclass(slots=True)
class _Track:
    """What one member said last."""

    member: Member
    table: dict[str, tuple[str, float]]
    values: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    at_s: float | None = None
    stood: dict[str, float] = field(default_factory=dict)
    """The values of the last step."""
    moved_s: float = 0.0
    """When that was."""
    past: deque[tuple[float, dict[str, float]]] = field(default_factory=deque)

    def take(self, reading: Reading, step_v: float) -> None:
        values, table = {}, self.table
        for name, value in reading.values.items():
            if name in table:
                target, factor = table[name]
                values[target] = value if factor == 1.0 else value * factor
        stood = self.stood
        if not stood or any(
            abs(value - stood.get(name, value)) > step_v for name, value in values.items() if name in _VOLTAGES
        ):
            self.stood, self.moved_s = values, reading.monotonic_s
        self.missing = {self.table[name][0]: why for name, why in reading.missing.items() if name in self.table}
        self.values, self.at_s = values, reading.monotonic_s

    def fresh(self, at_s: float, interval_s: float) -> bool:
        longest_s = CLOSE_ENOUGH * max(interval_s, self.member.interval_s)
        return self.at_s is not None and at_s - self.at_s <= longest_s

    def said(self) -> PointReadings:
        return PointReadings(self.member.meter, self.member.accuracy_percent, self.values)

    def voltages(self) -> Iterator[str]:
        """Yield the voltages that it is known to measure; before it has said any, those its wiring promises."""
        if self.values:
            yield from (name for name in self.values if name in _VOLTAGES)
        else:
            yield from (target for name, (target, _) in self.table.items() if name in LN)

    def remember(self, span_s: float) -> None:
        if self.at_s is None:
            return
        self.past.append((self.at_s, self.values))
        while self.past and self.past[0][0] < self.at_s - span_s:
            self.past.popleft()

    def medians(self) -> dict[str, float]:
        return {
            name: median(values[name] for _, values in self.past if name in values)
            for name in self.values
            if name in _VOLTAGES
        }


class MeasuringPoint:
    """Keeps the last reading of each member and joins them."""

    def __init__(self, name: str, members: Sequence[Member], nominal_v: float) -> None:
        self.name = name
        # The meter of the phases leads and is believed first, wherever it stands in the site file.
        self.members = tuple(sorted(members, key=lambda member: member.wiring != "three_phase"))
        self._step_v = STEADY * nominal_v
        self._tracks = {member.meter: _Track(member, translation(member)) for member in self.members}
        self._unsteady_since_s: float | None = None
        self._unsteady_s = max(UNSTEADY_S, UNSTEADY_POLLS * max(member.interval_s for member in members))

    def feed(self, reading: Reading) -> Joined | None:
        """Take one meter's reading; return the joined moment, or None while an earlier member leads."""
        track = self._tracks[reading.source]
        track.take(reading, self._step_v)
        if len(self._tracks) == 1:
            alone = Reading(self.name, reading.at, reading.monotonic_s, track.values, track.missing)
            return Joined(alone, track.values)
        track.remember(self._unsteady_s)
        return self._join(reading) if self._leads(track, reading.monotonic_s) else None

    def _leads(self, track: _Track, at_s: float) -> bool:
        for other in self._tracks.values():
            if other is track:
                return True
            if other.fresh(at_s, track.member.interval_s):
                return False
        return True

    def _join(self, reading: Reading) -> Joined:
        lead = self._tracks[reading.source]
        fresh = [t for t in self._tracks.values() if t.fresh(reading.monotonic_s, lead.member.interval_s)]
        values, missing = _merged([t.values for t in fresh]), _merged([t.missing for t in fresh])
        missing = {name: why for name, why in missing.items() if name not in values}
        joined = Reading(self.name, reading.at, reading.monotonic_s, values, missing)
        geometry, clash = self._geometry(lead, fresh, values, reading.monotonic_s)
        if geometry is values and len(fresh) == len(self._tracks):
            return Joined(joined, geometry)
        reasons = dict.fromkeys((track.member.meter for track in fresh), CONTRADICTED if clash else NOT_STEADY)
        return Joined(joined, geometry, self._unjudged(geometry, reasons, reading.monotonic_s), clash)

    def _unjudged(self, geometry: Mapping[str, float], reasons: Mapping[str, str], at_s: float) -> dict[str, str]:
        """Return what the picture is drawn without; `reasons`: meter -> why, of those that were read in time."""
        unjudged: dict[str, str] = {}
        for meter, track in self._tracks.items():
            late = track.at_s is not None and at_s - track.at_s <= self._unsteady_s
            why = reasons.get(meter, APART if late else SILENT)
            unjudged.update((name, why) for name in track.voltages() if name not in geometry)
        return unjudged

    def _geometry(
        self, lead: _Track, fresh: Sequence[_Track], values: dict[str, float], at_s: float
    ) -> tuple[Mapping[str, float], Contradiction | None]:
        """Return the values that belong together, and what speaks against taking those of all meters."""
        if _steady(fresh):
            self._unsteady_since_s = None
            clash = contradiction([track.said() for track in fresh], 2.0 * self._step_v) if len(fresh) > 1 else None
            return (values if clash is None else lead.values), clash
        if self._unsteady_since_s is None:
            self._unsteady_since_s = at_s
        if at_s - self._unsteady_since_s <= self._unsteady_s:
            return lead.values, None
        return {**values, **_merged([track.medians() for track in fresh])}, None


def _steady(tracks: Sequence[_Track]) -> bool:
    """Return whether every meter has been asked since the last step that any of them saw, and saw none again."""
    last_step_s = max(track.moved_s for track in tracks)
    return all(track.at_s is not None and track.moved_s < track.at_s >= last_step_s for track in tracks)


def _merged(parts: Sequence[dict[str, T]]) -> dict[str, T]:
    """Return one mapping; the first member to say a quantity is believed."""
    merged: dict[str, T] = {}
    for part in reversed(parts):
        merged.update(part)
    return merged
