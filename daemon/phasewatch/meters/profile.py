"""A meter model as data: which registers hold which quantities, and how the meter wants to be asked."""

from collections.abc import Iterable
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from phasewatch.meters.framing import MAX_WORDS
from phasewatch.meters.quantities import LPE, NPE, UNITS, VOLTAGES

TYPE_WORDS: Final[dict[str, int]] = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2, "u64": 4, "i64": 4, "f64": 4}
"""Words (16-bit registers) that each type takes."""

HEADER_WORDS: Final = 2
"""Words in front of a SunSpec model: its number, and how many words follow."""

ASSUMED_ACCURACY_PERCENT: Final = 0.5
"""Accuracy of reading where no source gives the class; what uses it says that it is assumed."""

Address = Annotated[int, Field(ge=0, le=0xFFFF)]
FunctionCode = Literal[3, 4]
ValueType = Literal["u16", "i16", "u32", "i32", "f32", "u64", "i64", "f64"]
WordOrder = Literal["big", "little"]
ExponentType = Literal["i16", "i8"]
ModelNumber = Annotated[int, Field(ge=1, le=0xFFFE)]
SLUG_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"
Slug = Annotated[str, Field(pattern=SLUG_PATTERN)]


class Part(BaseModel):
    """The base of every piece of a profile: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Register(Part):
    """Where one quantity stands and how its words become a value."""

    address: Address
    """PDU address, counted from 0, as it goes over the wire."""
    type: ValueType
    scale: float = 1.0
    """Value = raw number x scale."""
    function_code: FunctionCode | None = None
    """None: the profile's."""
    word_order: WordOrder | None = None
    """None: the profile's. `big` = most significant word first."""
    unavailable: tuple[int | float, ...] = ()
    """Raw numbers (before scaling) that mean "not available"."""
    exponent_at: Address | None = None
    """Address of a signed power of ten that multiplies the value (SunSpec, mantissa and exponent maps)."""
    exponent_type: ExponentType = "i16"
    """`i8`: only the low byte of that word counts."""
    magnitude: bool = False
    """The raw number has a sign, of direction or phase, that the quantity has not: its magnitude counts."""
    window_s: float | None = Field(default=None, gt=0)
    """Averaging window of this register; None: the profile's."""
    note: str | None = None

    @property
    def words(self) -> int:
        """Words that the raw number takes."""
        return TYPE_WORDS[self.type]


class Block(Part):
    """A stretch of addresses that the meter answers as a whole, gaps included."""

    address: Address
    words: int = Field(ge=1, le=0x10000)
    note: str | None = None

    @property
    def end(self) -> int:
        """First address behind the block."""
        return self.address + self.words


class Serial(Part):
    """Factory settings of the serial port."""

    baudrate: int = Field(default=9600, ge=300)
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1


class Example(Part):
    """Words seen or worked out, and what they say: the test of the profile."""

    note: str
    words: dict[Address, tuple[Annotated[int, Field(ge=0, le=0xFFFF)], ...]]
    """First address -> words from there on."""
    values: dict[str, float | None]
    """Quantity -> value in its unit; None = the words say that it is not available."""


class Mark(Part):
    """Words by which a meter tells its model; they are asked for alone."""

    function_code: FunctionCode
    address: Address
    words: int = Field(default=1, ge=1, le=MAX_WORDS)
    equals: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Numbers that the words, most significant first, are for this model."""
    begins: str | None = Field(default=None, min_length=1)
    """Text, two characters a word, that the words begin with."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.equals) == (self.begins is not None):
            raise ValueError("needs either equals, a list of numbers, or begins, a text")
        return self

    def fits(self, words: tuple[int, ...]) -> bool:
        """Return whether these words are those of the model."""
        packed = b"".join(word.to_bytes(2, "big") for word in words)
        if self.begins is not None:
            return packed.startswith(self.begins.encode("ascii", "replace"))
        return int.from_bytes(packed, "big") in self.equals


class SunSpec(Part):
    """Which SunSpec models the meter's chain of models is searched for; addresses count from the model's header."""

    models: dict[ModelNumber, tuple[str, ...]] = Field(min_length=1)
    """Model number -> quantities that a meter of this model can see."""
    bases: tuple[Address, ...] = Field(default=(40000, 50000, 0), min_length=1, max_length=8)
    """PDU addresses at which the chain may begin, in the order of asking."""


