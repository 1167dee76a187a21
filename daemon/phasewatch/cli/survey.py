"""Finds out which units answer on a line, and which profile reads them plausibly."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from phasewatch.adapters.modbus import Bus, BusError, IllegalDataAddress, LinkDown, Refused
from phasewatch.meters.decode import Decoder, by_address
from phasewatch.meters.likeness import MANY_V, Likeness, likeness, ranked
from phasewatch.meters.profile import Profile
from phasewatch.meters.quantities import FREQUENCY, LN
from phasewatch.meters.readplan import Request, plan, serial_cost

TEMPLATE: Final = "generic"
"""The profile that belongs to no meter."""
GATEWAY_REFUSALS: Final = (10, 11)
"""Exceptions by which a gateway says that nobody answers under this unit id."""
PRESENCE: Final = Request(3, 0, 2)
"""Asked first: nearly every meter answers it, with words or with an exception."""
LOST_IN_A_ROW: Final = 3
"""After this many lost connections the line is given up."""

COST: Final = serial_cost(9600)


@dataclass(slots=True)
class Found:
    """A unit that answers."""

    url: str
    unit_id: int
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


async def answers(bus: Bus, unit_id: int) -> bool:
    """Return whether a unit answers, be it with an exception. Raises: LinkDown."""
    try:
        await bus.read(PRESENCE.function_code, PRESENCE.address, PRESENCE.count, unit_id)
    except Refused as error:
        return error.exception_code not in GATEWAY_REFUSALS
    except LinkDown:
        raise
    except BusError:
        return False
    return True


async def present(bus: Bus, unit_ids: Iterable[int], meet: Callable[[int], None], tell: Tell) -> str | None:
    """Hand on each unit that answers; return why the line was given up, None when it was not."""
    lost = 0
    for unit_id in unit_ids:
        try:
            if await answers(bus, unit_id):
                meet(unit_id)
            lost = 0
        except LinkDown as error:
            lost += 1
            if lost == LOST_IN_A_ROW:
                return str(error)
        tell(f"unit {unit_id}")
    return None


class Reader:
    """Reads words of one unit, each stretch only once."""

    def __init__(self, bus: Bus, unit_id: int) -> None:
        """Read from a unit on a bus."""
        self._bus, self._unit_id = bus, unit_id
        self._known: dict[Request, tuple[int, ...] | None] = {}
        self._no_function: set[int] = set()

    async def words(self, request: Request) -> tuple[int, ...] | None:
        """Return the words; None where the unit does not give them."""
        if request.function_code in self._no_function:
            return None
        if request not in self._known:
            self._known[request] = await self._ask(request)
        return self._known[request]

    async def values(self, profile: Profile, quantities: Sequence[str]) -> dict[str, float]:
        """Return the values that a profile reads from the unit; what cannot be read is left out."""
        blocks = {}
        for request in plan(profile, quantities, COST):
            if (words := await self.words(request)) is not None:
                blocks[request.address] = words
        return Decoder(profile, MANY_V, quantities)(by_address(blocks))[0] if blocks else {}

    async def _ask(self, request: Request) -> tuple[int, ...] | None:
        try:
            return await self._bus.read(request.function_code, request.address, request.count, self._unit_id)
        except IllegalDataAddress:
            return None
        except Refused as error:
            if error.exception_code == 1:
                self._no_function.add(request.function_code)
            return None
        except BusError:
            return None


async def identify(bus: Bus, found: Found, profiles: Mapping[str, Profile], tell: Tell) -> None:
    """Write into what was found which profiles fit."""
    reader = Reader(bus, found.unit_id)
    for profile in profiles.values():
        if profile.identification and await _marked(reader, profile):
            found.identified.append(profile.id)
    likely: dict[str, Likeness] = {}
    for profile in profiles.values():
        like = None if profile.id == TEMPLATE else await _like(reader, profile)
        if like is not None:
            likely[profile.id] = like
            found.proposals = ranked(likely)
        tell(f"unit {found.unit_id}: {profile.id}")


async def _marked(reader: Reader, profile: Profile) -> bool:
    for mark in profile.identification:
        words = await reader.words(Request(mark.function_code, mark.address, mark.words))
        if words is None or not mark.fits(words):
            return False
    return True


async def _like(reader: Reader, profile: Profile) -> Likeness | None:
    """Judge the first voltages; only where they are plausible is the rest read."""
    first = [name for name in (*LN, FREQUENCY) if name in profile.registers]
    if not any(name in LN for name in first):
        return None
    if likeness(profile, await reader.values(profile, first)) is None:
        return None
    return likeness(profile, await reader.values(profile, tuple(profile.registers)))
