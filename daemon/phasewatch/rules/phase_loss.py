"""One or two phases of the supply are lost; a phase that never was live is configuration, not a loss."""

from collections.abc import Iterator
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.meters.quantities import PHASES
from phasewatch.rules.rule import UNKNOWN, Condition, PointRule, RuleSettings, View

CODES: Final = frozenset(
    (
        "phase_lost",
        "phase_lost_backfed",
        "phase_lost_regenerated",
        "phase_lost_two_stages",
        "mv_phase_lost",
        "two_phases_lost",
    )
)


class Settings(RuleSettings):
    """A gross fault: short delays."""

    on_delay_s: float = Field(default=1.0, ge=0)
    off_delay_s: float = Field(default=5.0, ge=0)
    on_polls: int = Field(default=3, ge=1)


class PhaseLoss(PointRule[Settings]):
    """Judges by the verdict."""

    name: ClassVar = "phase_loss"
    settings_model: ClassVar = Settings
    rank: ClassVar = 30
    root_of: ClassVar = CODES
    by_verdict: ClassVar = True
    holds_judging: ClassVar = frozenset(("voltage",))

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield the one condition of the point."""
        verdict = view.diagnosis.verdict
        phases = view.diagnosis.picture.phase_neutral
        if verdict.code == "not_enough_data" or phases is None:
            yield UNKNOWN
            return
        lost = verdict.code in CODES and lost_while_watched(view)
        yield Condition(
            lost,
            not lost,
            value=min(phases),
            unit="V",
            severity=self.settings.severity or verdict.severity or "high",
        )


def lost_while_watched(view: View) -> bool:
    """Return whether a phase that the verdict names was live here before; another may never have been connected."""
    named = view.diagnosis.verdict.phases
    return any(view.live_from_start[PHASES.index(name.lower())] for name in named)
