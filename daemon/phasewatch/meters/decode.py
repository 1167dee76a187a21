"""Turns the words of a meter into values, and says in words why a value is missing."""

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import itemgetter
from typing import Final

from phasewatch.meters.profile import Example, ExponentType, Profile, Register
from phasewatch.meters.quantities import FREQUENCY, LL, UNITS, VOLTAGES

PLAUSIBLE_TIMES_NOMINAL: Final = 2.5
"""Voltages are plausible from 0 to this many times nominal: the values of a fault are plausible."""

PLAUSIBLE_HZ: Final = (10.0, 100.0)
"""From a generator that runs up, over railway supplies, to well above 60 Hz."""

PLAUSIBLE_MAGNITUDE: Final = 1e7
"""Every other quantity is plausible below this magnitude in its unit."""

EXPONENT_UNAVAILABLE: Final = -0x8000
"""SunSpec: this scale factor means that the point is not implemented."""

EXPONENT_LIMIT: Final = 10
"""SunSpec: scale factors run from -10 to 10."""

POWERS_OF_TEN: Final[tuple[int, ...]] = tuple(10**n for n in range(EXPONENT_LIMIT + 1))

SCALE_LIMITS: Final = (1e-12, 1e12)
"""Magnitudes of a scale that make sense; 0 would turn every voltage into an interruption."""

EXAMPLE_NOMINAL_V: Final = 1e6
"""An example may show any voltage; its limits are the site's matter."""

LEAST_VOLTS: Final = 1e-9
"""A float voltage nearer to 0 than this, but not 0, was never measured: its words are in the wrong order."""

NOT_READ: Final = "not read"

EXPONENT_CODES: Final = {"i16": "h", "i8": "xb"}

STRUCT_CODES: Final = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f", "u64": "Q", "i64": "q", "f64": "d"}

Words = Mapping[int, int]
"""PDU address -> word (0 to 65535)."""


class ProfileError(ValueError):
    """The profile cannot be used as it is; the message names the key and the remedy."""


@dataclass(frozen=True, slots=True)
class _Field:
    """How one raw number becomes a value."""

    name: str
    numerator: int
    denominator: int
    markers: frozenset[float]
    low: float
    high: float
    exponent: int | None
    """Place of the exponent in the tuple of raw numbers."""
    magnitude: bool
    least: float
    """Nearer to 0 there is only 0 itself."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Some fields whose words are picked, packed and unpacked in one go."""

    fields: tuple[_Field, ...]
    pick: Callable[[Words], tuple[int, ...]]
    words: struct.Struct
    numbers: struct.Struct

    def raw(self, words: Words) -> tuple[float, ...]:
        return self.numbers.unpack(self.words.pack(*self.pick(words)))


class Decoder:
    """A profile compiled once for cheap decoding."""

    def __init__(self, profile: Profile, nominal_v: float, quantities: Iterable[str] | None = None) -> None:
        """Compile the profile.

        `nominal_v` is the nominal phase-neutral voltage at the meter's terminals; `quantities` None means all.

        Raises: ProfileError for a quantity or a marker that the profile cannot have.
        """
        names = tuple(profile.registers if quantities is None else dict.fromkeys(quantities))
        for name in names:
            _refuse_unknown(profile, name)
        _refuse_shared_addresses(profile, names)
        self._all = _layout(profile, names, nominal_v)
        self._each = tuple(_layout(profile, (name,), nominal_v) for name in names)
        models = {} if profile.sunspec is None else profile.sunspec.models
        self._sees = {model: frozenset(seen) for model, seen in models.items()}

    def __call__(self, words: Words) -> tuple[dict[str, float], dict[str, str]]:
        """Return the values and, for every other quantity asked for, the reason why it is missing."""
        values: dict[str, float] = {}
        missing: dict[str, str] = {}
        try:
            _decode(self._all, words, values, missing)
        except KeyError:
            self._decode_each(words, values, missing)
        if self._sees:
            _withhold(self._sees, words, values, missing)
        return values, missing

    def _decode_each(self, words: Words, values: dict[str, float], missing: dict[str, str]) -> None:
        for layout in self._each:
            try:
                _decode(layout, words, values, missing)
            except KeyError:
                missing[layout.fields[0].name] = NOT_READ


