"""Builds what a loaded site file asks for: the watch with its points and rules, and what each meter is asked.

What another site file changes: only that is built again; the rest continues.

Alerts stay on their desk, timers and all; a point or bus that the file describes as before keeps its memory.

Whether the buses of a site can keep the intervals of their meters.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Final, cast

from phasewatch.alerts.bus_monitor import BusMonitor, MeterConfig, subject_of
from phasewatch.alerts.daemon_monitor import DAEMON, TEST, DaemonMonitor
from phasewatch.alerts.engine import AlertEngine
from phasewatch.alerts.event import Event, Origin
from phasewatch.alerts.point_monitor import PointMonitor
from phasewatch.alerts.site_monitor import FORGOTTEN, SiteMonitor
from phasewatch.alerts.snapshot import readable
from phasewatch.configuration.site import LoadedSite
from phasewatch.drawing.places import Limits as Circles
from phasewatch.electrical.limits import Limits
from phasewatch.electrical.supply import Supply
from phasewatch.meters.decode import Decoder
from phasewatch.meters.endpoint import Endpoint
from phasewatch.meters.measuring_point import MeasuringPoint, Member
from phasewatch.meters.profile import ASSUMED_ACCURACY_PERCENT, Profile
from phasewatch.meters.reading import Moment
from phasewatch.meters.readplan import Cost, Request, bus_ms, plan, serial_cost, tcp_cost
from phasewatch.rules.catalogue import BUS_RULES, DAEMON_RULES, METER_RULES, POINT_RULES
from phasewatch.rules.earth_displacement import EarthDisplacement
from phasewatch.rules.expression import Expression
from phasewatch.rules.expression import Settings as ExpressionSettings
from phasewatch.rules.neutral_displacement import NeutralDisplacement
from phasewatch.rules.neutral_earth_voltage import NeutralEarthVoltage
from phasewatch.rules.rule import Limit, Rule, RuleSettings, View, healthy
from phasewatch.rules.voltage_deviation import Settings as DeviationSettings
from phasewatch.rules.voltage_deviation import VoltageDeviation
from phasewatch.rules.voltage_unbalance import U2, VoltageUnbalance
from phasewatch.settings import BusSettings, MeterSettings, Site

SEEN_LIVE: Final = "seen_live"
"""Journal record of the phases that a point has ever seen live, beside those of its alerts."""

DISCOVERED: Final = f"{DAEMON}/_discovered"
"""Journal record of what Home Assistant was told, so that it can be taken back."""
LEARNED: Final = "_learned"
"""Journal record of what the rules of a point have learned."""
_NO_ALERTS: Final = (f"/{SEEN_LIVE}", f"/{LEARNED}")

_ELSEWHERE: Final = METER_RULES.keys() | BUS_RULES.keys() | DAEMON_RULES.keys()
"""Rules that judge something else than a point."""

Records = Mapping[str, dict[str, Any]]
Live = tuple[bool, bool, bool]
"""Whether each phase has ever carried voltage."""


@dataclass(frozen=True, slots=True)
class MeterPlan:
    """What one meter is asked, and how its words are read."""

    name: str
    unit_id: int
    interval_s: float
    profile: Profile
    quantities: tuple[str, ...]
    requests: tuple[Request, ...]
    decoder: Decoder
    cost: Cost


def meter_plan(loaded: LoadedSite, bus: BusSettings, meter: MeterSettings) -> MeterPlan:
    """Return the plan of one meter."""
    profile = loaded.profile_of(meter)
    quantities = tuple(name for name in profile.registers if name not in meter.ignore)
    cost = bus_cost(bus.endpoint, profile, bus.gap_ms)
    # What a meter shows behind a voltage transformer is the secondary side.
    nominal_v = loaded.site.supply_of(meter.point_name).nominal_v / meter.vt_ratio
    return MeterPlan(
        name=meter.name,
        unit_id=loaded.unit_id_of(meter),
        interval_s=meter.interval_s,
        profile=profile,
        quantities=quantities,
        requests=plan(profile, quantities, cost),
        decoder=Decoder(profile, nominal_v, quantities),
        cost=cost,
    )


def bus_cost(endpoint: Endpoint, profile: Profile, gap_ms: float) -> Cost:
    """Return what one request to a meter costs on its bus."""
    gap_ms = max(gap_ms, profile.gap_ms)
    if endpoint.serial_line:
        return serial_cost(endpoint.baudrate, endpoint.character_bits, profile.turnaround_ms, gap_ms)
    return tcp_cost(gap_ms=gap_ms)


def poll_ms(bus: BusSettings, meter: MeterPlan) -> float:
    """Return the milliseconds that one poll of a meter takes on its bus, the silence at the change of unit included."""
    kept_ms = max(bus.gap_ms, meter.profile.gap_ms, 1000.0 * bus.endpoint.silence_s)
    change_ms = max(bus.unit_gap_ms - kept_ms, 0.0) if len(bus.meters) > 1 else 0.0
    return bus_ms(meter.requests, meter.cost) + change_ms


def build_watch(loaded: LoadedSite, journal: str, records: Records) -> tuple[SiteMonitor, list[str]]:
    """Return the watch over a site with its alerts restored, and the records of what is no longer configured."""
    desk_records, live = _sorted_records(loaded, records)
    desk = AlertEngine(Origin(loaded.site.site, journal), desk_records, records.get(FORGOTTEN))
    points = [point_watch(loaded, name, desk, live.get(name)) for name in point_names(loaded)]
    for point in points:
        point.restore(records.get(f"{point.name}/{LEARNED}", {}))
    buses = [bus_watch(loaded, bus, desk) for bus in loaded.site.buses]
    memories = {f"{point.name}{memory}" for point in points for memory in _NO_ALERTS}
    kept = desk_records.keys() | memories | {DISCOVERED, FORGOTTEN}
    gone = [path for path in records if path not in kept]
    return SiteMonitor(points, buses, desk, daemon_watch(loaded, desk)), gone


def point_names(loaded: LoadedSite) -> tuple[str, ...]:
    """Return every point, in the order of the file."""
    return tuple(dict.fromkeys(meter.point_name for _, meter in loaded.site.meters()))


def _sorted_records(loaded: LoadedSite, records: Records) -> tuple[Records, dict[str, Live]]:
    """Return the records of alerts, and what each point has seen live; what cannot be read is left out."""
    judged = set(configured(loaded))
    alerts = {path: kept for path, kept in records.items() if "/".join(path.split("/")[:2]) in judged}
    live = {point: _live(records.get(f"{point}/{SEEN_LIVE}", {})) for point in point_names(loaded)}
    found = {point: phases for point, phases in live.items() if phases is not None}
    return {path: kept for path, kept in alerts.items() if readable(kept)}, found


def _live(record: Mapping[str, Any]) -> Live | None:
    match record.get("phases"):
        case [bool(first), bool(second), bool(third)]:
            return first, second, third
    return None


def configured(loaded: LoadedSite) -> Iterator[str]:
    """Yield subject/rule of everything that is judged, and of the test alert."""
    site = loaded.site
    for point in point_names(loaded):
        rules = site.rules_of(point)
        yield from _enabled(point, rules, rules.keys() - _ELSEWHERE)
    for _, meter in site.meters():
        yield from _enabled(meter.name, site.rules_of(meter.point_name), METER_RULES)
    for bus in site.buses:
        yield from _enabled(subject_of(bus.name), site.rules_of(None), BUS_RULES)
    yield from _enabled(DAEMON, site.rules_of(None), DAEMON_RULES)
    yield f"{DAEMON}/{TEST}"


def _enabled(subject: str, settings: Mapping[str, RuleSettings], rules: Iterable[str]) -> Iterator[str]:
    return (f"{subject}/{rule}" for rule in rules if settings[rule].enabled)


def point_watch(loaded: LoadedSite, name: str, desk: AlertEngine, seen_live: Live | None) -> PointMonitor:
    """Return the watch over one point; `seen_live`: the phases that it is known to have had."""
    rules = loaded.site.rules_of(name)
    supply, limits = supply_of(loaded, name), loaded.limits[loaded.site.supply_of(name).limits]
    members = [_member(loaded, meter) for _, meter in loaded.site.meters() if meter.point_name == name]
    made: list[Rule] = [built_in(rules[rule]) for rule, built_in in POINT_RULES.items()]
    made += [Expression(rule, own) for rule, own in rules.items() if isinstance(own, ExpressionSettings)]
    joint = MeasuringPoint(name, members, supply.nominal_v)
    point = PointMonitor(joint, supply, limits, made, desk, loaded.messages)
    if seen_live is not None:
        point.seen_live = seen_live
    return point


def bus_watch(loaded: LoadedSite, bus: BusSettings, desk: AlertEngine) -> BusMonitor:
    """Return the watch over one bus and its meters."""
    settings = loaded.site.rules_of(None)
    rules = [made(settings[rule]) for rule, made in BUS_RULES.items()]
    meters = [_meter(loaded, meter) for meter in bus.meters]
    return BusMonitor(bus.name, meters, rules, desk, loaded.messages)


def daemon_watch(loaded: LoadedSite, desk: AlertEngine) -> DaemonMonitor:
    """Return the watch over the daemon itself."""
    settings = loaded.site.rules_of(None)
    return DaemonMonitor([made(settings[rule]) for rule, made in DAEMON_RULES.items()], desk, loaded.messages)


def _meter(loaded: LoadedSite, meter: MeterSettings) -> MeterConfig:
    """Return a meter with its rules; what its point has of its own holds for it too."""
    settings = loaded.site.rules_of(meter.point_name)
    rules = [made(settings[rule]) for rule, made in METER_RULES.items()]
    return MeterConfig(meter.name, meter.point_name, meter.interval_s, rules, loaded.profile_of(meter).window_s)


def _member(loaded: LoadedSite, meter: MeterSettings) -> Member:
    profile = loaded.profile_of(meter)
    accuracy = profile.accuracy_percent or ASSUMED_ACCURACY_PERCENT
    return Member(meter.name, meter.wiring, meter.phases, meter.vt_ratio, meter.interval_s, profile.window_s, accuracy)


def supply_of(loaded: LoadedSite, point: str) -> Supply:
    """Return the supply of a point; the worst class among its meters decides what is resolved."""
    settings = loaded.site.supply_of(point)
    classes = [
        loaded.profile_of(meter).accuracy_percent or ASSUMED_ACCURACY_PERCENT
        for _, meter in loaded.site.meters()
        if meter.point_name == point
    ]
    supply = Supply(settings.nominal_v, settings.system, max(classes), frequency_hz=settings.frequency_hz)
    return _limited(supply, loaded.limits[settings.limits], loaded.site.rules_of(point))


def _limited(supply: Supply, preset: Limits, rules: Mapping[str, RuleSettings]) -> Supply:
    """Return the supply with the limits of its rules, so that verdicts and alerts agree."""
    view = healthy(supply, preset, ())
    band = VoltageDeviation(cast(DeviationSettings, rules[VoltageDeviation.name])).allowed(view).band
    low, high = band.lower_percent, band.upper_percent
    supply = replace(supply, low_percent=-100.0 if low is None else low, high_percent=1000.0 if high is None else high)
    for limit in _limits_of(VoltageUnbalance.name, view, rules):
        if limit.high is not None and limit.detail == U2:
            supply = replace(supply, u2_limit_percent=limit.high)
    return supply


def limits_in_force(loaded: LoadedSite, point: str) -> Iterator[tuple[str, Limit]]:
    """Yield every limit of the enabled rules of a point, with the name of its rule."""
    yield from _in_force(loaded, point, supply_of(loaded, point), POINT_RULES)


def _in_force(loaded: LoadedSite, point: str, supply: Supply, names: Iterable[str]) -> Iterator[tuple[str, Limit]]:
    rules = loaded.site.rules_of(point)
    view = healthy(supply, loaded.limits[loaded.site.supply_of(point).limits], loaded.sources_of(point))
    for name in names:
        if rules[name].enabled:
            yield from ((name, limit) for limit in _limits_of(name, view, rules))


def _limits_of(name: str, view: View, rules: Mapping[str, RuleSettings]) -> tuple[Limit, ...]:
    return POINT_RULES[name](rules[name]).limits(view)


def circles(loaded: LoadedSite, point: str) -> Circles:
    """Return the limits that a picture of a point shows."""
    supply = supply_of(loaded, point)
    shown = (NeutralDisplacement.name, EarthDisplacement.name, NeutralEarthVoltage.name)
    highest = {name: limit.high for name, limit in _in_force(loaded, point, supply, shown)}
    return Circles(
        neutral_v=highest.get(NeutralDisplacement.name),
        earth_v=highest.get(EarthDisplacement.name),
        neutral_earth_v=highest.get(NeutralEarthVoltage.name),
        resolution_v=supply.resolution_v,
    )


FIXED: Final = ("site", "state_dir", "mqtt", "web", "webhooks")
"""Keys that only a restart can change: topics, journal, connections and page depend on them."""


def needs_restart(old: Site, new: Site) -> list[str]:
    """Return the keys of a new site file that a running daemon cannot take over."""
    return [key for key in FIXED if getattr(old, key) != getattr(new, key)]


def changed_buses(old: LoadedSite, new: LoadedSite) -> frozenset[str]:
    """Return the buses of either site whose polling cannot go on as it is."""
    names = {bus.name for site in (old.site, new.site) for bus in site.buses}
    return frozenset(name for name in names if _of_polling(old, name) != _of_polling(new, name))


def reconfigure(
    old: LoadedSite, new: LoadedSite, watch: SiteMonitor, moment: Moment
) -> tuple[SiteMonitor, tuple[str, ...], list[Event]]:
    """Return the watch over a new site, the journal keys of what is no longer configured, and the ends of its alerts.

    What the file leaves as it was is taken over from the watch before. The events go to the journal before the keys are
    forgotten there, and `engine.numbers` with them.
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
    ends = watch.retire(gone, moment)
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
