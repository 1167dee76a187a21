"""Asks the meters of a site, in more ways than one, and writes down what came.

Judges what meters say: by themselves, and against the others of their point.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol, cast, get_args

from phasewatch.adapters.modbus.bus import open_bus
from phasewatch.adapters.modbus.protocol import BadReply, Bus, BusError, LinkDown, Refused
from phasewatch.adapters.modbus.sunspec import ModelLost, bus_of
from phasewatch.commissioning.doctor_evidence import BusSeen, Kind, MeterSeen, PointSeen, Trial
from phasewatch.commissioning.identify import GATEWAY_REFUSALS, Found, Reader, answers, identify, present
from phasewatch.commissioning.plausibility import (
    PLAUSIBLE_HZ,
    Misreading,
    alternates,
    at_point,
    likeness,
    misreadings,
    swapped_phases,
)
from phasewatch.configuration.files import load_profile, profile_ids
from phasewatch.configuration.site import LoadedSite
from phasewatch.electrical.supply import likelier_nominal_v
from phasewatch.meters.decode import ProfileError, by_address
from phasewatch.meters.endpoint import Endpoint, Framing, Parity
from phasewatch.meters.measuring_point import Member
from phasewatch.meters.profile import Profile
from phasewatch.meters.quantities import FREQUENCY, LN
from phasewatch.meters.readplan import Request
from phasewatch.service.build import MeterPlan, load_percent, meter_plan, point_names
from phasewatch.service.state import open_real_bus
from phasewatch.settings import BusSettings, MeterSettings

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


ROUNDS: Final = 12
"""Requests to each meter, to see how many come damaged."""
HOPELESS: Final = 3
"""A meter of which nothing came so often is asked no more."""
LISTENING_S: Final = 2.0
"""How long nothing is asked on a serial line, to hear whether somebody else does."""
OTHER_UNITS: Final = range(1, 21)
BAUDRATES: Final = (9600, 19200, 38400, 57600, 115200, 4800, 2400)

"""Errors of a frame that is whole, and no answer to the request."""


class Tell(Protocol):
    """Told of the work on each bus, for a progress bar."""

    def __call__(self, bus: str, doing: str, *, done: int = 1, more: int = 0) -> None:
        """Note what is being done, the steps behind it, and those that came on top."""
        ...


async def examine(loaded: LoadedSite, tell: Tell) -> tuple[list[BusSeen], list[PointSeen]]:
    """Ask everything, the buses side by side."""
    exams = [_Examination(loaded, place, tell) for place in range(len(loaded.site.buses))]
    buses = await asyncio.gather(*(exam.run() for exam in exams))
    values = {name: said for exam in exams for name, said in exam.values.items()}
    misread = {meter.name for bus in buses for meter in bus.meters if meter.misreading or meter.proposals}
    sound = {name: said for name, said in values.items() if name not in misread}
    return list(buses), [point_seen(loaded, name, sound) for name in point_names(loaded)]


class _Examination:
    """The examination of one bus."""

    def __init__(self, loaded: LoadedSite, place: int, tell: Tell) -> None:
        self._loaded, self._tell = loaded, tell
        self._settings = settings = loaded.site.buses[place]
        self._plans = [meter_plan(loaded, settings, meter) for meter in settings.meters]
        endpoint = settings.endpoint
        self._seen = BusSeen(f"buses[{place}]", settings.url, endpoint.serial_line, load_percent(settings, self._plans))
        self._seen.baudrate = endpoint.baudrate if endpoint.device else None
        self._seen.timeout_s = settings.timeout_s
        self._late = 0
        self.values: Values = {}

    async def run(self) -> BusSeen:
        seen = self._seen
        self._step("", done=0, more=len(self._plans) * (ROUNDS + 1))
        bus = open_real_bus(self._loaded, self._settings)
        try:
            for number, plan in enumerate(self._plans):
                await self._meter(bus, number, plan)
            if any(meter.answers for meter in seen.meters):
                await self._line(bus)
                await self._look_for_others(bus)
            seen.counts = bus.counts.copy()
        finally:
            await bus.close()
        if not any(meter.answers for meter in seen.meters):
            seen.answering_url = await self._other_setting()
            if seen.answering_url is None:
                await self._look_again()
        return seen

    def _step(self, doing: str, *, done: int = 1, more: int = 0) -> None:
        self._tell(self._settings.name, doing, done=done, more=more)

    async def _meter(self, bus: Bus, number: int, plan: MeterPlan) -> None:
        settings = self._settings.meters[number]
        one = MeterSeen(f"{self._seen.place}.meters[{number}]", plan.name, plan.profile.id, plan.unit_id)
        self._seen.meters.append(one)
        nominal_v = self._loaded.site.supply_of(settings.point_name).nominal_v / settings.vt_ratio
        readings = await self._ask(bus, plan, one)
        one.alternates = alternates(readings, LN, SAME * nominal_v)
        if one.answers:
            self._step(f"{plan.name}: plausible?", done=0)
            self.values[plan.name] = await judge(
                bus,
                plan,
                one,
                nominal_v,
                settings,
                lambda step, more: self._step(step, done=int(bool(step)), more=more),
            )
        self._step("")

    async def _ask(self, bus: Bus, plan: MeterPlan, seen: MeterSeen) -> list[dict[str, float]]:
        """Ask for the voltages several times; return what came."""
        request, line, bus = plan.requests[0], bus, bus_of(bus, plan.profile)
        readings = []
        for done in range(1, ROUNDS + 1):
            try:
                words = await bus.read(request.function_code, request.address, request.count, plan.unit_id)
                seen.kinds["words"] += 1
                readings.append(plan.decoder(by_address({request.address: words}))[0])
            except BusError as error:
                seen.error = str(error)
                seen.kinds["silent" if self._was_late(line, error) else _kind(error, seen)] += 1
            self._step(f"{plan.name}: {done} of {ROUNDS}")
            if done == HOPELESS and (not seen.answers or seen.kinds["refused"] == done) and not seen.kinds["damaged"]:
                self._step("", done=ROUNDS - done)
                break
        return readings

    def _was_late(self, line: Bus, error: BusError) -> bool:
        """Return whether what came in place of an answer was a late one to an earlier request."""
        if not isinstance(error, BadReply) or not error.whole:
            return False
        before, self._late = self._late, line.counts.late_replies.total()
        return self._late > before

    async def _line(self, bus: Bus) -> None:
        """Find out, on a serial line, who else speaks, and whether it is the length of an answer that damages it."""
        if not self._seen.serial_line:
            return
        if not bus.counts.foreign_requests:
            self._step("listening", done=0, more=1)
            await asyncio.sleep(LISTENING_S)
            self._step("listening")
        if not bus.counts.foreign_requests:
            await self._try_lengths(bus)

    async def _try_lengths(self, bus: Bus) -> None:
        both = zip(self._plans, self._seen.meters, strict=True)
        partly = (plan for plan, meter in both if meter.kinds["damaged"] and meter.kinds["words"])
        plan = next((plan for plan in partly if plan.profile.sunspec is None), None)
        if plan is not None:
            first, longest = plan.requests[0], max(plan.requests, key=lambda request: request.count)
            short = replace(first, count=min(first.count, plan.profile.align_words))
            self._seen.trials = tuple([await self._try_length(bus, plan, request) for request in (short, longest)])

    async def _try_length(self, bus: Bus, plan: MeterPlan, request: Request) -> Trial:
        damaged = 0
        self._step("", done=0, more=ROUNDS)
        for _ in range(ROUNDS):
            try:
                await bus.read(request.function_code, request.address, request.count, plan.unit_id)
            except Refused:
                pass
            except BadReply:
                damaged += 1
            except BusError:
                pass
            self._step(f"{plan.name}: answers of {5 + 2 * request.count} bytes")
        return Trial(5 + 2 * request.count, ROUNDS, damaged)

    async def _look_for_others(self, bus: Bus) -> None:
        """Ask unit ids that are not in the file where a meter is missing."""
        meters = self._seen.meters
        missing = [
            plan
            for plan, meter in zip(self._plans, meters, strict=True)
            if not (meter.answers or meter.foreign_units or meter.kinds["damaged"])
        ]
        others: dict[int, None] = {}
        for code in sorted({plan.requests[0].function_code for plan in missing}):
            known = {meter.unit_id for meter in meters} | others.keys()
            strange = [unit_id for unit_id in OTHER_UNITS if unit_id not in known]
            self._step("", done=0, more=len(strange))
            await present(bus, strange, lambda unit_id: others.update({unit_id: None}), self._step, code)
        self._seen.other_units = tuple(others)

    async def _look_again(self) -> None:
        bus = open_real_bus(self._loaded, self._settings)
        try:
            await self._look_for_others(bus)
        finally:
            await bus.close()

    async def _other_setting(self) -> str | None:
        """Return the URL of the same endpoint, otherwise set, at which a meter answers; None if at none."""
        endpoints = list(_otherwise_set(self._settings.endpoint))
        self._step("", done=0, more=len(endpoints))
        for endpoint in endpoints:
            if await _any_answers(endpoint, self._settings, self._plans):
                return endpoint.url
            self._step(f"trying {endpoint.url}")
        return None


async def _any_answers(endpoint: Endpoint, settings: BusSettings, plans: Sequence[MeterPlan]) -> bool:
    bus = open_bus(endpoint, timeout_s=settings.timeout_s)
    try:
        for plan in plans:
            if await answers(bus, plan.unit_id, plan.requests[0].function_code):
                return True
    except LinkDown:
        pass
    finally:
        await bus.close()
    return False


def _kind(error: BusError, seen: MeterSeen) -> Kind:
    """Return what a failed read is a sign of, and note which other unit answered."""
    if isinstance(error, Refused):
        return "silent" if error.exception_code in GATEWAY_REFUSALS else "refused"
    if isinstance(error, ModelLost):
        return "refused"
    if isinstance(error, LinkDown):
        return "lost" if error.trouble == "lost" else "unreachable"
    if not isinstance(error, BadReply):
        return "silent"
    if error.mismatch == "other_unit" and error.unit_id is not None:
        seen.foreign_units.add(error.unit_id)
        return "foreign"
    return "babble" if error.mismatch == "babble" else "damaged"


def _otherwise_set(endpoint: Endpoint) -> Iterator[Endpoint]:
    if endpoint.device is None:
        framings = (framing for framing in get_args(Framing) if framing not in ("rtu", endpoint.framing))
        yield from (replace(endpoint, framing=cast("Framing", framing)) for framing in framings)
        return
    settings = ((rate, parity) for rate in BAUDRATES for parity in get_args(Parity))
    for rate, parity in settings:
        if (rate, parity) != (endpoint.baudrate, endpoint.parity):
            yield replace(endpoint, baudrate=rate, parity=cast("Parity", parity))
