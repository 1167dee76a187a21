"""Asks the meters of a site, in more ways than one, and writes down what came."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, cast, get_args

from phasewatch.adapters.modbus import BadReply, Bus, BusError, LinkDown, NoReply, Refused, open_bus
from phasewatch.assembly import MeterPlan, meter_plan, point_names
from phasewatch.cli.findings import BusSeen, Kind, MeterSeen, PointSeen
from phasewatch.cli.survey import GATEWAY_REFUSALS, Found, Reader, answers, identify, present
from phasewatch.electrical.supply import likelier_nominal_v
from phasewatch.library import LoadedSite, load_profile, profile_ids
from phasewatch.meters.decode import ProfileError
from phasewatch.meters.endpoint import Endpoint, Framing, Parity
from phasewatch.meters.leads import at_point, swapped_phases
from phasewatch.meters.likeness import PLAUSIBLE_HZ, likeness
from phasewatch.meters.measuring_point import Member
from phasewatch.meters.misread import Misreading, misreadings
from phasewatch.meters.profile import Profile
from phasewatch.meters.quantities import FREQUENCY, LN
from phasewatch.meters.readplan import bus_ms
from phasewatch.service import open_real_bus
from phasewatch.settings import BusSettings, MeterSettings

ROUNDS: Final = 12
"""Requests to each meter, to see how many come damaged."""
HOPELESS: Final = 3
"""A meter of which nothing came so often is asked no more."""
OTHER_UNITS: Final = range(1, 21)
BAUDRATES: Final = (9600, 19200, 38400, 57600, 115200, 4800, 2400)
SAME: Final = 0.01
"""Share of nominal below which two voltages are the same."""

_OTHER_UNIT: Final = re.compile(r": unit (\d+) answered$")

Values = dict[str, dict[str, float]]
"""Meter -> what it says, read as its profile says."""


async def examine(loaded: LoadedSite) -> tuple[list[BusSeen], list[PointSeen]]:
    """Ask everything, the buses side by side."""
    values: Values = {}
    places = range(len(loaded.site.buses))
    buses = await asyncio.gather(*(_examine_bus(loaded, place, values) for place in places))
    misread = {meter.name for bus in buses for meter in bus.meters if meter.misreading or meter.proposals}
    sound = {name: said for name, said in values.items() if name not in misread}
    return list(buses), [_point(loaded, name, sound) for name in point_names(loaded)]


async def _examine_bus(loaded: LoadedSite, place: int, values: Values) -> BusSeen:
    settings = loaded.site.buses[place]
    plans = [meter_plan(loaded, settings, meter) for meter in settings.meters]
    load = sum(bus_ms(plan.requests, plan.cost) / (1000.0 * plan.interval_s) for plan in plans)
    seen = BusSeen(f"buses[{place}]", settings.url, settings.endpoint.serial_line, 100.0 * load)
    bus = open_real_bus(loaded, settings)
    try:
        for number, (plan, meter) in enumerate(zip(plans, settings.meters, strict=True)):
            one = MeterSeen(f"{seen.place}.meters[{number}]", plan.name, plan.profile.id, plan.unit_id)
            seen.meters.append(one)
            await _ask(bus, plan, one)
            if one.answers:
                nominal_v = loaded.site.supply_of(meter.point_name).nominal_v / meter.vt_ratio
                values[plan.name] = await _judge(bus, plan, one, nominal_v, meter)
        if any(meter.answers for meter in seen.meters):
            await _look_for_others(bus, seen)
    finally:
        await bus.close()
    if not any(meter.answers for meter in seen.meters):
        seen.answering_url = await _other_setting(settings, seen)
        if seen.answering_url is None:
            await _look_again(loaded, settings, seen)
    return seen


async def _ask(bus: Bus, plan: MeterPlan, seen: MeterSeen) -> None:
    """Ask for the voltages several times."""
    request = plan.requests[0]
    for done in range(1, ROUNDS + 1):
        try:
            await bus.read(request.function_code, request.address, request.count, plan.unit_id)
            seen.kinds["words"] += 1
        except BusError as error:
            seen.error = str(error)
            seen.kinds[_kind(error, seen)] += 1
        if done == HOPELESS and (not seen.answers or seen.kinds["refused"] == done) and not seen.kinds["damaged"]:
            return


def _kind(error: BusError, seen: MeterSeen) -> Kind:
    text = str(error)
    if isinstance(error, Refused):
        return "silent" if error.exception_code in GATEWAY_REFUSALS else "refused"
    if isinstance(error, LinkDown):
        return "lost" if text.endswith("the connection was lost") else "unreachable"
    if other := _OTHER_UNIT.search(text):
        seen.foreign_units.add(int(other[1]))
        return "foreign"
    if isinstance(error, NoReply):
        return "silent"
    return "babble" if "does not fall silent" in text else "damaged" if isinstance(error, BadReply) else "silent"


async def _judge(
    bus: Bus, plan: MeterPlan, seen: MeterSeen, nominal_v: float, settings: MeterSettings
) -> dict[str, float]:
    """Read everything once; where the voltages are not plausible, find out how they would be."""
    reader = Reader(bus, plan.unit_id)
    values = await reader.values(plan.profile, plan.quantities)
    seen.voltages = tuple(values[name] for name in LN if name in values)
    if settings.wiring in ("n_pe", "neutral_on_pe") or _plausible(plan.profile, values, nominal_v):
        return values
    live = _live(values)
    if live and (FREQUENCY not in plan.profile.registers or _near_mains(values)):
        return values  # the profile is right, and the supply is at fault
    seen.misreading = await _misreading(reader, plan.profile, nominal_v)
    if seen.misreading is None and not live:
        found = Found(settings.name, plan.unit_id)
        await identify(bus, found, _library(), lambda _: None)
        seen.proposals = tuple(found.identified or (profile_id for profile_id, _ in found.proposals[:3]))
    return values


def _live(values: Mapping[str, float]) -> bool:
    """Return whether some phase reads as a supply does."""
    return any(80.0 < values.get(name, 0.0) < 420.0 for name in LN)


def _near_mains(values: Mapping[str, float]) -> bool:
    return PLAUSIBLE_HZ[0] <= values.get(FREQUENCY, 0.0) <= PLAUSIBLE_HZ[1]


def _plausible(profile: Profile, values: dict[str, float], nominal_v: float) -> bool:
    bare = {name: register for name, register in profile.registers.items() if name != FREQUENCY}
    voltages = profile.model_copy(update={"registers": bare})
    return bool(likeness(voltages, values, nominal_v) or likeness(voltages, values))


async def _misreading(reader: Reader, profile: Profile, nominal_v: float) -> Misreading | None:
    names = [name for name in (*LN, FREQUENCY) if name in profile.registers]
    for wrong, mended in misreadings(profile):
        try:
            values = await reader.values(mended, names)
        except ProfileError:
            continue
        if likeness(mended, values, nominal_v) or likeness(mended, values):
            return wrong
    return None


def _library() -> dict[str, Profile]:
    return {profile_id: load_profile(profile_id) for profile_id in profile_ids()}


async def _look_for_others(bus: Bus, seen: BusSeen) -> None:
    """Ask unit ids that are not in the file where a meter is missing."""
    if all(meter.answers or meter.foreign_units or meter.kinds["damaged"] for meter in seen.meters):
        return
    others: list[int] = []
    known = {meter.unit_id for meter in seen.meters}
    await present(bus, (unit_id for unit_id in OTHER_UNITS if unit_id not in known), others.append, lambda _: None)
    seen.other_units = tuple(others)


async def _look_again(loaded: LoadedSite, settings: BusSettings, seen: BusSeen) -> None:
    bus = open_real_bus(loaded, settings)
    try:
        await _look_for_others(bus, seen)
    finally:
        await bus.close()


async def _other_setting(settings: BusSettings, seen: BusSeen) -> str | None:
    """Return the URL of the same endpoint, otherwise set, at which a meter of the bus answers; None if at none."""
    for endpoint in _otherwise_set(settings.endpoint):
        bus = open_bus(endpoint, timeout_s=settings.timeout_s)
        try:
            for meter in seen.meters:
                if await answers(bus, meter.unit_id):
                    return endpoint.url
        except LinkDown:
            continue
        finally:
            await bus.close()
    return None


def _otherwise_set(endpoint: Endpoint) -> Iterator[Endpoint]:
    if endpoint.device is None:
        framings = (framing for framing in get_args(Framing) if framing not in ("rtu", endpoint.framing))
        yield from (replace(endpoint, framing=cast("Framing", framing)) for framing in framings)
        return
    settings = ((rate, parity) for rate in BAUDRATES for parity in get_args(Parity))
    for rate, parity in settings:
        if (rate, parity) != (endpoint.baudrate, endpoint.parity):
            yield replace(endpoint, baudrate=rate, parity=cast("Parity", parity))


def _point(loaded: LoadedSite, name: str, values: Values) -> PointSeen:
    site = loaded.site
    own = name in site.points and site.points[name].supply.nominal_v is not None
    place = f"points.{name}.supply.nominal_v" if own else "supply.nominal_v"
    nominal_v = site.supply_of(name).nominal_v
    meters = [
        (f"buses[{b}].meters[{m}]", Member(meter.name, meter.wiring, meter.phases, meter.vt_ratio))
        for b, bus in enumerate(site.buses)
        for m, meter in enumerate(bus.meters)
        if meter.point_name == name and meter.name in values
    ]
    at = [at_point(member, values[member.meter]) for _, member in meters]
    triple = next(((said[LN[0]], said[LN[1]], said[LN[2]]) for said in at if all(name in said for name in LN)), None)
    likelier_v = None if triple is None else likelier_nominal_v(triple, nominal_v)
    swapped = [
        (place_of, meters[0][1].meter, phases)
        for place_of, member in meters[1:]
        if (phases := swapped_phases(at[0], member, values[member.meter], SAME * nominal_v)) is not None
    ]
    return PointSeen(place, nominal_v, triple or (), likelier_v, tuple(swapped))
