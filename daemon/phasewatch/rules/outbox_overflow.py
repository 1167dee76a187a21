"""The outbox is full, or holds what is too old: events were lost before they could be delivered."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from phasewatch.rules.rule import Condition, DaemonRule, Health, RuleSettings


class Settings(RuleSettings):
    """Told at the first event that is lost; cleared after this long without another."""

    on_delay_s: float = Field(default=0.0, ge=0)
    off_delay_s: float = Field(default=600.0, ge=0)
    on_polls: int = Field(default=1, ge=1)


class OutboxOverflow(DaemonRule[Settings]):
    """Remembers how many events had been lost."""

    name: ClassVar = "outbox_overflow"
    settings_model: ClassVar = Settings
    rank: ClassVar = 20

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._before: int | None = None

    def judge(self, health: Health) -> Iterator[Condition]:
        """Yield the one condition of the outbox; what was lost before the start is no news."""
        before = health.dropped if self._before is None else self._before
        self._before = health.dropped
        lost = health.dropped > before
        yield Condition(
            lost, not lost, value=float(health.dropped), limit=0.0, severity=self.settings.severity or "high"
        )
