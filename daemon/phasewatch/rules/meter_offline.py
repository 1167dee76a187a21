"""A meter does not answer: after the delay and the failures in a row, until it answers again."""

from typing import ClassVar

from pydantic import Field

from phasewatch.rules.rule import Condition, RuleSettings


class Settings(RuleSettings):
    """A meter is offline after this many failures in a row and this long."""

    on_delay_s: float = Field(default=30.0, ge=0)
    off_delay_s: float = Field(default=0.0, ge=0)
    on_polls: int = Field(default=3, ge=1)


class MeterOffline:
    """Judges the outcome of each poll of one meter."""

    name: ClassVar = "meter_offline"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge_poll(self, answered: bool) -> Condition:
        """Return the condition after one poll."""
        return Condition(not answered, answered, severity=self.settings.severity or "high")
