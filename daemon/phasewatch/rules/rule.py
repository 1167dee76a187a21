"""What a rule is: metadata, settings, limits, and the conditions that it judges from a view of its subject."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, ClassVar, Final, Generic, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from phasewatch.electrical.diagnosis import Diagnosis, diagnose
from phasewatch.electrical.limits import Band, Limits, Threshold
from phasewatch.electrical.severity import Severity
from phasewatch.electrical.supply import SQRT3, Supply
from phasewatch.meters.quantities import LL, LN, LPE, NPE, PHASES, phase_name
from phasewatch.meters.reading import Reading


class Truth(Enum):
    """A condition is three-valued: no data is unknown, and neither breaches nor clears anything."""

    BREACH = "breach"
    CLEAR = "clear"
    UNKNOWN = "unknown"


# Names of their own: to look a member up in its Enum costs more than all else here.
_BREACH, _CLEAR, _UNKNOWN = Truth.BREACH, Truth.CLEAR, Truth.UNKNOWN


class Condition(NamedTuple):
    """What one rule says of one point, or of one phase of it, at one moment."""

    breached: bool | None
    """Beyond the limit; None: cannot be judged."""
    cleared: bool | None
    """Back inside the clear limit; between the two limits an alert stays as it is."""
    phase: str | None = None
    """Slug of the phase this condition is kept for on its own; None: one for the whole point."""
    value: float | None = None
    limit: float | None = None
    clear_limit: float | None = None
    unit: str | None = None
    severity: Severity = "medium"
    source: str | None = None
    """Standard behind the limit; None: a design choice."""
    detail: str | Callable[[], str] | None = None
    """What the rule's sentence names besides its numbers: phases, a measure, an error; a function if it costs time."""

    def said(self) -> str:
        """Return the detail in words."""
        return self.detail() if callable(self.detail) else self.detail or ""

    def truth(self, active: bool) -> Truth:
        """Return the truth for an alert that is (or is not) standing: the hysteresis."""
        if self.breached is None or self.cleared is None:
            return _UNKNOWN
        breach = not self.cleared if active else self.breached
        return _BREACH if breach else _CLEAR


Judged = Literal["voltage", "current", "frequency", "meter", "bus", "daemon"]
Needs = tuple[frozenset[str], ...]
TO_EARTH: Final[Needs] = (frozenset(LPE), frozenset((NPE,)))
"""Either the three phase-to-earth voltages, or neutral to earth."""


class Limit(NamedTuple):
    """A limit in force, in the unit of what is judged; None: no limit on that side."""

    low: float | None
    high: float | None
    unit: str
    source: str | None = None
    """The standard with its clause; None: a design choice, or the user's own."""
    own: bool = False
    """Whether the site file sets it."""
    detail: str = ""
    """What is measured, such as `L–N` or `u2`."""


UNKNOWN = Condition(None, None)
"""A rule that cannot be judged now."""


def margin_v(limit_v: float) -> float:
    """Return the hysteresis of a displacement: 2 V or 20 %, and no more than half the limit."""
    return min(max(2.0, 0.2 * limit_v), 0.5 * limit_v)


class RuleSettings(BaseModel):
    """What every rule can be told; a rule adds its limits."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    enabled: bool = True
    on_delay_s: float = Field(default=60.0, ge=0)
    """Valid time in breach before the alert is raised."""
    off_delay_s: float = Field(default=120.0, ge=0)
    """Valid time inside the clear limit before it is cleared."""
    on_polls: int = Field(default=2, ge=1)
    """Least polls in breach before the alert is raised, however short the delay."""
    severity: Severity | None = None
    """None: by the bands of the value."""
    latch: bool = False
    """Once raised, the alert stands until it is acknowledged, even when its condition is gone."""


@dataclass(frozen=True, slots=True)
class View:
    """What a rule of a point sees: the joined reading, its diagnosis, the limits in force."""

    reading: Reading
    diagnosis: Diagnosis
    limits: Limits
    live_from_start: tuple[bool, bool, bool] = (True, True, True)
    """Whether each phase has ever carried voltage at this point."""
    window_s: float | None = None
    """Longest averaging window of the point's meters; None: not stated."""


