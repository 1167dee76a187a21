"""What another site file changes: only that is built anew, and the rest goes on as if nothing had happened.

Alerts stay on their desk, timers and all; a point or bus that the file describes as before keeps its memory.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from phasewatch.alerts.event import Event
from phasewatch.alerts.point_monitor import PointMonitor
from phasewatch.alerts.site_monitor import SiteMonitor
from phasewatch.assembly import LEARNED, SEEN_LIVE, bus_watch, configured, daemon_watch, point_names, point_watch
from phasewatch.configuration.site import LoadedSite
from phasewatch.meters.profile import Profile
from phasewatch.rules.catalogue import BUS_RULES, DAEMON_RULES, METER_RULES
from phasewatch.rules.rule import RuleSettings
from phasewatch.settings import BusSettings, MeterSettings, Site

FIXED: Final = ("site", "state_dir", "mqtt", "web")
"""Keys that only a restart can change: topics, journal, connection and page hang on them."""


def needs_restart(old: Site, new: Site) -> list[str]:
    """Return the keys of a new site file that a running daemon cannot take over."""
    return [key for key in FIXED if getattr(old, key) != getattr(new, key)]


def changed_buses(old: LoadedSite, new: LoadedSite) -> frozenset[str]:
    """Return the buses of either site whose polling cannot go on as it is."""
    names = {bus.name for site in (old.site, new.site) for bus in site.buses}
    return frozenset(name for name in names if _of_polling(old, name) != _of_polling(new, name))


def reconfigure(
    old: LoadedSite, new: LoadedSite, watch: SiteMonitor, at: datetime, monotonic_s: float
) -> tuple[SiteMonitor, tuple[str, ...], list[Event]]:
    """Return the watch over a new site, the journal keys of what is no longer configured, and the ends of its alerts.

    What the file leaves as it was is taken over from the watch before. The events go to the journal before the keys are
    forgotten there, and `desk.numbers` with them.
    """
    points = [
        watch.points[name]
        if name in watch.points and _of_point(old, name) == _of_point(new, name)
        else _new_point(new, watch, name)
        for name in point_names(new)
    ]
    buses = [
        watch.buses[bus.name]
        if bus.name in watch.buses and _of_bus_watch(old, bus.name) == _of_bus_watch(new, bus.name)
        else bus_watch(new, bus, watch.desk)
        for bus in new.site.buses
    ]
    gone = _gone(old, new, watch)
    ends = watch.retire(gone, at, monotonic_s)
    daemon = watch.daemon if _of_daemon(old) == _of_daemon(new) else daemon_watch(new, watch.desk)
    return SiteMonitor(points, buses, watch.desk, daemon), gone, ends


def _new_point(loaded: LoadedSite, watch: SiteMonitor, name: str) -> PointMonitor:
    before = watch.points.get(name)
    point = point_watch(loaded, name, watch.desk, before.seen_live if before else None)
    if before is not None:
        point.restore(before.memory())
    return point


def _gone(old: LoadedSite, new: LoadedSite, watch: SiteMonitor) -> tuple[str, ...]:
    kept = set(configured(new))
    alerts = [str(key) for key in watch.desk.known() if "/".join(key[:2]) not in kept]
    points = set(point_names(old)) - set(point_names(new))
    return (*alerts, *(f"{point}/{record}" for point in sorted(points) for record in (SEEN_LIVE, LEARNED)))


def _of_point(loaded: LoadedSite, point: str) -> object:
    """Return all that a point is made of."""
    site, limits = loaded.site, loaded.site.supply_of(point).limits
    meters = [_of_meter(loaded, meter) for _, meter in site.meters() if meter.point_name == point]
    return meters, site.supply_of(point), site.rules_of(point), loaded.limits.get(limits), loaded.messages


def _of_bus_watch(loaded: LoadedSite, name: str) -> object:
    """Return all that the watch over a bus is made of."""
    meters = [meter for bus in _buses(loaded, name) for meter in bus.meters]
    rules = [_some(loaded.site.rules_of(meter.point_name), METER_RULES) for meter in meters]
    own = _some(loaded.site.rules_of(None), BUS_RULES)
    return [_of_meter(loaded, meter) for meter in meters], rules, own, loaded.messages


def _of_daemon(loaded: LoadedSite) -> object:
    """Return all that the watch over the daemon itself is made of."""
    return _some(loaded.site.rules_of(None), DAEMON_RULES), loaded.messages


def _of_polling(loaded: LoadedSite, name: str) -> object:
    """Return all that the polling of a bus is made of; None without such a bus."""
    buses = _buses(loaded, name)
    nominals_v = [loaded.site.supply_of(meter.point_name).nominal_v for bus in buses for meter in bus.meters]
    return buses, [loaded.profile_of(meter) for bus in buses for meter in bus.meters], nominals_v


def _of_meter(loaded: LoadedSite, meter: MeterSettings) -> tuple[MeterSettings, Profile]:
    return meter, loaded.profile_of(meter)


def _buses(loaded: LoadedSite, name: str) -> list[BusSettings]:
    return [bus for bus in loaded.site.buses if bus.name == name]


def _some(rules: Mapping[str, RuleSettings], names: Iterable[str]) -> dict[str, RuleSettings]:
    return {name: rules[name] for name in names}
