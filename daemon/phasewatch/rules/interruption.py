"""No phase carries voltage: starts when all are below the limit, ends when any is back.

Source: IEC 61000-4-30 (polyphase interruption; hysteresis 2 %).
"""

from collections.abc import Iterator
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.rules.rule import (
    UNKNOWN,
    Condition,
    Limit,
    PointRule,
    RuleSettings,
    Share,
    View,
    live_phases,
    share_in_force,
)

LIMIT_PERCENT: Final = 5.0


class Settings(RuleSettings):
    """The limit in percent of nominal; None: that of the preset, or 5 %."""

    limit_percent: float | None = Field(default=None, gt=0, lt=90)
    hysteresis_percent: float = Field(default=2.0, ge=0)
    on_delay_s: float = Field(default=0.0, ge=0)
    off_delay_s: float = Field(default=2.0, ge=0)
    on_polls: int = Field(default=1, ge=1)


class Interruption(PointRule[Settings]):
    """Judges the highest phase."""

    name: ClassVar = "interruption"
    settings_model: ClassVar = Settings
    rank: ClassVar = 10
    root_of: ClassVar = frozenset(("interruption",))
    holds_judging: ClassVar = frozenset(("voltage", "frequency"))

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield the one condition of the point; what never was live is not interrupted."""
        phases = live_phases(view)
        if not phases:
            yield Condition(False, False)
            return
        known = [phase.value_v for phase in phases if phase.value_v is not None]
        if not known:
            yield UNKNOWN
            return
        nominal_v = view.diagnosis.supply.nominal_v
        limit = self._share(view)
        limit_v = limit.percent / 100.0 * nominal_v
        clear_v = limit_v + self.settings.hysteresis_percent / 100.0 * nominal_v
        highest_v, complete = max(known), len(known) == len(phases)
        gone = highest_v < limit_v and not _carried_elsewhere(view, limit_v)
        back = highest_v >= clear_v
        # A phase that is not read may be the one that still carries voltage.
        yield Condition(
            gone if complete or not gone else None,
            back if complete or back else None,
            value=highest_v,
            limit=limit_v,
            clear_limit=clear_v,
            unit="V",
            severity=self.settings.severity or "high",
            source=limit.source,
        )

    def limits(self, view: View) -> tuple[Limit, ...]:
        """Return the lowest voltage that is none."""
        return (self._share(view).below(view.diagnosis.supply.nominal_v),)

    def _share(self, view: View) -> Share:
        return share_in_force(self.settings.limit_percent, view.limits.interruption, LIMIT_PERCENT)


def _carried_elsewhere(view: View, limit_v: float) -> bool:
    """Return whether other readings show voltage: then the meter lost its neutral or its inputs, not the supply."""
    picture = view.diagnosis.picture
    line, phase_earth = picture.line, picture.phase_earth
    if line is not None and max(line) > 2.0 * limit_v:
        return True
    return phase_earth is not None and max(phase_earth) >= 0.5 * view.diagnosis.supply.nominal_v
