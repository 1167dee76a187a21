"""The neutral carries more current than its conductor is made for: harmonics of electronics add up in it.

Balanced electronic loads put three times the third harmonic of one phase into the neutral, up to 1.7 times the phase
current, and no fuse protects it. Source: IEC 60364-5-52, 523.6 and Annex E (a neutral that carries more than the phases
is to be sized for its own current).
"""

from collections.abc import Iterator
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.electrical.severity import Bands, band
from phasewatch.meters.quantities import CURRENT_N, CURRENTS
from phasewatch.rules.rule import UNKNOWN, Condition, Limit, PointRule, RuleSettings, View

SOURCE: Final = "IEC 60364-5-52"
OVERLOAD_PERCENT: Final[Bands] = ((150.0, "critical"), (120.0, "high"), (0.0, "medium"))
"""By the share of the limit: cables age within hours at 1.2, and burn at 1.5 times their current."""


class Settings(RuleSettings):
    """A rating in amperes, or a share of the largest phase current: a neutral is rarely thicker than a phase."""

    limit_a: float | None = Field(default=None, gt=0)
    """What the neutral may carry; None: `limit_percent` of the largest phase current decides."""
    limit_percent: float = Field(default=100.0, gt=0)
    least_a: float = Field(default=10.0, gt=0)
    """Below this no share of a phase current is an overload."""
    hysteresis_percent: float = Field(default=10.0, ge=0, lt=100)


class NeutralOverload(PointRule[Settings]):
    """Judges the measured neutral current; the currents of the phases alone do not show harmonics."""

    name: ClassVar = "neutral_overload"
    settings_model: ClassVar = Settings
    rank: ClassVar = 130
    judges: ClassVar = "current"
    needs: ClassVar = (frozenset((CURRENT_N,)),)

    def limits(self, view: View) -> tuple[Limit, ...]:
        """Return the highest neutral current; () before the phase currents that decide are read."""
        limit_a, own = self._limit_a(view), self.settings.limit_a is not None
        return () if limit_a is None else (Limit(None, limit_a, "A", None if own else SOURCE, own, "N"),)

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield the one condition of the point; unknown without the current that decides."""
        value_a, limit_a = view.reading.values.get(CURRENT_N), self._limit_a(view)
        if value_a is None or limit_a is None:
            yield UNKNOWN
            return
        clear_a = limit_a * (1.0 - self.settings.hysteresis_percent / 100.0)
        yield Condition(
            value_a > limit_a,
            value_a <= clear_a,
            value=value_a,
            limit=limit_a,
            clear_limit=clear_a,
            unit="A",
            severity=self.settings.severity or band(100.0 * value_a / limit_a, OVERLOAD_PERCENT),
            source=None if self.settings.limit_a is not None else SOURCE,
        )

    def _limit_a(self, view: View) -> float | None:
        """Return the rating, or the share of the largest phase current; None while a phase current is missing."""
        if self.settings.limit_a is not None:
            return self.settings.limit_a
        phases_a = [view.reading.values.get(name) for name in CURRENTS]
        known_a = [abs(current_a) for current_a in phases_a if current_a is not None]
        if len(known_a) < len(phases_a):
            return None
        return max(self.settings.least_a, self.settings.limit_percent / 100.0 * max(known_a))
