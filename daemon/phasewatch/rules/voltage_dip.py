"""A phase falls below its limit for a while: begins with any phase, ends when all are back.

Source: IEC 61000-4-30 §5.4. Severity by the ITI (CBEMA) curve and SEMI F47, as far as a poll can tell.
"""

from collections.abc import Iterator
from typing import ClassVar, Final

from pydantic import Field

from phasewatch.electrical.severity import Severity
from phasewatch.rules import voltage_event
from phasewatch.rules.rule import Condition, Limit, PointRule, Share, View, share_in_force
from phasewatch.rules.voltage_event import DIP_INDUSTRY, Polyphase, Tally, VoltageEvent, outside_dip

LIMIT_PERCENT: Final = 90.0


class Settings(voltage_event.Settings):
    """The limit in percent of the reference; None: that of the preset, or 90 %."""

    limit_percent: float | None = Field(default=None, gt=0, lt=100)


class VoltageDip(PointRule[Settings]):
    """Follows the dips of one point."""

    name: ClassVar = "voltage_dip"
    settings_model: ClassVar = Settings
    rank: ClassVar = 90

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._event = VoltageEvent(-1.0, settings)
        self._tally = Tally()
        self._outside = self._harmful = False

    def judge(self, view: View) -> Iterator[Condition]:
        """Yield the one condition of the point: the worst phase; unknown where no phase is read."""
        yield from self._event.judge(view, self._share(view), self._severity)

    def limits(self, view: View) -> tuple[Limit, ...]:
        """Return the lowest voltage that is no dip, from a reference of nominal."""
        return (self._share(view).below(view.diagnosis.supply.nominal_v),)

    def _share(self, view: View) -> Share:
        return share_in_force(self.settings.limit_percent, view.limits.voltage_dip, LIMIT_PERCENT)

    def _severity(self, seen: Polyphase, view: View) -> Severity:
        """Count the dip and weigh it, as deep and as long as it surely was."""
        at_s, percent = view.reading.monotonic_s, seen.worst.percent
        # However deep it was inside the averaging window, it took this share of it to pull the mean down so far.
        inside_s = 0.0 if view.window_s is None else (1.0 - (percent / 100.0) ** 2) * view.window_s
        lasted_s = seen.lasted_s + inside_s
        if seen.began:
            self._tally.begin(at_s)
            self._harmful = self._outside = False
        if seen.beyond:
            self._harmful |= outside_dip(percent, lasted_s)
            if not self._outside and (self._harmful or outside_dip(percent, lasted_s, DIP_INDUSTRY)):
                self._outside = True
                self._tally.went_outside(at_s)
        return self._tally.severity(at_s, self._outside, self._harmful)
