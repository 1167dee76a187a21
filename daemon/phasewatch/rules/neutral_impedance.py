"""The neutral shift follows the load more steeply than it used to: a neutral that loosens, long before a limit breaks.

Learned from the point's own first days; nothing absolute is judged, since long feeders have more impedance than short.
"""

from typing import Any, ClassVar, Final

from pydantic import Field

from phasewatch.electrical.neutral_impedance import ALARM, LEAST_SAMPLES, SLACK, Drift, SlopeBlock, sample
from phasewatch.meters.quantities import CURRENTS
from phasewatch.rules.rule import UNKNOWN, Condition, PointRule, RuleSettings, View

BLOCK_S: Final = 600.0
DAY_S: Final = 86400.0
"""Without an estimate for this long there is nothing to judge."""
NOT_JUDGED: Final = frozenset(("three_wire", "split_phase", "high_leg", "single_phase"))
"""Systems without a neutral in the middle of three phases."""
SOUND: Final = frozenset(
    (
        "normal",
        "neutral_high_resistance",
        "neutral_open",
        "pen_open",
        "single_phase_overload",
        "supply_unbalance",
        "overvoltage",
        "undervoltage",
        "earth_displaced",
        "earth_fault_solid",
        "neutral_earth_harmonics",
    )
)
"""Verdicts under which the readings are of a live, correctly wired triangle."""


class Settings(RuleSettings):
    """How long to learn, and the growth that is an alert whatever the noise; the sum is judged beside it."""

    learn_days: float = Field(default=7.0, gt=0, le=60)
    """Days of valid data."""
    limit_ratio: float = Field(default=2.0, gt=1)
    """Present slope over the learned one."""
    on_delay_s: float = Field(default=0.0, ge=0)
    off_delay_s: float = Field(default=3600.0, ge=0)
    on_polls: int = Field(default=1, ge=1)


class NeutralImpedance(PointRule[Settings]):
    """Learns the slope of the neutral shift against the load, block by block, and judges its drift."""

    name: ClassVar = "neutral_impedance"
    settings_model: ClassVar = Settings
    rank: ClassVar = 120
    needs: ClassVar = (frozenset(CURRENTS),)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.changed = False
        """Set when `state` has changed, for the journal to keep over a restart."""
        self._block = SlopeBlock()
        self._drift = self._new_drift()
        self._began_s: float | None = None
        self._estimated_s: float | None = None
        self._conditions: tuple[Condition, ...] = (UNKNOWN,)

    def _new_drift(self) -> Drift:
        return Drift(round(self.settings.learn_days * DAY_S / BLOCK_S))

    def judge(self, view: View) -> tuple[Condition, ...]:
        """Return the one condition of the point; unknown while learning, and without load to learn from."""
        diagnosis = view.diagnosis
        if diagnosis.supply.system in NOT_JUDGED:
            return ()
        neutral = diagnosis.picture.neutral
        if neutral is None or diagnosis.verdict.code not in SOUND:
            return (UNKNOWN,)
        taken = sample(view.reading.values, neutral)
        if taken is None:
            return (UNKNOWN,)
        now_s = view.reading.monotonic_s
        if self._began_s is None:
            self._began_s = self._estimated_s = now_s
        elif now_s - self._began_s >= BLOCK_S and self._block.count >= LEAST_SAMPLES:
            self._finish(now_s)
        self._block.add(*taken)
        return self._conditions

    def _finish(self, now_s: float) -> None:
        slope = self._block.slope()
        self._drift.learn(slope)
        self._block.clear()
        self._began_s, self.changed = now_s, True
        if slope is not None:
            self._estimated_s = now_s
        known = self._estimated_s is not None and now_s - self._estimated_s <= DAY_S
        self._conditions = (self._judged() if known else UNKNOWN,)

    def _judged(self) -> Condition:
        drift, ratio = self._drift, self.settings.limit_ratio
        baseline_ohm, present_ohm, sigma_ohm = drift.baseline_ohm, drift.present_ohm, drift.sigma_ohm
        if baseline_ohm is None or present_ohm is None:
            return UNKNOWN
        # Where noise alone is more than the baseline, twice of it means nothing; nor does one value that is.
        doubled_ohm = baseline_ohm + max((ratio - 1.0) * baseline_ohm, 3.0 * sigma_ohm)
        limit_ohm = baseline_ohm + SLACK * sigma_ohm
        inside_ohm = baseline_ohm + sigma_ohm
        return Condition(
            breached=drift.sum > (ALARM / 2.0 if present_ohm > doubled_ohm else ALARM),
            cleared=drift.sum <= ALARM / 2.0 and present_ohm <= inside_ohm,
            value=present_ohm,
            limit=limit_ohm,
            clear_limit=baseline_ohm,
            unit="ohm",
            severity=self.settings.severity or "medium",
        )

    def state(self) -> dict[str, Any]:
        """Return what a restart needs, as JSON can hold it."""
        return self._drift.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; one that cannot be read, or an empty one, learns again."""
        self._drift = self._new_drift()
        try:
            self._drift.restore(state)
        except (KeyError, TypeError, ValueError):
            self._drift = self._new_drift()
        self._block.clear()
        self._began_s = self._estimated_s = None
        self._conditions = (self._judged(),)