def healthy(supply: Supply, limits: Limits, quantities: Iterable[str]) -> View:
    """Return the view of a point that measures these quantities while nothing is wrong: to ask rules for their limits.

    Which limit holds can hang on what is measured.
    """
    nominal = {
        **dict.fromkeys((*LN, *LPE), supply.nominal_v),
        **dict.fromkeys(LL, supply.line_v),
        NPE: 0.0,
    }
    values = {name: nominal[name] for name in quantities if name in nominal}
    return View(Reading("", datetime.min.replace(tzinfo=UTC), 0.0, values, {}), diagnose(values, supply), limits)


class Poll(NamedTuple):
    """What a rule of a meter sees: what came of one poll."""

    reading: Reading | None
    """None: the meter did not answer."""
    at_s: float
    """Monotonic time."""
    refresh_s: float = 1.0
    """How often new values can be expected: the poll interval, or the meter's averaging window if that is longer."""
    failure: str | None = None
    """Why there is no reading."""
    bus_silent: bool = False
    """Whether none of the several meters of its bus answers."""


class BusLoad(NamedTuple):
    """What a rule of a bus sees: what its poller has counted since it began."""

    at_s: float
    """Monotonic time."""
    polls: int
    overruns: int
    """Polls that could not be made because earlier ones took too long."""
    longest_interval_s: float = 1.0
    """Of the meters on the bus."""


class Health(NamedTuple):
    """What a rule of the daemon itself sees: how its journal, its delivery and its clock stand."""

    at_s: float
    """Monotonic time."""
    dropped: int = 0
    """Events that the full outbox has lost since the journal began."""
    dead_letters: int = 0
    """Messages that no broker would ever take, since the journal began."""
    held: tuple[str, ...] = ()
    """Topics that the broker refuses for now."""
    refusal: str | None = None
    """What the broker said last; None: nothing."""
    storage: str | None = None
    """Why the journal is only in memory; None while it is on the disk."""
    clock_synchronised: bool | None = True
    """None: nothing here knows."""


Seen = TypeVar("Seen", contravariant=True)


class RuleOf(Protocol[Seen]):
    """One rule at one subject. `name`, the file's name and the topic segment are the same word."""

    @property
    def name(self) -> str:
        """The name; of a rule that the user wrote, the one in the site file."""
        ...

    @property
    def settings(self) -> RuleSettings:
        """The settings in force at this subject."""
        ...

    def judge(self, seen: Seen, /) -> Iterable[Condition]:
        """Return the rule's conditions: none where the rule has no meaning."""
        ...


@runtime_checkable
class Learner(Protocol):
    """What a rule offers beside, if it learns something that a restart must not forget."""

    changed: bool
    """Set when `state` has changed; what journals it clears it."""

    def state(self) -> dict[str, Any]:
        """Return what was learned, small and as JSON can hold it."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; from one that cannot be read, begin again."""
        ...


Rule = RuleOf[View]
"""A rule at one point, built in or written by the user."""

S = TypeVar("S", bound=RuleSettings)


class BuiltIn(ABC, Generic[S]):
    """What every built-in rule carries; all else that names rules is derived from it."""

    name: ClassVar[str]
    """The file's name, the key in site files, the segment in topics."""
    settings_model: ClassVar[type[RuleSettings]]
    rank: ClassVar[int]
    """Rules of one subject are judged in this order, causes first; a rule is never held by one of a higher rank."""
    judges: ClassVar[Judged] = "voltage"
    needs: ClassVar[Needs] = (frozenset(),)
    """Sets of quantities beside the phase voltages: without one whole set the rule judges nothing."""
    by_phase: ClassVar[bool] = False
    """Whether each phase has an alert of its own."""
    root_of: ClassVar[frozenset[str]] = frozenset()
    """Verdict codes that this rule raises."""
    by_verdict: ClassVar[bool] = False
    """Whether the rule breaches only under a verdict of `root_of`: two such rules never breach at once."""
    holds: ClassVar[frozenset[str]] = frozenset()
    """Rules that the alert explains, by name."""
    holds_judging: ClassVar[frozenset[Judged]] = frozenset()
    """The same by what they judge."""

    def __init__(self, settings: S) -> None:
        self.settings = settings


