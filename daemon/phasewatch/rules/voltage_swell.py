"""A phase rises above its limit for a while: begins with any phase, ends when all are back.

Source: IEC 61000-4-30 §5.4. Severity by the ITI (CBEMA) curve, as far as a poll can tell.
"""

from collections.abc import Iterator
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.electrical.severity import Severity
from phasewatch.rules import voltage_event
from phasewatch.rules.rule import Condition, Limit, PointRule, Share, View, share_in_force
from phasewatch.rules.voltage_event import Polyphase, Tally, VoltageEvent, outside_swell

LIMIT_PERCENT: Final = 110.0
PERIOD_S: Final = 0.0166
"""An RMS value speaks of one period at the least."""


class Settings(voltage_event.Settings):
    """The limit in percent of the reference; None: that of the preset, or 110 %."""

    limit_percent: float | None = Field(default=None, gt=100, le=1000)


class VoltageSwell(PointRule[Settings]):
    """Follows the swells of one point."""

    name: ClassVar = "voltage_swell"
    settings_model: ClassVar = Settings
    rank: ClassVar = 100

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._event = VoltageEvent(1.0, settings)
        self._tally = Tally()
        self._outside = False

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield the one condition of the point: the worst phase; unknown where no phase is read."""
        yield from self._event.judge(view, self._share(view), self._severity)

    def limits(self, view: View) -> tuple[Limit, ...]:
        """Return the highest voltage that is no swell, from a reference of nominal."""
        return (self._share(view).above(view.diagnosis.supply.nominal_v),)

    def _share(self, view: View) -> Share:
        return share_in_force(self.settings.limit_percent, view.limits.voltage_swell, LIMIT_PERCENT)

    def _severity(self, seen: Polyphase, view: View) -> Severity:
        """Count the swell and weigh it, as high and as long as it surely was."""
        at_s = view.reading.monotonic_s
        if seen.began:
            self._tally.begin(at_s)
            self._outside = False
        if seen.beyond and not self._outside and outside_swell(seen.worst.percent, PERIOD_S + seen.lasted_s):
            self._outside = True
            self._tally.went_outside(at_s)
        return self._tally.severity(at_s, self._outside, self._outside)
