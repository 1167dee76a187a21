"""The clock of this machine is not kept right: time stamps cannot be compared with those of others."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from phasewatch.rules.rule import UNKNOWN, Condition, DaemonRule, Health, RuleSettings


class Settings(RuleSettings):
    """Told after a while: at the start of a machine its clock is not set yet."""

    on_delay_s: float = Field(default=600.0, ge=0)
    off_delay_s: float = Field(default=60.0, ge=0)
    on_polls: int = Field(default=1, ge=1)


class ClockUnsynchronised(DaemonRule[Settings]):
    """Judges what the kernel says of its clock."""

    name: ClassVar = "clock_unsynchronised"
    settings_model: ClassVar = Settings
    rank: ClassVar = 40

    def judge(self, health: Health) -> Iterator[Condition]:
        """Yield the one condition of the clock; unknown where nothing here can tell."""
        good = health.clock_synchronised
        yield UNKNOWN if good is None else Condition(not good, good, severity=self.settings.severity or "low")