class Profile(Part):
    """One meter model."""

    id: Slug
    maker: str
    models: tuple[str, ...] = Field(min_length=1)
    kind: str
    sources: tuple[str, ...] = Field(min_length=1)
    function_code: FunctionCode
    word_order: WordOrder = "big"
    unit_id: int = Field(default=1, ge=0, le=255)
    tcp_unit_id: int | None = Field(default=None, ge=0, le=255)
    """Unit id over Modbus TCP and UDP, where it is another; None: the same."""
    serial: Serial | None = None
    tcp_port: int | None = Field(default=None, ge=1, le=65535)
    max_words: int = Field(default=MAX_WORDS, ge=1, le=MAX_WORDS)
    """Longest request the meter answers."""
    align_words: Literal[1, 2] = 1
    """2: the meter refuses odd addresses and odd counts."""
    blocks: tuple[Block, ...] = ()
    """Gaps between registers are read along only inside one of these; without any, never."""
    holes: tuple[Block, ...] = ()
    """Addresses that no request may touch."""
    gap_ms: float = Field(default=0.0, ge=0)
    """Silence the meter needs before the next request to it."""
    turnaround_ms: float = Field(default=40.0, ge=0)
    """Usual time from request to first byte of the answer; for the read plan and the bus load."""
    window_s: float | None = Field(default=None, gt=0)
    """Averaging window of the registers; None: not stated by the maker."""
    accuracy_percent: float | None = Field(default=None, gt=0)
    """Class of the voltages, percent of reading; None: no source gives it."""
    sunspec: SunSpec | None = None
    """Where the registers stand is found in the meter; None: they stand where their addresses say."""
    identification: tuple[Mark, ...] = ()
    """What tells the model; it is this one if all of them fit. Without any, nothing does."""
    registers: dict[str, Register] = Field(min_length=1)
    examples: tuple[Example, ...] = ()
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _quantities_exist(self) -> Self:
        places: dict[str, Iterable[str]] = {
            "registers": self.registers,
            **{f"examples[{n}].values": example.values for n, example in enumerate(self.examples)},
        }
        for place, names in places.items():
            for name in names:
                if name not in UNITS:
                    raise ValueError(f"{place}.{name}: no such quantity; one of {', '.join(UNITS)}")
        for name, register in self.registers.items():
            if register.words > self.max_words:
                raise ValueError(
                    f"registers.{name}: takes {register.words} words, more than max_words {self.max_words}"
                )
            if register.address + register.words > 0x10000:
                raise ValueError(f"registers.{name}: runs past the last address 65535")
        return self

    @model_validator(mode="after")
    def _models_fit(self) -> Self:
        if self.sunspec is None:
            return self
        for model, names in self.sunspec.models.items():
            for name in names:
                if name not in self.registers:
                    raise ValueError(f"sunspec.models.{model}: {name} has no register")
        for name, register in self.registers.items():
            if not any(name in names for names in self.sunspec.models.values()):
                raise ValueError(f"registers.{name}: no model of sunspec.models sees it; name it there")
            places = (register.address, HEADER_WORDS if register.exponent_at is None else register.exponent_at)
            if min(places) < HEADER_WORDS:
                raise ValueError(f"registers.{name}: stands in the model's header; addresses count from the header on")
            if register.function_code not in (None, self.function_code):
                raise ValueError(f"registers.{name}.function_code: is not that of the profile; a model has one")
        return self

    @property
    def voltages(self) -> tuple[str, ...]:
        """Voltages the meter can see, in the order of the vocabulary."""
        return tuple(name for name in VOLTAGES if name in self.registers)

    def unit_id_on(self, *, serial_line: bool) -> int:
        """Return the unit id as delivered: on a serial line, also one behind a gateway, or else on the network."""
        return self.unit_id if serial_line or self.tcp_unit_id is None else self.tcp_unit_id

    @property
    def sees_earth(self) -> bool:
        """Whether any register speaks of earth."""
        return NPE in self.registers or any(name in self.registers for name in LPE)

    def window_of(self, quantity: str) -> float | None:
        """Return the averaging window of a quantity in seconds; None where the maker does not state it."""
        return self.registers[quantity].window_s or self.window_s
