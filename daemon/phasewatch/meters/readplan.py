"""Chooses the requests that read the wanted registers in the fewest milliseconds on the bus."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from phasewatch.meters.decode import ProfileError
from phasewatch.meters.endpoint import line_silence_s
from phasewatch.meters.framing import MAX_WORDS
from phasewatch.meters.profile import FunctionCode, Profile, Register
from phasewatch.meters.quantities import VOLTAGES

REQUEST_CHARACTERS: Final = 8
"""Unit id, function code, address (2), count (2), checksum (2)."""

ANSWER_CHARACTERS: Final = 5
"""Unit id, function code, byte count, checksum (2): the answer without its words."""


NANOSECONDS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True, order=True)
class Request:
    """One read on the bus."""

    function_code: FunctionCode
    address: int
    count: int
    """Words."""

    @property
    def end(self) -> int:
        """First address behind the request."""
        return self.address + self.count


@dataclass(frozen=True, slots=True)
class Cost:
    """What reading costs on an endpoint."""

    request_ms: float
    """Per request, whatever it reads."""
    word_ms: float
    """Per word of the answer."""


def serial_cost(baudrate: int, character_bits: int = 10, turnaround_ms: float = 40.0, gap_ms: float = 0.0) -> Cost:
    """Return the cost on a serial line; `gap_ms` is the silence that the meter needs if it is more than standard."""
    character_ms = 1000.0 * character_bits / baudrate
    standard_ms = 1000.0 * line_silence_s(character_ms / 1000.0)
    silence_ms = standard_ms + max(standard_ms, gap_ms)
    return Cost((REQUEST_CHARACTERS + ANSWER_CHARACTERS) * character_ms + silence_ms + turnaround_ms, 2 * character_ms)


def tcp_cost(round_trip_ms: float = 2.0, gap_ms: float = 0.0) -> Cost:
    """Return the cost over TCP or UDP, where words are as good as free."""
    return Cost(round_trip_ms + gap_ms, 0.0)


def bus_ms(requests: Iterable[Request], cost: Cost) -> float:
    """Return the milliseconds that the requests take on the bus."""
    return sum(cost.request_ms + request.count * cost.word_ms for request in requests)


def plan(profile: Profile, quantities: Iterable[str], cost: Cost) -> tuple[Request, ...]:
    """Return the cheapest requests that read each quantity once; those with voltages come first.

    The voltages are in as few requests as the profile allows; among such plans the bus time is least, then the
    number of requests, then the number of words.

    Raises: ProfileError when a quantity cannot be read within the profile's own rules.
    """
    wanted = tuple(dict.fromkeys(quantities))
    chosen: list[tuple[bool, Request]] = []
    for code in (3, 4):
        land = _Land(profile, code)
        spans = sorted(span for name in wanted if _code(profile, name) == code for span in _spans(land, name))
        chosen += _cheapest(land, spans, cost)
    return tuple(request for _, request in sorted(chosen, key=lambda one: (not one[0], one[1])))


def quantities_in(request: Request, profile: Profile, quantities: Iterable[str]) -> tuple[str, ...]:
    """Return those of the quantities that the request reads whole, or whose exponent it is there for."""
    return tuple(name for name in dict.fromkeys(quantities) if _reads(request, profile, name))


def probe(requests: Iterable[Request], profile: Profile, quantities: Iterable[str]) -> Request:
    """Return the shortest request for one value that these requests read: a voltage, if there is any."""
    wanted = tuple(quantities)
    singles = [
        (not span.voltage, span.end - span.start, Request(request.function_code, span.start, span.end - span.start))
        for request in requests
        for name in quantities_in(request, profile, wanted)
        for span in _spans(_Land(profile, request.function_code), name)[:1]
    ]
    return min(singles)[2]


def split(request: Request, profile: Profile, quantities: Iterable[str]) -> tuple[Request, ...]:
    """Return what to ask instead of a request that the meter refuses.

    First one request for each run of wanted registers without a gap, then register by register; empty when
    nothing smaller exists.
    """
    land = _Land(profile, request.function_code)
    names = quantities_in(request, profile, quantities)
    spans = sorted(span for name in names for span in _spans(land, name) if _holds(request, span.start, span.end))
    runs = _requests(_runs(spans), request.function_code)
    if runs != (request,):
        return runs
    return tuple(single for single in _requests(spans, request.function_code) if single != request)


class _Span(NamedTuple):
    """Words that have to be asked for together, padded to the alignment."""

    start: int
    end: int
    voltage: bool
    name: str


class _Price(NamedTuple):
    """What a plan costs, in the order of importance; prices add up field by field."""

    voltage_requests: int
    nanoseconds: int
    requests: int
    words: int

    def plus(self, other: "_Price") -> "_Price":
        return _Price(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class _Land:
    """What may be read under one function code."""

    def __init__(self, profile: Profile, function_code: FunctionCode) -> None:
        self.profile = profile
        self.function_code = function_code
        self.registered = frozenset(
            address
            for name, register in profile.registers.items()
            if _code(profile, name) == function_code
            for start, end in _pieces(register)
            for address in range(start, end)
        )

    def refusal(self, start: int, end: int) -> str | None:
        """Return why the stretch may not be asked for; None when it may."""
        if end - start > self.profile.max_words:
            return f"needs {end - start} words at once, more than max_words {self.profile.max_words}"
        if start < 0 or end > 0x10000:
            return "alignment reaches past the last address"
        if any(start < hole.end and hole.address < end for hole in self.profile.holes):
            return f"addresses {start} to {end - 1} touch a hole"
        if any(block.address <= start and end <= block.end for block in self.profile.blocks):
            return None
        gap = next((address for address in range(start, end) if address not in self.registered), None)
        return None if gap is None else f"address {gap} has to be read along; list a block with {start} to {end - 1}"


def _code(profile: Profile, name: str) -> FunctionCode:
    if name not in profile.registers:
        raise ProfileError(f"registers.{name}: {profile.id} has no such register; ask for one that it has")
    return profile.registers[name].function_code or profile.function_code


def _pieces(register: Register) -> tuple[tuple[int, int], ...]:
    """Return the stretches that the register needs: its words and its exponent."""
    own = (register.address, register.address + register.words)
    return (own,) if register.exponent_at is None else (own, (register.exponent_at, register.exponent_at + 1))


def _stretches(profile: Profile, name: str) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return the pieces of a register that are asked for together: apart only where no Modbus request reaches both."""
    pieces = _pieces(profile.registers[name])
    length = max(end for _, end in pieces) - min(start for start, _ in pieces)
    return (pieces,) if length <= MAX_WORDS else tuple((piece,) for piece in pieces)


