"""Which of the meters that were found belong to a site: model, name, wiring and point of each."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

import typer
from rich.console import Console
from rich.table import Column, Table

from phasewatch.cli.asking import Questions, one_of
from phasewatch.cli.draft import DraftMeter
from phasewatch.cli.survey import TEMPLATE, Found
from phasewatch.meters.measuring_point import Wiring
from phasewatch.meters.profile import Profile
from phasewatch.meters.quantities import FREQUENCY, LN, PHASES

WIRINGS: Final = get_args(Wiring)
ON_EARTH: Final = ("neutral_on_pe", "n_pe")
"""Wirings with a terminal on the protective conductor."""
SAFETY: Final = (
    "SAFETY: a meter that feeds itself from its voltage terminals must never have one of them on PE: its supply\n"
    "current would flow through the protective conductor. Only a meter with an auxiliary supply may."
)
_MEANINGS: Final = (
    "  three_phase    L1, L2, L3 and N\n"
    "  neutral_on_pe  its neutral terminal is on PE: it shows phase to earth\n"
    "  n_pe           it measures between N and PE\n"
    "  l1, l2, l3     a single-phase meter on that phase"
)


def slug(text: str) -> str:
    """Return a name. Raises: ValueError."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", text):
        raise ValueError(f"{text!r:.80} must be 1 to 64 of a-z 0-9 _ -, the first a letter or a digit")
    return text


def show_found(found: Sequence[Found]) -> None:
    """Show what answers, and what each reads now."""
    columns = (Column("reads now", overflow="fold"), Column("fit as well", overflow="fold"))
    table = Table("no.", "unit", Column("model", overflow="fold"), *columns, title="Meters that answer")
    for number, one in enumerate(found, start=1):
        others = [profile_id for profile_id, _ in one.proposals if profile_id != one.profile]
        table.add_row(str(number), str(one.unit_id), one.profile or "none fits", readings(one), ", ".join(others[:3]))
    Console(markup=False, emoji=False, highlight=False).print(table)


def readings(one: Found) -> str:
    """Return what a meter reads, by the profile that fits best."""
    if one.likeness is None:
        return "nothing that makes sense"
    values = one.likeness.values
    volts = "/".join(f"{values[name]:.1f}" for name in LN if name in values)
    return f"{volts} V" + (f", {values[FREQUENCY]:.2f} Hz" if FREQUENCY in values else "")


def numbers_of(count: int) -> Callable[[str], list[int]]:
    """Return what reads `all`, or places counted from 1 as `1,3`."""

    def read(text: str) -> list[int]:
        if text.lower() == "all":
            return list(range(count))
        parts = [part.strip() for part in text.split(",")]
        if not all(part.isascii() and part.isdigit() and len(part) < 5 and 1 <= int(part) <= count for part in parts):
            raise ValueError(f"{text!r:.80} must be all, or numbers from 1 to {count} as 1,2")
        return sorted({int(part) - 1 for part in parts})

    return read


@dataclass(frozen=True, slots=True)
class Chooser:
    """Asks about one meter after the other."""

    questions: Questions
    profiles: Mapping[str, Profile]

    def choose(self, found: Sequence[Found], before: Sequence[DraftMeter]) -> list[tuple[Found, DraftMeter]]:
        """Return the meters that belong to the site; `before`: those of its other buses."""
        show_found(found)
        places = self.questions.ask("Which of them belong to the site, as all or 1,3", "all", numbers_of(len(found)))
        chosen: list[tuple[Found, DraftMeter]] = []
        for place in places:
            known = [*before, *(meter for _, meter in chosen)]
            chosen.append((found[place], self._meter(found[place], known)))
        return chosen

    def _meter(self, one: Found, known: Sequence[DraftMeter]) -> DraftMeter:
        ask = self.questions.ask
        typer.echo(f"\nThe meter at unit {one.unit_id}, {readings(one)}")
        profile = self.profiles[ask("  its model", one.profile or TEMPLATE, self._model)]
        name = ask("  its name", _free_name(f"meter-{one.unit_id}", known), _name(known))
        wiring = self._wiring(profile, known, first=not known)
        point = ask("  its measuring point", _point_proposal(name, wiring, known), _point(known))
        return DraftMeter(name, profile, one.unit_id, wiring, point)

    def _model(self, text: str) -> str:
        if text not in self.profiles:
            near = (
                " or ".join(difflib.get_close_matches(text, self.profiles)) or "one that phasewatch meters list shows"
            )
            raise ValueError(f"{text!r:.80} is no profile; write {near}")
        return text

    def _wiring(self, profile: Profile, known: Sequence[DraftMeter], *, first: bool) -> str:
        if first:
            typer.echo(f"{_MEANINGS}\n{SAFETY}")
        while True:
            wiring = self.questions.ask("  its wiring", _wiring_proposal(profile, known), one_of(WIRINGS))
            if wiring not in ON_EARTH:
                return wiring
            typer.echo(SAFETY)
            if self.questions.agreed("  Has this meter an auxiliary supply", proposal=False):
                return wiring
            typer.echo("  Then it must not be wired so. Correct the wiring, and say what it is now.")


def _free_name(name: str, known: Sequence[DraftMeter]) -> str:
    taken = {text for meter in known for text in (meter.name, meter.point)}
    return next(free for free in (name, *(f"{name}-{n}" for n in range(2, 1000))) if free not in taken)


def _name(known: Sequence[DraftMeter]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text in {meter.name for meter in known}:
            raise ValueError(f"{text} is already the name of a meter; give each its own")
        if text in {meter.point for meter in known}:
            raise ValueError(f"{text} is already the name of a point; give the meter another")
        return slug(text)

    return read


def _point(known: Sequence[DraftMeter]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text in {meter.name for meter in known if meter.point != text}:
            raise ValueError(f"{text} is the name of a meter of another point; give the point another")
        return slug(text)

    return read


def _wiring_proposal(profile: Profile, known: Sequence[DraftMeter]) -> str:
    """Return three_phase, or for a single-phase meter the phase after that of the last one."""
    if not ("voltage_l1_n" in profile.registers and "voltage_l2_n" not in profile.registers):
        return "three_phase"
    singles = [meter.wiring for meter in known if meter.wiring in PHASES]
    return PHASES[(PHASES.index(singles[-1]) + 1) % len(PHASES)] if singles else PHASES[0]


def _point_proposal(name: str, wiring: str, known: Sequence[DraftMeter]) -> str:
    """Return the point that such a meter completes, else one of its own."""
    if wiring in ON_EARTH:
        partners = [meter.point for meter in known if meter.wiring not in ON_EARTH]
    elif wiring in PHASES:
        partners = [meter.point for meter in known if meter.wiring in PHASES and _lacks(meter.point, wiring, known)]
    else:
        partners = []
    return partners[-1] if partners else name


def _lacks(point: str, wiring: str, known: Sequence[DraftMeter]) -> bool:
    return all(meter.wiring != wiring for meter in known if meter.point == point)
