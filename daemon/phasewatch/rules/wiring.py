"""Readings that no supply makes: swapped, bridged, wrongly scaled or impossible; and supplies of another kind."""

from collections.abc import Iterator
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.rules.phase_loss import CODES as LOST
from phasewatch.rules.phase_loss import lost_while_watched
from phasewatch.rules.rule import UNKNOWN, Condition, PointRule, RuleSettings, View

CODES: Final = frozenset(
    (
        "inputs_on_one_phase",
        "impossible_triangle",
        "neutral_swapped",
        "line_voltage_in_phase_registers",
        "scale_mismatch",
        "impossible_point",
        "split_phase",
        "high_leg_delta",
        "single_phase",
    )
)


class Settings(RuleSettings):
    """Five bad polls in, a minute of good ones out: registers of different moments look wrong for one poll."""

    on_delay_s: float = Field(default=5.0, ge=0)
    off_delay_s: float = Field(default=60.0, ge=0)
    on_polls: int = Field(default=5, ge=1)


class Wiring(PointRule[Settings]):
    """Judges by the verdict."""

    name: ClassVar = "wiring"
    settings_model: ClassVar = Settings
    rank: ClassVar = 20
    root_of: ClassVar = CODES
    by_verdict: ClassVar = True
    holds_judging: ClassVar = frozenset(("voltage",))

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield the one condition of the point."""
        code = view.diagnosis.verdict.code
        if code == "not_enough_data":
            yield UNKNOWN
            return
        wrong = code in CODES or (code in LOST and not lost_while_watched(view))
        yield Condition(wrong, not wrong, severity=self.settings.severity or "medium")
