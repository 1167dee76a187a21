"""The ways in which a right profile reads a meter wrongly, each as a profile that reads it rightly."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final, cast

from phasewatch.meters.profile import Block, FunctionCode, Profile, Register, WordOrder


@dataclass(frozen=True, slots=True)
class Misreading:
    """What has to change in a profile."""

    swapped: bool = False
    """The other word first."""
    offset: int = 0
    """Words to add to every address."""
    other_function: bool = False
    """Function 3 for 4, or 4 for 3."""

    @property
    def changes(self) -> int:
        """How many things are wrong at once."""
        return sum((self.swapped, self.offset != 0, self.other_function))


MISREADINGS: Final = tuple(
    sorted(
        (Misreading(*one) for one in product((False, True), (0, -1, 1), (False, True)) if Misreading(*one).changes),
        key=lambda one: one.changes,
    )
)
"""The simplest first."""


def misreadings(profile: Profile) -> Iterator[tuple[Misreading, Profile]]:
    """Yield each misreading that can be with the profile that mends it."""
    if profile.sunspec is not None:
        return  # a model that was found says itself how it is read
    for one in MISREADINGS:
        mended = _mended(profile, one)
        if mended is not None:
            yield one, mended


def _mended(profile: Profile, one: Misreading) -> Profile | None:
    """Return the profile changed; None where an address would leave the range, or no value has two words."""
    registers = profile.registers.values()
    lowest = min(register.address for register in registers) + one.offset
    highest = max(register.address + register.words for register in registers) + one.offset
    if lowest < 0 or highest > 0x10000 or (one.swapped and all(register.words == 1 for register in registers)):
        return None
    changes: dict[str, object] = {
        "registers": {name: _register(register, one) for name, register in profile.registers.items()},
        "function_code": _function(profile.function_code, one),
        "word_order": _order(profile.word_order, one),
        "blocks": _moved(profile.blocks, one.offset),
        "holes": _moved(profile.holes, one.offset),
    }
    if one.offset % profile.align_words:
        changes["align_words"] = 1
    return profile.model_copy(update=changes)


def _register(register: Register, one: Misreading) -> Register:
    at = register.exponent_at
    changes = {
        "address": register.address + one.offset,
        "function_code": register.function_code and _function(register.function_code, one),
        "word_order": register.word_order and _order(register.word_order, one),
        "exponent_at": None if at is None else max(at + one.offset, 0),
    }
    return register.model_copy(update=changes)


def _function(code: FunctionCode, one: Misreading) -> FunctionCode:
    return cast("FunctionCode", 7 - code) if one.other_function else code


def _order(order: WordOrder, one: Misreading) -> WordOrder:
    if not one.swapped:
        return order
    return "little" if order == "big" else "big"


def _moved(blocks: tuple[Block, ...], offset: int) -> tuple[Block, ...]:
    moved = (block.model_copy(update={"address": block.address + offset}) for block in blocks)
    return tuple(block for block in moved if block.address >= 0)
