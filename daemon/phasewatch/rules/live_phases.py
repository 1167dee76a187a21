"""The phases that a point has: those that ever were live, with what each should read."""

from typing import NamedTuple

from phasewatch.electrical.supply import SQRT3
from phasewatch.meters.quantities import LN, PHASES, phase_name
from phasewatch.rules.rule import View


class LivePhase(NamedTuple):
    """One phase to neutral."""

    slug: str
    value_v: float | None
    """None: not read."""
    nominal_v: float

    @property
    def name(self) -> str:
        """Name shown to people."""
        return phase_name(self.slug)


def live_phases(view: View) -> list[LivePhase]:
    """Return the phases of a point; the high leg of a delta has sqrt3 of the others' nominal voltage."""
    nominal_v, values = view.diagnosis.supply.nominal_v, view.reading.values
    if view.diagnosis.supply.system != "high_leg":
        return [
            LivePhase(slug, values.get(name), nominal_v)
            for slug, name, live in zip(PHASES, LN, view.live_from_start, strict=True)
            if live
        ]
    high = max(LN, key=lambda name: values.get(name, 0.0))
    return [
        LivePhase(slug, values.get(name), SQRT3 * nominal_v if name == high else nominal_v)
        for slug, name, live in zip(PHASES, LN, view.live_from_start, strict=True)
        if live
    ]