def decode(words: Words, profile: Profile, nominal_v: float) -> tuple[dict[str, float], dict[str, str]]:
    """Decode once; what decodes again and again keeps a `Decoder`."""
    return Decoder(profile, nominal_v)(words)


def by_address(blocks: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """Spread blocks of words (first address -> words) over their addresses."""
    return {first + n: word for first, words in blocks.items() for n, word in enumerate(words)}


def example_problems(profile: Profile) -> list[str]:
    """Return one line for each value of the profile's examples that the registers do not yield."""
    decoder = Decoder(profile, EXAMPLE_NOMINAL_V)
    return [
        f"examples[{n}].values.{line}"
        for n, example in enumerate(profile.examples)
        for line in _example_problems(example, *decoder(by_address(example.words)))
    ]


def _example_problems(example: Example, values: dict[str, float], missing: dict[str, str]) -> Iterable[str]:
    for name, expected in example.values.items():
        if name not in values and name not in missing:
            yield f"{name}: there is no such register"
        elif missing.get(name) == NOT_READ:
            yield f"{name}: its words are not among the example's words"
        elif not _agree(values.get(name), expected):
            says = f"{values[name]:.9g}" if name in values else f"null ({missing[name]})"
            yield f"{name}: is {'null' if expected is None else expected}, the words say {says}"


def _agree(value: float | None, expected: float | None) -> bool:
    if value is None or expected is None:
        return value is expected
    return math.isclose(value, expected, rel_tol=1e-6, abs_tol=1e-9)  # a 32-bit float carries seven digits


def _decode(layout: _Layout, words: Words, values: dict[str, float], missing: dict[str, str]) -> None:
    raws = layout.raw(words)
    for field, raw in zip(layout.fields, raws, strict=False):  # behind the numbers come their exponents
        if field.exponent is None:
            value = raw * field.numerator / field.denominator + 0.0  # turns -0.0 into 0.0
        else:
            value = _raised(field, raw, int(raws[field.exponent]))
        meant = value == 0.0 or abs(value) >= field.least
        if meant and field.low <= value <= field.high and raw not in field.markers:
            values[field.name] = abs(value) if field.magnitude else value
        else:
            missing[field.name] = _reason(field, raw, value, raws)


def _withhold(
    seen_by: Mapping[int, frozenset[str]], words: Words, values: dict[str, float], missing: dict[str, str]
) -> None:
    """Take back what a meter of the SunSpec model whose header is the first word cannot see."""
    model = words.get(0)
    sees = frozenset[str]() if model is None else seen_by.get(model, frozenset())
    for name in [name for name in values if name not in sees]:
        del values[name]
        missing[name] = "no model header was read" if model is None else f"SunSpec model {model} does not see it"


def _raised(field: _Field, raw: float, exponent: int) -> float:
    """Scale by a power of ten as well; NaN where the exponent says nothing."""
    if abs(exponent) > EXPONENT_LIMIT:
        return math.nan
    up, down = POWERS_OF_TEN[max(exponent, 0)], POWERS_OF_TEN[max(-exponent, 0)]
    return raw * field.numerator * up / (field.denominator * down) + 0.0


def _reason(field: _Field, raw: float, value: float, raws: tuple[float, ...]) -> str:
    if raw in field.markers:
        return f"the meter says not available (raw {raw if isinstance(raw, int) else format(raw, '.7g')})"
    if math.isnan(raw):
        return "not a number"
    if math.isinf(value):
        return "infinite"
    if math.isnan(value) and field.exponent is not None:
        return _exponent_reason(int(raws[field.exponent]))
    if field.name == FREQUENCY and value == 0:
        return "no frequency"
    unit = UNITS[field.name]
    if abs(value) < field.least:
        return f"implausible: {value:.6g} {unit} is what two words in the wrong order make; see word_order"
    return f"implausible: {value:.6g} {unit} is outside {field.low:.6g} to {field.high:.6g} {unit}"


def _exponent_reason(exponent: int) -> str:
    if exponent == EXPONENT_UNAVAILABLE:
        return "the meter says its scale factor is not available"
    return f"scale factor {exponent} is outside {-EXPONENT_LIMIT} to {EXPONENT_LIMIT}"


def _layout(profile: Profile, names: tuple[str, ...], nominal_v: float) -> _Layout:
    registers = [profile.registers[name] for name in names]
    exponents = dict.fromkeys((r.exponent_at, r.exponent_type) for r in registers if r.exponent_at is not None)
    places = {exponent: len(names) + n for n, exponent in enumerate(exponents)}
    fields = (_field(name, r, nominal_v, places) for name, r in zip(names, registers, strict=True))
    addresses = [a for r in registers for a in _addresses(r, r.word_order or profile.word_order)]
    addresses += [address for address, _ in exponents]
    codes = "".join([STRUCT_CODES[r.type] for r in registers] + [EXPONENT_CODES[kind] for _, kind in exponents])
    return _Layout(tuple(fields), _pick(addresses), struct.Struct(f">{len(addresses)}H"), struct.Struct(">" + codes))


def _field(name: str, register: Register, nominal_v: float, places: dict[tuple[int, ExponentType], int]) -> _Field:
    if not SCALE_LIMITS[0] <= abs(register.scale) <= SCALE_LIMITS[1]:
        raise ProfileError(f"registers.{name}.scale: {register.scale} is no scale; give a number such as 0.1")
    scale = Fraction(repr(register.scale))  # 0.1 is meant as 1/10: an exact quotient adds no float noise
    low, high = plausible_range(name, nominal_v)
    markers = _markers(name, register)
    exponent = None if register.exponent_at is None else places[register.exponent_at, register.exponent_type]
    low = -high if register.magnitude else low
    least = LEAST_VOLTS if name in VOLTAGES and register.type in ("f32", "f64") else 0.0
    return _Field(name, scale.numerator, scale.denominator, markers, low, high, exponent, register.magnitude, least)


def plausible_range(quantity: str, nominal_v: float) -> tuple[float, float]:
    """Return the lowest and the highest value, in the quantity's unit, that is believed."""
    if quantity in LL:
        return 0.0, PLAUSIBLE_TIMES_NOMINAL * math.sqrt(3) * nominal_v
    if quantity in VOLTAGES:
        return 0.0, PLAUSIBLE_TIMES_NOMINAL * nominal_v
    if quantity == FREQUENCY:
        return PLAUSIBLE_HZ
    largest = math.nextafter(PLAUSIBLE_MAGNITUDE, 0.0)
    return -largest, largest


def _markers(name: str, register: Register) -> frozenset[float]:
    """Pass the markers through the type, so that 1e20 is the 1e20 of a 32-bit float."""
    code = struct.Struct(">" + STRUCT_CODES[register.type])
    try:
        return frozenset(code.unpack(code.pack(marker))[0] for marker in register.unavailable)
    except (struct.error, OverflowError) as error:
        raise ProfileError(
            f"registers.{name}.unavailable: {list(register.unavailable)} are not all numbers of type {register.type}"
        ) from error


def _addresses(register: Register, word_order: str) -> Sequence[int]:
    span = range(register.address, register.address + register.words)
    return span if word_order == "big" else span[::-1]


def _pick(addresses: list[int]) -> Callable[[Words], tuple[int, ...]]:
    if len(addresses) > 1:
        return itemgetter(*addresses)
    return lambda words: tuple(words[address] for address in addresses)


def _refuse_unknown(profile: Profile, name: str) -> None:
    if name not in profile.registers:
        raise ProfileError(f"registers.{name}: {profile.id} has no such register; ask for one that it has")


def _refuse_shared_addresses(profile: Profile, names: Iterable[str]) -> None:
    """Refuse one address under two function codes: words are told apart by address alone."""
    owners: dict[int, tuple[int, str]] = {}
    for name in names:
        register = profile.registers[name]
        code = register.function_code or profile.function_code
        for address in _words_of(register):
            first_code, first = owners.setdefault(address, (code, name))
            if first_code != code:
                raise ProfileError(
                    f"registers.{name}.address: {address} also belongs to {first} under function code {first_code}; "
                    "leave out one of the two"
                )


def _words_of(register: Register) -> list[int]:
    exponent = [] if register.exponent_at is None else [register.exponent_at]
    return [*range(register.address, register.address + register.words), *exponent]
