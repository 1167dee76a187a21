"""What a meter on a bus answers to a request, as a real one would: its registers, and its refusals."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from phasewatch.meters.profile import Profile
from phasewatch.simulator.chain import chain
from phasewatch.simulator.feeder import solve
from phasewatch.simulator.meter import Meter, registers
from phasewatch.simulator.scenario import Scenario

ILLEGAL_FUNCTION: Final = 1
ILLEGAL_DATA_ADDRESS: Final = 2
ILLEGAL_DATA_VALUE: Final = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a unit; by default nothing."""

    silent: bool = False
    """Does not answer."""
    hang_up: bool = False
    """Closes the connection instead of answering."""
    refuse: int | None = None
    """Answers everything with this exception code."""
    delay_s: float = 0.0
    """Answers late; requests behind it on the same line wait."""
    truncate_bytes: int = 0
    """Leaves off this many bytes at the end of the frame."""
    unit_id: int | None = None
    """Answers under this unit id."""
    noise: bytes = b""
    """Comes in front of the frame."""

    def answer(self, unit: "Unit", pdu: bytes) -> bytes:
        """Return the PDU of the unit's reply, or of the refusal that the fault makes of it."""
        return unit.answer(pdu) if self.refuse is None else bytes([pdu[0] | 0x80, self.refuse])


SOUND: Final = Fault()


@dataclass(frozen=True, slots=True)
class Unit:
    """A meter on a bus."""

    profile: Profile
    values: Callable[[], Mapping[str, float]]
    """What it measures at this moment: quantity -> value; asked once for each request."""
    readable: Mapping[int, frozenset[int]] = field(init=False, repr=False)
    """Function code -> addresses that it answers."""

    def __post_init__(self) -> None:
        """Work out once which addresses are answered."""
        object.__setattr__(self, "readable", _readable(self.profile))

    def answer(self, pdu: bytes) -> bytes:
        """Return the PDU of the reply or of the refusal."""
        code, body = pdu[0], pdu[1:]
        refused = self._refusal(code, body)
        if refused:
            return bytes([code | 0x80, refused])
        address, count = struct.unpack(">HH", body)
        words = _words(self.profile, self.values(), code)
        chosen = (words.get(place, 0) for place in range(address, address + count))
        return struct.pack(f">BB{count}H", code, 2 * count, *chosen)

    def _refusal(self, code: int, body: bytes) -> int | None:
        if code not in self.readable:
            return ILLEGAL_FUNCTION
        if len(body) != 4:
            return ILLEGAL_DATA_VALUE
        address, count = struct.unpack(">HH", body)
        if not 1 <= count <= self.profile.max_words:
            return ILLEGAL_DATA_VALUE
        aligned = address % self.profile.align_words == 0 and count % self.profile.align_words == 0
        if not aligned or not self.readable[code].issuperset(range(address, address + count)):
            return ILLEGAL_DATA_ADDRESS
        return None


def played(meter: Meter, scenario: Scenario, clock: Callable[[], float], loop: bool = False) -> Unit:
    """Return a meter on a bus whose board lives through a scenario; the clock counts seconds from its start."""

    def values() -> Mapping[str, float]:
        t_s = clock() % scenario.length_s if loop else clock()
        return meter.readings(solve(scenario.feeder_at(t_s)))

    return Unit(meter.profile, values)


def _words(profile: Profile, values: Mapping[str, float], code: int) -> dict[int, int]:
    return registers(profile, values, code) if profile.sunspec is None else chain(profile, values)


def _readable(profile: Profile) -> dict[int, frozenset[int]]:
    """Return what each function code reads: registers and blocks, less the holes."""
    if profile.sunspec is not None:
        return {profile.function_code: frozenset(chain(profile, {}))}
    holes = {place for hole in profile.holes for place in range(hole.address, hole.end)}
    gaps = {place for block in profile.blocks for place in range(block.address, block.end)}
    by_code: dict[int, set[int]] = {}
    for register in profile.registers.values():
        places = by_code.setdefault(register.function_code or profile.function_code, set(gaps))
        places.update(range(register.address, register.address + register.words))
        if register.exponent_at is not None:
            places.add(register.exponent_at)
    return {code: frozenset(places - holes) for code, places in by_code.items()}
