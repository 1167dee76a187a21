"""The journal is not on the disk: alerts and messages are kept in memory, and a restart would lose them."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from phasewatch.rules.rule import Condition, DaemonRule, Health, RuleSettings


class Settings(RuleSettings):
    """Told at once; cleared once the journal is on the disk again."""

    on_delay_s: float = Field(default=0.0, ge=0)
    off_delay_s: float = Field(default=0.0, ge=0)
    on_polls: int = Field(default=1, ge=1)


class StorageDegraded(DaemonRule[Settings]):
    """Judges where the journal is."""

    name: ClassVar = "storage_degraded"
    settings_model: ClassVar = Settings
    rank: ClassVar = 10

    def judge(self, health: Health) -> Iterator[Condition]:
        """Yield the one condition of the journal."""
        broken = health.storage is not None
        yield Condition(broken, not broken, severity=self.settings.severity or "high", detail=health.storage)
