"""Reads a meter whose registers stand in a SunSpec model, wherever the meter keeps that model."""

import logging
from typing import Final

from phasewatch.adapters.modbus.protocol import Bus, BusError, LineCounts, NoReply, Refused
from phasewatch.meters.profile import HEADER_WORDS, Profile
from phasewatch.meters.sunspec import Place, Walk, begun

NOTHING_HERE: Final = (2, 3, 4)
"""Exceptions by which devices say that they have no registers at an address."""

_log = logging.getLogger(__name__)


class ModelLost(BusError):  # noqa: N818  (as all that ends up under BusError)
    """The meter answers, but the model is not, or no longer, where it was looked for."""


class ModelBus:
    """The bus of one meter, on which address 0 is the header of the meter's model."""

    def __init__(self, bus: Bus, profile: Profile) -> None:
        """Look for the profile's model at the first read, and again whenever it is not where it was."""
        self._bus, self._profile = bus, profile
        self._next = begun(profile)
        self.place: Place | None = None
        """Where the model stands; None while that is not known."""

    @property
    def counts(self) -> LineCounts:
        """What was seen on the line, whichever meter was asked."""
        return self._bus.counts

    async def read(self, function_code: int, address: int, count: int, unit_id: int) -> tuple[int, ...]:
        """Return words of the model, its header the first of them.

        Raises: BusError if there is no answer or another model; ValueError if the header is not read along.
        """
        if address != 0 or count < HEADER_WORDS:
            raise ValueError(f"{address}, {count} words: a read of a model begins with its header")
        place = self.place or await self._found(unit_id)
        try:
            words = await self._bus.read(function_code, place.address, count, unit_id)
        except Refused as error:
            if error.exception_code not in NOTHING_HERE:
                raise
            raise self._lost(f"{error}; SunSpec model {place.model} is no longer there") from error
        if words[:HEADER_WORDS] != place.header:
            raise self._lost(_other(place, words, unit_id))
        return words

    async def close(self) -> None:
        """Let go of the line."""
        await self._bus.close()

    async def _found(self, unit_id: int) -> Place:
        walk, self._next = self._next, begun(self._profile)
        while (request := walk.request) is not None:
            words: tuple[int, ...] | None = None
            try:
                words = await self._bus.read(request.function_code, request.address, request.count, unit_id)
            except NoReply:
                self._next = self._behind(walk)
                raise
            except Refused as error:
                if error.exception_code not in NOTHING_HERE:
                    raise
            walk = walk.after(words)
        if walk.place is None:
            raise ModelLost(f"unit {unit_id}: {walk.failure}")
        self.place = walk.place
        _log.info("unit %d: SunSpec model %d stands at %d", unit_id, walk.place.model, walk.place.address)
        return walk.place

    def _behind(self, walk: Walk) -> Walk:
        """Return where to go on after a silence: some devices are silent where they have no registers."""
        next_base = walk.after(None)
        return begun(self._profile) if walk.at_header or next_base.request is None else next_base

    def _lost(self, why: str) -> ModelLost:
        self.place = None
        return ModelLost(f"{why}; looking for it again")


def bus_of(bus: Bus, profile: Profile) -> Bus:
    """Return the bus on which a meter's addresses are those of its profile."""
    if profile.sunspec is None:
        return bus
    return ModelBus(bus, profile)


def _other(place: Place, words: tuple[int, ...], unit_id: int) -> str:
    was, now = f"model {place.model} of {place.length} words", f"model {words[0]} of {words[1]} words"
    return f"unit {unit_id}: at {place.address} stood SunSpec {was}, now {now}: the meter's map has changed"
