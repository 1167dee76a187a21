"""The broker refuses messages: its access rules, its limits, or a message that it can never take."""

from collections.abc import Iterator
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.rules.rule import Condition, DaemonRule, Health, RuleSettings

RECENT_S: Final = 600.0
"""How long a message that was given up counts as refused."""


class Settings(RuleSettings):
    """Told once a refusal lasts."""

    on_delay_s: float = Field(default=30.0, ge=0)
    off_delay_s: float = Field(default=60.0, ge=0)
    on_polls: int = Field(default=1, ge=1)


class DeliveryRejected(DaemonRule[Settings]):
    """Remembers how many messages had been given up."""

    name: ClassVar = "delivery_rejected"
    settings_model: ClassVar = Settings
    rank: ClassVar = 30

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._before: int | None = None
        self._given_up_s = float("-inf")

    def judge(self, health: Health) -> Iterator[Condition]:
        """Yield the one condition of the delivery."""
        before = health.dead_letters if self._before is None else self._before
        self._before = health.dead_letters
        if health.dead_letters > before:
            self._given_up_s = health.at_s
        refused = bool(health.held) or health.at_s - self._given_up_s < RECENT_S
        detail = f"{', '.join(health.held[:3]) or 'a message was given up'}: {health.refusal or 'no reason given'}"
        yield Condition(refused, not refused, severity=self.settings.severity or "high", detail=detail)
