"""Where the meters of a site are: asks for each line, and what answers there."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

import typer

from phasewatch.cli.asking import Questions
from phasewatch.cli.draft import Draft, DraftBus, DraftMeter
from phasewatch.cli.grouping import Chooser
from phasewatch.cli.outcome import InputError
from phasewatch.cli.ports import Port, obstacle, ports
from phasewatch.cli.scan import Wishes, found_on, units
from phasewatch.cli.snippet import interval_for
from phasewatch.cli.survey import PATIENT_S, Found
from phasewatch.cli.unreached import Unreached
from phasewatch.meters.endpoint import parse_url
from phasewatch.meters.profile import Profile

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
        self._unreached: str | None = None
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
        if not found and url.startswith("tcp:") and "cannot connect" not in (self._unreached or ""):
            typer.echo(self._unreached or NOBODY.format(url=url))
            if self._questions.agreed("Try RTU frames over TCP, as gateways of serial lines speak", proposal=True):
                url = url.replace("tcp:", "rtu+tcp:", 1)
                found = self._scanned(url, asked)
        why = self._unreached or NOBODY.format(url=url)
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
            return found_on(wishes, self._profiles)
        except Unreached as error:
            self._unreached = str(error)
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
