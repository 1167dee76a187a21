"""What dips and swells share: they begin when any phase crosses its limit and end when all are back.

Source: IEC 61000-4-30 §5.4 (polyphase events, hysteresis 2 %). Deviation: a poll sees the mean of the meter's window,
so an event is at least as deep and at least as long as it looks, and one between two polls is not seen.

How much a dip or swell matters: what equipment is built to ride through, and how often it happens.

Source: ITI (CBEMA) curve 2000; SEMI F47. Counts begin at 0 with each start of the daemon.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, NamedTuple

from pydantic import Field

from phasewatch.electrical.severity import Severity
from phasewatch.meters.quantities import LN
from phasewatch.rules.aggregates import SlidingReference
from phasewatch.rules.rule import UNKNOWN, Condition, LivePhase, RuleSettings, Share, View, live_phases

HYSTERESIS_PERCENT: Final = 2.0


class Settings(RuleSettings):
    """No delay: an event is told by the first poll that sees it."""

    hysteresis_percent: float | None = Field(default=None, ge=0)
    """Of nominal; None: that of the preset, or 2 %."""
    sliding_reference: bool = False
    """Measure from what the voltage was in the minutes before, not from nominal: where nominal is not the usual."""
    on_delay_s: float = Field(default=0.0, ge=0)
    off_delay_s: float = Field(default=0.0, ge=0)
    on_polls: int = Field(default=1, ge=1)


class Edge(NamedTuple):
    """One phase against its limit."""

    phase: LivePhase
    value_v: float
    limit_v: float
    clear_v: float
    reference_v: float
    beyond_v: float
    """How far beyond the limit; negative inside."""
    back: bool
    """Whether the phase is past the clear limit."""

    @property
    def percent(self) -> float:
        """The value in percent of its reference."""
        return 100.0 * self.value_v / self.reference_v


_beyond_v, _back = attrgetter("beyond_v"), attrgetter("back")


@dataclass(frozen=True, slots=True)
class Polyphase:
    """All phases of a moment against their limits."""

    worst: Edge
    beyond: tuple[str, ...]
    """Names of the phases beyond their limit."""
    breached: bool | None
    cleared: bool | None
    lasted_s: float
    """Since the first poll that saw the event."""
    began: bool
    """Whether this poll is that first one."""
    ended: bool


class VoltageEvent:
    """Follows the events of one direction at one point."""

    def __init__(self, sign: float, settings: Settings) -> None:
        self._sign, self._settings = sign, settings
        self._reference = SlidingReference()
        self._since_s: float | None = None

    def judge(self, view: View, limit: Share, weigh: Callable[[Polyphase, View], Severity]) -> Iterator[Condition]:
        """Yield the one condition of the point: the worst phase; unknown where no phase is read.

        `weigh` is asked for the severity while something happens.
        """
        if not any(view.live_from_start):
            return
        quiet = self.at_rest(view, limit.percent)
        seen = self.look(view, limit.percent) if quiet is None else None
        if seen is None:
            yield UNKNOWN if quiet is None else quiet
            return
        worst = seen.worst
        yield Condition(
            seen.breached,
            seen.cleared,
            value=worst.value_v,
            limit=worst.limit_v,
            clear_limit=worst.clear_v,
            unit="V",
            severity=self._settings.severity or weigh(seen, view),
            source=limit.source,
            detail=", ".join(seen.beyond) or worst.phase.name,
        )

    def at_rest(self, view: View, limit_percent: float) -> Condition | None:
        """Return the condition while nothing happens, which is nearly always; None where `look` has to tell."""
        values, supply = view.reading.values, view.diagnosis.supply
        if self._since_s is not None or self._settings.sliding_reference or supply.system == "high_leg":
            return None
        if not all(view.live_from_start) or any(name not in values for name in LN):
            return None
        phases = [values[name] for name in LN]
        worst_v = min(phases) if self._sign < 0.0 else max(phases)
        limit_v = limit_percent / 100.0 * supply.nominal_v
        clear_v = limit_v - self._sign * self._hysteresis_percent(view) / 100.0 * supply.nominal_v
        if self._sign * (worst_v - clear_v) > 0.0:
            return None
        return Condition(False, True, None, worst_v, limit_v, clear_v, "V")

    def look(self, view: View, limit_percent: float) -> Polyphase | None:
        """Return how the phases stand; None where none is read."""
        phases = live_phases(view)
        edges = list(self._edges(view, phases, limit_percent))
        if not edges:
            return None
        missing = None if len(edges) < len(phases) else False
        beyond = tuple(edge.phase.name for edge in edges if edge.beyond_v > 0.0)
        not_back = not all(map(_back, edges))
        at_s, before_s = view.reading.monotonic_s, self._since_s
        if beyond and before_s is None:
            self._since_s = at_s
        elif not not_back and missing is False:
            self._since_s = None
        self._follow(edges, at_s)
        return Polyphase(
            worst=max(edges, key=_beyond_v),
            beyond=beyond,
            breached=True if beyond else missing,
            cleared=False if not_back else (None if missing is None else True),
            lasted_s=0.0 if self._since_s is None else at_s - self._since_s,
            began=before_s is None and self._since_s is not None,
            ended=before_s is not None and self._since_s is None,
        )

    def _edges(self, view: View, phases: Iterable[LivePhase], limit_percent: float) -> Iterator[Edge]:
        """Yield the phases that are read."""
        sign, sliding = self._sign, self._settings.sliding_reference
        percent = self._hysteresis_percent(view)
        for phase in phases:
            value_v = phase.value_v
            if value_v is None:
                continue
            reference_v = self._reference.of(phase) if sliding else phase.nominal_v
            limit_v = limit_percent / 100.0 * reference_v
            clear_v = limit_v - sign * percent / 100.0 * phase.nominal_v
            beyond_v, back = sign * (value_v - limit_v), sign * (value_v - clear_v) <= 0.0
            yield Edge(phase, value_v, limit_v, clear_v, reference_v, beyond_v, back)

    def _hysteresis_percent(self, view: View) -> float:
        own, preset = self._settings.hysteresis_percent, view.limits.hysteresis
        return own if own is not None else preset.percent if preset is not None else HYSTERESIS_PERCENT

    def _follow(self, edges: list[Edge], at_s: float) -> None:
        """Let the reference follow; an event of the other direction freezes it as well."""
        if not self._settings.sliding_reference:
            return
        far = any(abs(e.value_v - e.reference_v) > abs(e.limit_v - e.reference_v) for e in edges)
        self._reference.follow((edge.phase for edge in edges), at_s, far or self._since_s is not None)


Curve = tuple[tuple[float, float], ...]
"""(percent of nominal, tolerated seconds), the most severe first."""

DIP: Final[Curve] = ((70.0, 0.02), (80.0, 0.5), (90.0, 10.0))
"""Below this share of nominal, equipment rides through this long (ITIC)."""
DIP_INDUSTRY: Final[Curve] = ((50.0, 0.0), (70.0, 0.2), (80.0, 0.5), (90.0, 1.0))
"""The same by SEMI F47."""
SWELL: Final[Curve] = ((140.0, 0.0), (120.0, 0.003), (110.0, 0.5))
"""Above this share of nominal, equipment rides through this long (ITIC)."""

DAY_S: Final = 86_400.0
WEEK_S: Final = 7.0 * DAY_S
MANY_A_DAY: Final = 10
MANY_A_WEEK: Final = 5


def outside_dip(percent: float, lasted_s: float, curve: Curve = DIP) -> bool:
    """Return whether a dip to this share of nominal has lasted longer than a curve tolerates."""
    return next((lasted_s > longest_s for below, longest_s in curve if percent < below), False)


def outside_swell(percent: float, lasted_s: float) -> bool:
    """Return whether a swell to this share of nominal has lasted longer than equipment tolerates."""
    return next((lasted_s > longest_s for above, longest_s in SWELL if percent > above), False)


class Tally:
    """The events of the last week at one point."""

    def __init__(self) -> None:
        self._begun: deque[float] = deque(maxlen=MANY_A_WEEK + 1)
        self._outside: deque[float] = deque(maxlen=MANY_A_DAY + 1)

    def begin(self, at_s: float) -> None:
        """Count an event."""
        self._begun.append(at_s)

    def went_outside(self, at_s: float) -> None:
        """Count an event, once, that equipment need not ride through."""
        self._outside.append(at_s)

    def severity(self, at_s: float, outside: bool, harmful: bool) -> Severity:
        """Return how urgent an event is: one alone that equipment rides through asks nothing of anybody.

        `outside`: beyond any curve; `harmful`: beyond that of ITIC.
        """
        if outside and sum(at_s - one < DAY_S for one in self._outside) > MANY_A_DAY:
            return "critical"
        if harmful:
            return "high"
        return "medium" if sum(at_s - one < WEEK_S for one in self._begun) > MANY_A_WEEK else "low"
