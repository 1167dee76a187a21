"""Judges what meters say: by themselves, and against the others of their point."""

from collections.abc import Callable, Mapping
from typing import Final

from phasewatch.adapters.modbus.bus import Bus
from phasewatch.cli.examined import MeterSeen, PointSeen
from phasewatch.cli.survey import Found, Reader, identify
from phasewatch.commissioning.plausibility import (
    PLAUSIBLE_HZ,
    Misreading,
    at_point,
    likeness,
    misreadings,
    swapped_phases,
)
from phasewatch.configuration.files import load_profile, profile_ids
from phasewatch.configuration.site import LoadedSite
from phasewatch.electrical.supply import likelier_nominal_v
from phasewatch.meters.decode import ProfileError
from phasewatch.meters.measuring_point import Member
from phasewatch.meters.profile import Profile
from phasewatch.meters.quantities import FREQUENCY, LN
from phasewatch.service.build import MeterPlan
from phasewatch.settings import MeterSettings

SAME: Final = 0.01
"""Share of nominal below which two voltages are the same."""

Values = dict[str, dict[str, float]]
"""Meter -> what it says, read as its profile says."""


async def judge(
    bus: Bus,
    plan: MeterPlan,
    seen: MeterSeen,
    nominal_v: float,
    settings: MeterSettings,
    tell: Callable[[str, int], None],
) -> dict[str, float]:
    """Read everything once; where the voltages are not plausible, find out how they would be."""
    reader = Reader(bus, plan.unit_id, patient=True)
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
        library = _library()
        tell("", len(library))
        await identify(bus, found, library, lambda step: tell(step, 0))
        likely = tuple(found.identified or (profile_id for profile_id, _ in found.proposals[:3]))
        seen.proposals = () if plan.profile.id in likely else likely  # else it was the line that kept us from reading
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


def point_seen(loaded: LoadedSite, name: str, values: Values) -> PointSeen:
    """Return what the meters of a point say together."""
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