class PointRule(BuiltIn[S]):
    """A built-in rule at one point."""

    def limits(self, view: View) -> tuple[Limit, ...]:  # noqa: ARG002  what a rule with limits reads
        """Return the limits that `judge` holds a point to; () for a rule without a fixed one.

        A view without readings gives those of an ordinary poll.
        """
        return ()

    @abstractmethod
    def judge(self, view: View, /) -> Iterable[Condition]:
        """Return the rule's conditions: none where the rule has no meaning."""


class MeterRule(BuiltIn[S]):
    """A built-in rule at one meter."""

    judges: ClassVar[Judged] = "meter"

    @abstractmethod
    def judge(self, poll: Poll, /) -> Iterable[Condition]:
        """Return the rule's conditions."""


class BusRule(BuiltIn[S]):
    """A built-in rule at one bus."""

    judges: ClassVar[Judged] = "bus"

    @abstractmethod
    def judge(self, load: BusLoad, /) -> Iterable[Condition]:
        """Return the rule's conditions."""


class DaemonRule(BuiltIn[S]):
    """A built-in rule at the daemon itself."""

    judges: ClassVar[Judged] = "daemon"

    @abstractmethod
    def judge(self, health: Health, /) -> Iterable[Condition]:
        """Return the rule's conditions."""


class LivePhase(NamedTuple):
    """One phase to neutral."""

    slug: str
    value_v: float | None
    """None: not read."""
    nominal_v: float

    @property
    def name(self) -> str:
        """Name shown to people."""
        return phase_name(self.slug)


def live_phases(view: View) -> list[LivePhase]:
    """Return the phases of a point; the high leg of a delta has sqrt3 of the others' nominal voltage."""
    nominal_v, values = view.diagnosis.supply.nominal_v, view.reading.values
    if view.diagnosis.supply.system != "high_leg":
        return [
            LivePhase(slug, values.get(name), nominal_v)
            for slug, name, live in zip(PHASES, LN, view.live_from_start, strict=True)
            if live
        ]
    high = max(LN, key=lambda name: values.get(name, 0.0))
    return [
        LivePhase(slug, values.get(name), SQRT3 * nominal_v if name == high else nominal_v)
        for slug, name, live in zip(PHASES, LN, view.live_from_start, strict=True)
        if live
    ]


class Allowed(NamedTuple):
    """The band that a rule holds a quantity to."""

    band: Band
    source: str | None
    """The standard behind it; None where it is not the preset's alone."""
    own: bool

    def limit(self, nominal: float, unit: str, detail: str = "") -> Limit:
        """Return the band as a limit in the unit of nominal."""
        return Limit(*self.band.bounds(nominal), unit, self.source, self.own, detail)


def allowed_band(
    preset: Band | None, built_in: Band, lower_percent: float | None, upper_percent: float | None
) -> Allowed:
    """Return the band in force: the user's own sides over the preset's, over what is built in."""
    if lower_percent is None and upper_percent is None:
        return Allowed(preset or built_in, None if preset is None else preset.source, own=False)
    sides = {"lower_percent": lower_percent, "upper_percent": upper_percent}
    given = {side: percent for side, percent in sides.items() if percent is not None}
    return Allowed((preset or built_in).model_copy(update=given), None, own=True)


class Share(NamedTuple):
    """The share of a reference at which an event begins, and whose number that is."""

    percent: float
    source: str | None
    own: bool = False

    def below(self, nominal_v: float) -> Limit:
        """Return the limit of an event that begins below it."""
        return Limit(self.percent / 100.0 * nominal_v, None, "V", self.source, self.own, "L–N")

    def above(self, nominal_v: float) -> Limit:
        """Return the limit of an event that begins above it."""
        return Limit(None, self.percent / 100.0 * nominal_v, "V", self.source, self.own, "L–N")


def share_in_force(own: float | None, preset: Threshold | None, built_in: float) -> Share:
    """Return the user's own limit, else the preset's, else the built-in one, in percent."""
    if own is not None:
        return Share(own, None, own=True)
    return Share(built_in, None) if preset is None else Share(preset.percent, preset.source)
