"""Builds what a loaded site file asks for: the watch with its points and rules, and what each meter is asked."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from phasewatch.alerts.bus_monitor import BusMonitor, MeterConfig, subject_of
from phasewatch.alerts.daemon_monitor import DAEMON, TEST, DaemonMonitor
from phasewatch.alerts.engine import AlertEngine
from phasewatch.alerts.event import Origin
from phasewatch.alerts.point_monitor import PointMonitor
from phasewatch.alerts.site_monitor import FORGOTTEN, SiteMonitor
from phasewatch.alerts.snapshot import readable
from phasewatch.configuration.site import LoadedSite
from phasewatch.electrical.limits import Limits
from phasewatch.electrical.supply import Supply
from phasewatch.meters.decode import Decoder
from phasewatch.meters.endpoint import Endpoint
from phasewatch.meters.measuring_point import MeasuringPoint, Member
from phasewatch.meters.profile import ASSUMED_ACCURACY_PERCENT, Profile
from phasewatch.meters.readplan import Cost, Request, bus_ms, plan, serial_cost, tcp_cost
from phasewatch.rules.catalogue import BUS_RULES, DAEMON_RULES, METER_RULES, POINT_RULES
from phasewatch.rules.expression import Expression
from phasewatch.rules.expression import Settings as ExpressionSettings
from phasewatch.rules.rule import RuleSettings
from phasewatch.settings import BusSettings, MeterSettings

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
    made = [entry.make(rules[rule]) for rule, entry in POINT_RULES.items()]
    made += [Expression(rule, own) for rule, own in rules.items() if isinstance(own, ExpressionSettings)]
    joint = MeasuringPoint(name, members, supply.nominal_v)
    point = PointMonitor(joint, supply, limits, made, desk, loaded.messages)
    if seen_live is not None:
        point.seen_live = seen_live
    return point


def bus_watch(loaded: LoadedSite, bus: BusSettings, desk: AlertEngine) -> BusMonitor:
    """Return the watch over one bus and its meters."""
    settings = loaded.site.rules_of(None)
    rules = [entry.make(settings[rule]) for rule, entry in BUS_RULES.items()]
    meters = [_meter(loaded, meter) for meter in bus.meters]
    return BusMonitor(bus.name, meters, rules, desk, loaded.messages)


def daemon_watch(loaded: LoadedSite, desk: AlertEngine) -> DaemonMonitor:
    """Return the watch over the daemon itself."""
    settings = loaded.site.rules_of(None)
    return DaemonMonitor([entry.make(settings[rule]) for rule, entry in DAEMON_RULES.items()], desk, loaded.messages)


def _meter(loaded: LoadedSite, meter: MeterSettings) -> MeterConfig:
    """Return a meter with its rules; what its point has of its own holds for it too."""
    settings = loaded.site.rules_of(meter.point_name)
    rules = [entry.make(settings[rule]) for rule, entry in METER_RULES.items()]
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
    return _limited(supply, loaded.limits[settings.limits])


def _limited(supply: Supply, limits: Limits) -> Supply:
    """Return the supply with the limits of a preset, so that verdicts and rules agree."""
    band = limits.deviation_band(supply.system)
    if band is not None:
        low, high = band.lower_percent, band.upper_percent
        supply = replace(
            supply, low_percent=-100.0 if low is None else low, high_percent=1000.0 if high is None else high
        )
    for unbalance in limits.voltage_unbalance[:1]:
        supply = replace(supply, u2_limit_percent=unbalance.limit_percent)
    return supply
