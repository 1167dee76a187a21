"""Whether the buses of a site can keep the intervals of their meters."""

from collections.abc import Iterable, Iterator, Sequence
from math import ceil

from phasewatch.assembly import MeterPlan, poll_ms
from phasewatch.configuration.site import LoadedSite
from phasewatch.settings import BusSettings


def load_percent(bus: BusSettings, plans: Iterable[MeterPlan]) -> float:
    """Return the share of the time that the polls of a bus take."""
    return sum(poll_ms(bus, plan) / (10.0 * plan.interval_s) for plan in plans)


def overloads(loaded: LoadedSite, loads: Sequence[float]) -> Iterator[str]:
    """Yield a line for each bus that cannot keep its intervals; `loads`: percent of each bus, in the file's order."""
    for place, (bus, load) in enumerate(zip(loaded.site.buses, loads, strict=True)):
        if load > 100.0:
            faster = "raise the baud rate, or " if bus.endpoint.serial_line else "or "
            yield (
                f"{loaded.path}: buses[{place}]: {bus.name} needs {load:.0f} % of the time there is;"
                f" make interval_s {ceil(load / 10.0) / 10.0:g} times as long, {faster}split the bus"
            )
