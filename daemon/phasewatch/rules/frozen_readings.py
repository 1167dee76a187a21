"""The voltages of a meter stand still to the last bit: a stuck register, or a gateway that repeats old answers.

Thresholds are design choices: real voltages in steps of 0.1 V do not stay equal for 30 s and 20 refreshes. Voltages
in coarse steps may, and dead ones do: both are not judged.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.meters.quantities import LN, VOLTAGES
from phasewatch.rules.rule import UNKNOWN, Condition, MeterRule, Poll, RuleSettings

REPEATS: Final = 3
"""Least equal readings in a row after the first, however long they took."""
COARSE_V: Final = 0.5
"""Phase voltages that are all whole multiples of this tell of no finer step."""
LONGEST_GAP_REFRESHES: Final = 3.0
"""Equal values before and after a longer silence do not speak for the time between."""


class Settings(RuleSettings):
    """Equal for `identical_s` and for `identical_refreshes` of the meter; then there is no other delay."""

    identical_s: float = Field(default=30.0, gt=0)
    identical_refreshes: float = Field(default=20.0, gt=0)
    on_delay_s: float = Field(default=0.0, ge=0)
    off_delay_s: float = Field(default=0.0, ge=0)
    on_polls: int = Field(default=1, ge=1)


class FrozenReadings(MeterRule[Settings]):
    """Remembers the last voltages of one meter."""

    name: ClassVar = "frozen_readings"
    settings_model: ClassVar = Settings
    rank: ClassVar = 20

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._last: dict[str, float] = {}
        self._last_s = self._same_s = 0.0
        self._repeats = 0

    def judge(self, poll: Poll) -> Iterator[Condition]:
        """Yield the one condition of the meter; unknown without an answer and where its steps are too coarse."""
        voltages = {} if poll.reading is None else _voltages(poll.reading.values)
        if not voltages:
            yield UNKNOWN
            return
        repeated = voltages == self._last
        if repeated:
            self._repeats += 1
            self._same_s += min(poll.at_s - self._last_s, LONGEST_GAP_REFRESHES * poll.refresh_s)
        else:
            self._last, self._repeats, self._same_s = voltages, 0, 0.0
        self._last_s = poll.at_s
        if repeated and _coarse(voltages):
            yield UNKNOWN
            return
        limit_s = max(self.settings.identical_s, self.settings.identical_refreshes * poll.refresh_s)
        frozen = self._repeats >= REPEATS and self._same_s >= limit_s
        severity = self.settings.severity or "medium"
        yield Condition(frozen, not repeated, value=self._same_s, limit=limit_s, unit="s", severity=severity)


def _voltages(values: Mapping[str, float]) -> dict[str, float]:
    return {name: values[name] for name in VOLTAGES if name in values}


def _coarse(voltages: Mapping[str, float]) -> bool:
    """Return whether no phase voltage shows a step finer than 0.5 V; voltages that are 0 show none."""
    return all((voltages.get(name, 0.0) / COARSE_V).is_integer() for name in LN)
