"""Finds a SunSpec model in a meter: which two words to read next, told by the words read so far."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from phasewatch.meters.profile import HEADER_WORDS, Profile, SunSpec
from phasewatch.meters.readplan import Request

MARKER: Final = (0x5375, 0x6E53)
"""`SunS`: behind it stands the first header of the chain."""

END: Final = 0xFFFF
"""Number of the model that ends the chain."""

MOST_HEADERS: Final = 48
"""Headers read in one walk; real chains have a few dozen models at most."""

USUAL_ADDRESS: Final = 40069
"""Where the meter's model stands behind a marker at 40000 and a common model of 65 words."""

TOLD: Final = 8
"""Models named in a message."""


@dataclass(frozen=True, slots=True)
class Place:
    """A model that was found."""

    address: int
    """Of its header."""
    model: int
    length: int
    """Words behind the header."""

    @property
    def header(self) -> tuple[int, int]:
        """The two words at its address."""
        return self.model, self.length


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk along the chain as far as it has come."""

    profile: Profile
    sunspec: SunSpec
    address: int | None
    """Of the two words to read next; None: the walk is over."""
    bases: tuple[int, ...]
    """Where the chain may begin, still to be tried."""
    at_header: bool = False
    """Whether a header is read next, and not a marker."""
    headers: int = 0
    """Headers read so far."""
    models: tuple[int, ...] = ()
    """Models met so far."""
    marked: bool = False
    """Whether any marker was there."""
    place: Place | None = None

    @property
    def request(self) -> Request | None:
        """What to read next; None when the walk is over."""
        if self.address is None:
            return None
        return Request(self.profile.function_code, self.address, HEADER_WORDS)

    @property
    def failure(self) -> str:
        """Why a walk that is over came to no place."""
        wanted = ", ".join(map(str, self.sunspec.models))
        if not self.marked:
            return (
                f"no SunSpec marker at {', '.join(map(str, self.sunspec.bases))}; is SunSpec switched on in the device?"
            )
        met = ", ".join(map(str, self.models[:TOLD])) + (", ..." if len(self.models) > TOLD else "")
        return f"the SunSpec chain has models {met or '(none)'}, and none of {wanted} that is whole"

    def after(self, words: Sequence[int] | None) -> "Walk":
        """Return the walk after the answer to its request; None: the meter has no such registers."""
        if self.address is None:
            return self
        if words is None or len(words) != HEADER_WORDS:
            return self._next_base()
        if not self.at_header:
            marked = tuple(words) == MARKER
            return replace(self, marked=True)._header_at(self.address + len(MARKER)) if marked else self._next_base()
        return self._after_header(self.address, *words)

    def _after_header(self, address: int, model: int, length: int) -> "Walk":
        if model == END:
            return self._next_base()
        met = replace(self, models=(*self.models, model))
        if model in self.sunspec.models and _whole(self.profile, address, length):
            return replace(met, address=None, place=Place(address, model, length))
        return met._header_at(address + HEADER_WORDS + length)

    def _header_at(self, address: int) -> "Walk":
        """Addresses only ever grow along a chain, so that none is walked in circles."""
        if self.headers == MOST_HEADERS or address + HEADER_WORDS > 0x10000:
            return self._next_base()
        return replace(self, address=address, at_header=True, headers=self.headers + 1)

    def _next_base(self) -> "Walk":
        address = self.bases[0] if self.bases else None
        return replace(self, address=address, bases=self.bases[1:], at_header=False)


def begun(profile: Profile) -> Walk:
    """Return the walk to a profile's model, at its beginning. Raises: ValueError for a profile without one."""
    if profile.sunspec is None:
        raise ValueError(f"{profile.id} is no profile of SunSpec models")
    first, *others = profile.sunspec.bases
    return Walk(profile, profile.sunspec, first, tuple(others))


def _whole(profile: Profile, address: int, length: int) -> bool:
    """Return whether a model is long enough for the registers of the profile, and ends within the address range."""
    ends = [register.address + register.words for register in profile.registers.values()]
    ends += [register.exponent_at + 1 for register in profile.registers.values() if register.exponent_at is not None]
    return max(ends) <= HEADER_WORDS + length <= 0x10000 - address
