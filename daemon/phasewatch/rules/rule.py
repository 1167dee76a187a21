"""What a rule is: settings, and conditions judged from a view of one point."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field

from phasewatch.electrical.limits import Limits
from phasewatch.electrical.severity import Severity
from phasewatch.electrical.verdict import Diagnosis
from phasewatch.meters.reading import Reading


class Truth(Enum):
    """A condition is three-valued: no data is unknown, and neither breaches nor clears anything."""

    BREACH = "breach"
    CLEAR = "clear"
    UNKNOWN = "unknown"


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

    def truth(self, active: bool) -> Truth:
        """Return the truth for an alert that is (or is not) standing: the hysteresis."""
        if self.breached is None or self.cleared is None:
            return Truth.UNKNOWN
        breach = not self.cleared if active else self.breached
        return Truth.BREACH if breach else Truth.CLEAR


UNKNOWN = Condition(None, None)
"""A rule that cannot be judged now."""


def margin_v(limit_v: float) -> float:
    """Return the hysteresis of a displacement: 2 V or 20 %, and no more than half the limit."""
    return min(max(2.0, 0.2 * limit_v), 0.5 * limit_v)


class RuleSettings(BaseModel):
    """What every rule can be told; a rule adds its limits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    on_delay_s: float = Field(default=60.0, ge=0)
    """Valid time in breach before the alert is raised."""
    off_delay_s: float = Field(default=120.0, ge=0)
    """Valid time inside the clear limit before it is cleared."""
    on_polls: int = Field(default=2, ge=1)
    """Least polls in breach before the alert is raised, however short the delay."""
    severity: Severity | None = None
    """None: by the bands of the value."""


@dataclass(frozen=True, slots=True)
class View:
    """What a rule of a point sees: the joined reading, its diagnosis, the limits in force."""

    reading: Reading
    diagnosis: Diagnosis
    limits: Limits
    live_from_start: tuple[bool, bool, bool] = (True, True, True)
    """Whether each phase has ever carried voltage at this point."""


class Rule(Protocol):
    """One rule at one point. `name`, the file's name and the topic segment are the same word."""

    name: ClassVar[str]

    @property
    def settings(self) -> RuleSettings:
        """The settings in force at this point."""
        ...

    def judge(self, view: View) -> Iterable[Condition]:
        """Return the rule's conditions: none where the rule has no meaning."""
        ...
