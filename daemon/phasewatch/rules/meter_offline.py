"""A meter does not answer: after the delay and the failures in a row, until it answers again."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from phasewatch.rules.rule import Condition, MeterRule, Poll, RuleSettings


class Settings(RuleSettings):
    """A meter is offline after this many failures in a row and this long."""

    on_delay_s: float = Field(default=30.0, ge=0)
    off_delay_s: float = Field(default=0.0, ge=0)
    on_polls: int = Field(default=3, ge=1)


class MeterOffline(MeterRule[Settings]):
    """Judges the outcome of each poll of one meter."""

    name: ClassVar = "meter_offline"
    settings_model: ClassVar = Settings
    rank: ClassVar = 10
    holds: ClassVar = frozenset(("frozen_readings",))

    def judge(self, poll: Poll) -> Iterator[Condition]:
        """Yield the one condition of the meter; critical where its whole bus is silent."""
        answered = poll.reading is not None
        severity = self.settings.severity or ("critical" if poll.bus_silent else "high")
        yield Condition(not answered, answered, severity=severity, detail=poll.failure)
