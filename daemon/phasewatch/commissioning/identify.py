"""Finds out which units answer on a line, and which profile reads them plausibly."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from phasewatch.adapters.modbus.protocol import BadReply, Bus, BusError, LinkDown, Refused
from phasewatch.commissioning.plausibility import MANY_V, Likeness, likeness, ranked
from phasewatch.meters.decode import Decoder, by_address
from phasewatch.meters.profile import Profile
from phasewatch.meters.quantities import FREQUENCY, LN
from phasewatch.meters.readplan import Request, plan, serial_cost
from phasewatch.meters.sunspec import begun

TEMPLATE: Final = "generic"
"""The profile that belongs to no meter."""
GATEWAY_REFUSALS: Final = (10, 11)
"""Exceptions by which a gateway says that nobody answers under this unit id."""
PRESENCE: Final = Request(3, 0, 2)
"""Asked first: nearly every meter answers it, with words or with an exception. Some are silent to function 3."""
PATIENT_S: Final = 1.0
"""Time-out for meters that answered late."""
TRIES: Final = 4
"""A damaged answer is asked for again."""
SILENCES: Final = 4
"""So many in a row from the start: the unit does not know the function, and does not say so."""
LOST_IN_A_ROW: Final = 3
"""After this many lost connections the line is given up."""

COST: Final = serial_cost(9600)


@dataclass(slots=True)
class Found:
    """A unit that answers."""

    url: str
    unit_id: int
    late: bool = field(default=False, kw_only=True)
    """Whether its answer came after the time-out."""
    identified: list[str] = field(default_factory=list)
    """Profiles whose identification fits."""
    proposals: list[tuple[str, Likeness]] = field(default_factory=list)
    """Profiles that read plausible voltages, the best first."""

    @property
    def profile(self) -> str | None:
        """The profile to try first; None where nothing fits.

        A small number may stand in another model's register by chance: plausible voltages outweigh it.
        """
        plausible = [profile_id for profile_id, _ in self.proposals]
        both = [profile_id for profile_id in plausible if profile_id in self.identified]
        return next(iter(both or plausible or self.identified), None)

    @property
    def likeness(self) -> Likeness | None:
        """How plausible that profile reads; None where it was not judged."""
        return dict(self.proposals).get(self.profile or "")


Tell = Callable[[str], None]
"""Told of each step, for a progress bar."""


async def answers(bus: Bus, unit_id: int, function_code: int = PRESENCE.function_code) -> bool:
    """Return whether a unit answers, be it with an exception. Raises: LinkDown."""
    try:
        await bus.read(function_code, PRESENCE.address, PRESENCE.count, unit_id)
    except Refused as error:
        return error.exception_code not in GATEWAY_REFUSALS
    except LinkDown:
        raise
    except BusError:
        return False
    return True


async def present(
    bus: Bus,
    unit_ids: Iterable[int],
    meet: Callable[[int], None],
    tell: Tell,
    function_code: int = PRESENCE.function_code,
) -> LinkDown | None:
    """Hand on each unit that answers; return why the line was given up, None when it was not."""
    asked = lost = 0
    why: LinkDown | None = None
    for unit_id in unit_ids:
        asked += 1
        try:
            if await answers(bus, unit_id, function_code):
                meet(unit_id)
            lost = 0
        except LinkDown as error:
            lost, why = lost + 1, error
            if lost == LOST_IN_A_ROW:
                return why
        tell(f"unit {unit_id}")
    return why if asked and lost == asked else None


class Reader:
    """Reads words of one unit, each stretch only once."""

    def __init__(self, bus: Bus, unit_id: int, *, patient: bool = False) -> None:
        """Read from a unit on a bus; `patient`: a silence may be a lost request."""
        self._bus, self._unit_id, self._patient = bus, unit_id, patient
        self._known: dict[Request, tuple[int, ...] | None] = {}
        self._no_function: set[int] = set()
        self._speaks: set[int] = set()
        self._silences: Counter[int] = Counter()

    async def words(self, request: Request) -> tuple[int, ...] | None:
        """Return the words; None where the unit does not give them."""
        if request.function_code in self._no_function or self._given_up(request.function_code):
            return None
        if request not in self._known:
            self._known[request] = await self._ask(request)
        return self._known[request]

    def _given_up(self, function_code: int) -> bool:
        """Whether the unit has been silent to all that was asked with this function."""
        return function_code not in self._speaks and self._silences[function_code] >= SILENCES

    async def start(self, profile: Profile) -> int | None:
        """Return what to add to the profile's addresses; None where the unit has none of its SunSpec models."""
        if profile.sunspec is None:
            return 0
        walk = begun(profile)
        while (request := walk.request) is not None:
            walk = walk.after(await self.words(request))
        return None if walk.place is None else walk.place.address

    async def values(self, profile: Profile, quantities: Sequence[str]) -> dict[str, float]:
        """Return the values that a profile reads from the unit; what cannot be read is left out."""
        start = await self.start(profile)
        if start is None:
            return {}
        blocks = {}
        for request in plan(profile, quantities, COST):
            if (words := await self.words(replace(request, address=start + request.address))) is not None:
                blocks[request.address] = words
        return Decoder(profile, MANY_V, quantities)(by_address(blocks))[0] if blocks else {}

    async def _ask(self, request: Request) -> tuple[int, ...] | None:
        for _ in range(TRIES):
            try:
                words = await self._bus.read(request.function_code, request.address, request.count, self._unit_id)
                self._speaks.add(request.function_code)
                return words
            except Refused as error:
                self._speaks.add(request.function_code)
                if error.exception_code == 1:
                    self._no_function.add(request.function_code)
                return None
            except BadReply:
                continue  # damaged on the way: there is something
            except BusError:
                self._silences[request.function_code] += 1
                if not self._patient or self._given_up(request.function_code):
                    break
        return None


async def identify(bus: Bus, found: Found, profiles: Mapping[str, Profile], tell: Tell) -> None:
    """Write into what was found which profiles fit."""
    reader = Reader(bus, found.unit_id)
    for profile in profiles.values():
        if _tells(profile) and await _marked(reader, profile):
            found.identified.append(profile.id)
    likely: dict[str, Likeness] = {}
    for profile in profiles.values():
        like = None if profile.id == TEMPLATE else await _like(reader, profile)
        if like is not None:
            likely[profile.id] = like
            found.proposals = ranked(likely)
        tell(f"unit {found.unit_id}: {profile.id}")


def _tells(profile: Profile) -> bool:
    return bool(profile.identification) or profile.sunspec is not None


async def _marked(reader: Reader, profile: Profile) -> bool:
    for mark in profile.identification:
        words = await reader.words(Request(mark.function_code, mark.address, mark.words))
        if words is None or not mark.fits(words):
            return False
    return await reader.start(profile) is not None


async def _like(reader: Reader, profile: Profile) -> Likeness | None:
    """Judge the first voltages; only where they are plausible is the rest read."""
    first = [name for name in (*LN, FREQUENCY) if name in profile.registers]
    if not any(name in LN for name in first):
        return None
    if likeness(profile, await reader.values(profile, first)) is None:
        return None
    return likeness(profile, await reader.values(profile, tuple(profile.registers)))
