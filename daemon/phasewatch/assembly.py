"""Builds what a loaded site file asks for: the watch with its points and rules, and what each meter is asked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from phasewatch.alerts.desk import Desk
from phasewatch.alerts.event import Origin
from phasewatch.alerts.point_watch import PointWatch
from phasewatch.alerts.watch import MeterConfig, Watch
from phasewatch.electrical.supply import Supply
from phasewatch.library import LoadedSite
from phasewatch.meters.decode import Decoder
from phasewatch.meters.endpoint import Endpoint
from phasewatch.meters.measuring_point import MeasuringPoint, Member
from phasewatch.meters.profile import ASSUMED_ACCURACY_PERCENT, Profile
from phasewatch.meters.readplan import Cost, Request, plan, serial_cost, tcp_cost
from phasewatch.rules.catalogue import POINT_RULES
from phasewatch.rules.meter_offline import MeterOffline
from phasewatch.settings import BusSettings, MeterSettings

SEEN_LIVE: Final = "seen_live"
"""Journal record of the phases that a point has ever seen live, beside those of its alerts."""

Records = Mapping[str, dict[str, Any]]


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


def build_watch(loaded: LoadedSite, journal: str, records: Records) -> tuple[Watch, list[str]]:
    """Return the watch over a site with its alerts restored, and the records of what is no longer configured."""
    desk_records, live = _sorted_records(loaded, records)
    desk = Desk(Origin(loaded.site.site, journal), desk_records)
    points = [_point(loaded, name, desk, live.get(name)) for name in point_names(loaded)]
    meters = [
        MeterConfig(meter.name, meter.point_name, meter.interval_s, _offline(loaded, meter))
        for _, meter in loaded.site.meters()
    ]
    gone = [path for path in records if path not in desk_records and not path.endswith(f"/{SEEN_LIVE}")]
    return Watch(points, meters, desk, loaded.messages), gone


def point_names(loaded: LoadedSite) -> tuple[str, ...]:
    """Return every point, in the order of the file."""
    return tuple(dict.fromkeys(meter.point_name for _, meter in loaded.site.meters()))


def _sorted_records(loaded: LoadedSite, records: Records) -> tuple[Records, dict[str, tuple[bool, bool, bool]]]:
    points = point_names(loaded)
    configured = {f"{point}/{rule}" for point in points for rule, on in _enabled(loaded, point) if on}
    configured |= {f"{meter.name}/{MeterOffline.name}" for _, meter in loaded.site.meters()}
    kept = {path: record for path, record in records.items() if "/".join(path.split("/")[:2]) in configured}
    live = {
        point: tuple(records[f"{point}/{SEEN_LIVE}"]["phases"]) for point in points if f"{point}/{SEEN_LIVE}" in records
    }
    return kept, {point: (a, b, c) for point, (a, b, c) in live.items()}


def _enabled(loaded: LoadedSite, point: str) -> Iterable[tuple[str, bool]]:
    rules = loaded.site.rules_of(point)
    return ((name, rules[name].enabled) for name in POINT_RULES)


def _point(loaded: LoadedSite, name: str, desk: Desk, seen_live: tuple[bool, bool, bool] | None) -> PointWatch:
    rules = loaded.site.rules_of(name)
    supply, limits = supply_of(loaded, name), loaded.limits[loaded.site.supply_of(name).limits]
    members = [_member(loaded, meter) for _, meter in loaded.site.meters() if meter.point_name == name]
    made = [entry.make(rules[rule]) for rule, entry in POINT_RULES.items()]
    joint = MeasuringPoint(name, members, supply.nominal_v)
    point = PointWatch(joint, supply, limits, made, desk, loaded.messages)
    if seen_live is not None:
        point.seen_live = seen_live
    return point


def _member(loaded: LoadedSite, meter: MeterSettings) -> Member:
    window_s = loaded.profile_of(meter).window_s
    return Member(meter.name, meter.wiring, meter.phases, meter.vt_ratio, meter.interval_s, window_s)


def supply_of(loaded: LoadedSite, point: str) -> Supply:
    """Return the supply of a point; the worst class among its meters decides what is resolved."""
    settings = loaded.site.supply_of(point)
    classes = [
        loaded.profile_of(meter).accuracy_percent or ASSUMED_ACCURACY_PERCENT
        for _, meter in loaded.site.meters()
        if meter.point_name == point
    ]
    return Supply(settings.nominal_v, settings.system, max(classes))


def _offline(loaded: LoadedSite, meter: MeterSettings) -> MeterOffline:
    return MeterOffline(loaded.site.rules_of(meter.point_name)[MeterOffline.name])  # type: ignore[arg-type]