def _spans(land: _Land, name: str) -> tuple[_Span, ...]:
    """Return what has to be asked for; where the exponent stands far away, it is the second span."""
    own, *exponent = (_span(land, name, pieces) for pieces in _stretches(land.profile, name))
    return (own, *(span._replace(voltage=False) for span in exponent))


def _span(land: _Land, name: str, pieces: Sequence[tuple[int, int]]) -> _Span:
    align = land.profile.align_words
    # The header of a SunSpec model is read along each time: it tells whether the model still stands there.
    first = 0 if land.profile.sunspec else min(piece[0] for piece in pieces)
    start = first // align * align
    end = -(-max(piece[1] for piece in pieces) // align) * align
    if (refusal := land.refusal(start, end)) is not None:
        raise ProfileError(f"registers.{name}: {refusal}")
    return _Span(start, end, name in VOLTAGES, name)


def _reads(request: Request, profile: Profile, name: str) -> bool:
    return _code(profile, name) == request.function_code and any(
        all(_holds(request, start, end) for start, end in pieces) for pieces in _stretches(profile, name)
    )


def _holds(request: Request, start: int, end: int) -> bool:
    return request.address <= start and end <= request.end


def _cheapest(land: _Land, spans: Sequence[_Span], cost: Cost) -> list[tuple[bool, Request]]:
    """Cut the sorted spans into runs of least price.

    Runs are enough: of two requests that cross, neither may read a span of the other whole, so the spans of the
    first all start before those of the second.
    """
    best: dict[int, tuple[_Price, list[tuple[bool, Request]]]] = {0: (_Price(0, 0, 0, 0), [])}
    for last in range(len(spans)):
        for first in range(last, -1, -1):
            request = _request(land, spans, first, last)
            if first not in best or request is None:
                continue
            voltage = any(span.voltage for span in spans[first : last + 1])
            price = best[first][0].plus(_price(request, voltage, cost))
            if last + 1 not in best or price < best[last + 1][0]:
                best[last + 1] = (price, [*best[first][1], (voltage, request)])
    if len(spans) not in best:
        names = ", ".join(sorted(span.name for span in spans))
        raise ProfileError(f"registers: no set of requests reads each of {names} once; leave out some of them")
    return best[len(spans)][1]


def _request(land: _Land, spans: Sequence[_Span], first: int, last: int) -> Request | None:
    """Return the request for a run of spans; None when it may not be asked, or reads another span as well."""
    start, end = spans[first].start, max(span.end for span in spans[first : last + 1])
    others = (*spans[:first], *spans[last + 1 :])
    if any(start <= other.start and other.end <= end for other in others) or land.refusal(start, end) is not None:
        return None
    return Request(land.function_code, start, end - start)


def _price(request: Request, voltage: bool, cost: Cost) -> _Price:
    whole = round(cost.request_ms * NANOSECONDS_PER_MS) + request.count * round(cost.word_ms * NANOSECONDS_PER_MS)
    return _Price(int(voltage), whole, 1, request.count)


def _requests(spans: Iterable[_Span], function_code: FunctionCode) -> tuple[Request, ...]:
    return tuple(dict.fromkeys(Request(function_code, span.start, span.end - span.start) for span in spans))


def _runs(spans: Sequence[_Span]) -> list[_Span]:
    """Join spans that touch."""
    runs: list[_Span] = []
    for span in spans:
        if runs and span.start <= runs[-1].end:
            runs[-1] = runs[-1]._replace(end=max(runs[-1].end, span.end))
        else:
            runs.append(span)
    return runs
