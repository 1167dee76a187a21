"""A bus cannot make its polls in time: there are more meters, or shorter intervals, than its speed allows.

The share of polls that were left out is a design choice: a time-out now and then costs a poll and is no overload.
"""

from collections import deque
from collections.abc import Iterator
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.rules.rule import UNKNOWN, BusLoad, BusRule, Condition, RuleSettings

WINDOW_S: Final = 60.0
WINDOW_INTERVALS: Final = 3.0
"""What is counted: the last minute, or three intervals of the slowest meter."""


class Settings(RuleSettings):
    """More than this share of the polls is left out; clears when none is."""

    limit_percent: float = Field(default=5.0, ge=0, lt=100)
    on_delay_s: float = Field(default=60.0, ge=0)
    off_delay_s: float = Field(default=0.0, ge=0)
    on_polls: int = Field(default=2, ge=1)


class BusOverloaded(BusRule[Settings]):
    """Remembers what the poller of one bus had counted a window ago."""

    name: ClassVar = "bus_overloaded"
    settings_model: ClassVar = Settings
    rank: ClassVar = 10

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._past: deque[BusLoad] = deque()

    def judge(self, load: BusLoad) -> Iterator[Condition]:
        """Yield the one condition of the bus; unknown until there is something to compare with."""
        past, window_s = self._past, max(WINDOW_S, WINDOW_INTERVALS * load.longest_interval_s)
        if past and (load.polls < past[-1].polls or load.overruns < past[-1].overruns):
            past.clear()  # another poller, that counts from 0
        past.append(load)
        while len(past) > 2 and past[1].at_s <= load.at_s - window_s:
            past.popleft()
        missed = load.overruns - past[0].overruns
        due = missed + load.polls - past[0].polls
        if due == 0:
            yield UNKNOWN
            return
        share_percent = 100.0 * missed / due
        yield Condition(
            share_percent > self.settings.limit_percent,
            missed == 0,
            value=share_percent,
            limit=self.settings.limit_percent,
            clear_limit=0.0,
            unit="%",
            severity=self.settings.severity or "medium",
        )
