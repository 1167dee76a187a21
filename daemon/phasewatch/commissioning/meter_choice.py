"""Where the meters of a site are: asks for each line, and what answers there.

Which of the meters that were found belong to a site: model, name, wiring and point of each.
"""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, get_args
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Column, Table

from phasewatch.commissioning.identify import PATIENT_S, TEMPLATE, Found
from phasewatch.commissioning.questions import Questions, one_of
from phasewatch.commissioning.scan import Unreached, Wishes, found_on, units
from phasewatch.commissioning.serial_ports import Port, obstacle, ports
from phasewatch.commissioning.site_file import Draft, DraftBus, DraftMeter, interval_for
from phasewatch.configuration.errors import InputError
from phasewatch.meters.endpoint import parse_url
from phasewatch.meters.measuring_point import Wiring
from phasewatch.meters.profile import SLUG_PATTERN, Profile
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
    if not re.fullmatch(SLUG_PATTERN, text):
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


ALL: Final = "all"
NOBODY: Final = "nothing answered at {url}; try other units, a longer --timeout, or look at the wires (A, B, ground)"


class Lines:
    """Finds the buses of a site, one after the other."""

    def __init__(
        self, questions: Questions, wishes: Wishes, address: str | None, profiles: Mapping[str, Profile]
    ) -> None:
        """Ask; `wishes`: its units are proposed; `address`: where the first bus is, None: that is asked."""
        self._questions, self._wishes, self._profiles = questions, wishes, profiles
        self._address = address
        self._unreached: Unreached | None = None
        """Why nobody could be asked the last time; None: somebody could."""

    def bus(self, draft: Draft) -> tuple[DraftBus, list[Found]]:
        """Return a bus with the meters that were chosen, and what was found of them. Raises: InputError."""
        while True:
            found = self._found({parse_url(bus.url).key for bus in draft.buses})
            if found:
                break
        url = Counter(one.url for one in found).most_common(1)[0][0]  # a line has one setting
        here = [one for one in found if one.url == url]
        for one in (one for one in found if one.url != url):
            typer.echo(f"unit {one.unit_id} answers at {one.url}: set it to the line of the others")
        chosen = Chooser(self._questions, self._profiles).choose(here, list(draft.meters()))
        mine = [replace(one, identified=[meter.profile.id], proposals=[]) for one, meter in chosen]
        interval_s = interval_for(parse_url(url), mine, self._profiles)
        timeout_s = PATIENT_S if any(one.late for one, _ in chosen) else None
        meters: tuple[DraftMeter, ...] = tuple(meter for _, meter in chosen)
        return DraftBus(f"bus-{len(draft.buses) + 1}", url, interval_s, timeout_s, meters), [one for one, _ in chosen]

    def _found(self, taken: set[str]) -> list[Found]:
        """Ask where, and look there; return nothing where nothing answers."""
        url = self._where(taken)
        asked = self._questions.ask("Unit ids to ask, as 1-20 or 1,5,100-110", self._wishes.units, _units)
        found = self._scanned(url, asked)
        connected = self._unreached is None or self._unreached.trouble == "lost"
        if not found and url.startswith("tcp:") and connected:
            typer.echo(str(self._unreached or NOBODY.format(url=url)))
            if self._questions.agreed("Try RTU frames over TCP, as gateways of serial lines speak", proposal=True):
                url = url.replace("tcp:", "rtu+tcp:", 1)
                found = self._scanned(url, asked)
        why = str(self._unreached or NOBODY.format(url=url))
        if not found and self._questions.accept:
            raise InputError(why)
        if not found:
            typer.echo(why)
        return found

    def _scanned(self, url: str, asked: str) -> list[Found]:
        rates = parities = None
        if url.startswith("rtu:") and "?" not in url:
            line = self._questions.ask("Baud rate and parity, as 9600 N, or all to try the usual ones", ALL, _line)
            rates, parities = line
        typer.echo(f"asking units {asked} at {url}")
        wishes, self._unreached = replace(self._wishes, url=url, units=asked, baudrates=rates, parities=parities), None
        try:
            return found_on(wishes, self._profiles, partial(typer.echo, err=True))
        except Unreached as error:
            self._unreached = error
            return []

    def _where(self, taken: set[str]) -> str:
        there = ports()

        def read(text: str) -> str:
            url = address_url(text, there)
            if parse_url(url).key in taken:
                raise ValueError(f"{text}: is a bus of the site already")
            return url

        if self._address is not None:
            text, self._address = self._address, None
            try:
                return read(text)
            except ValueError as error:
                raise InputError(f"--address {error}") from None
        _show_ports(there)
        usable = [number for number, port in enumerate(there, start=1) if port.obstacle is None]
        return self._questions.ask("Meters are at (number, or host[:port])", str(usable[0]) if usable else None, read)


def _show_ports(there: Sequence[Port]) -> None:
    typer.echo("Serial ports of this machine:" if there else "This machine has no serial port (/dev/ttyUSB*, ttyACM*).")
    for number, port in enumerate(there, start=1):
        behind = f" ({port.target})" if port.target != port.path else ""
        typer.echo(f"  {number}  {port.path}{behind}" + (f"\n     {port.obstacle}" if port.obstacle else ""))


def address_url(text: str, there: Sequence[Port] = ()) -> str:
    """Return the URL of a line: a listed port, a device, host[:port] or a URL as it is. Raises: ValueError."""
    if text.isascii() and text.isdigit():
        if not 1 <= int(text[:6]) <= len(there):
            raise ValueError(f"{text}: no such port in the list; write a number of it, or a host")
        text = str(there[int(text) - 1].path)
    scheme = "" if "://" in text else "rtu://" if text.startswith("/") else "tcp://"
    url = scheme + (quote(text) if scheme == "rtu://" else text)
    endpoint = parse_url(url)
    if endpoint.device is not None and (why := obstacle(Path(endpoint.device))) is not None:
        raise ValueError(why)
    return url


def _units(text: str) -> str:
    try:
        units(text)
    except InputError as error:
        raise ValueError(str(error)) from None
    return text


def _line(text: str) -> tuple[str | None, str | None]:
    """Return baud rate and parity; None of both: the usual ones are tried."""
    if text.lower() == ALL:
        return None, None
    found = re.fullmatch(r"(\d{3,7})(?:[ ,/-]*([NEOneo]))?", text, re.ASCII)
    if found is None or not 300 <= int(found[1]) <= 4_000_000:
        raise ValueError(f"{text!r:.80} must be all, or as 9600 N, 19200 E; the baud rate from 300 to 4000000")
    return found[1], (found[2] or "N").upper()
