"""Which meters answer on a line, and which model each is."""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Final, cast, get_args

from phasewatch.adapters.modbus.bus import open_bus
from phasewatch.adapters.modbus.protocol import LinkDown, LinkTrouble
from phasewatch.commissioning.identify import PATIENT_S, Found, Tell, identify, present
from phasewatch.commissioning.progress import bar
from phasewatch.commissioning.serial_ports import holder, obstacle
from phasewatch.configuration.errors import InputError
from phasewatch.configuration.files import load_profile, profile_ids
from phasewatch.meters.endpoint import Endpoint, Parity, parse_url
from phasewatch.meters.profile import Profile

BAUDRATES: Final = "9600,19200,38400,115200"
PARITIES: Final = "N,E"
SERIAL_TIMEOUT_S: Final = 0.3
"""On a serial line a later answer is heard as well, while the line is kept quiet."""
NETWORK_TIMEOUT_S: Final = 1.0
"""Elsewhere it is not, for the connection goes."""
LATE_S: Final = 0.5
"""How long the answer of the unit asked last is waited for."""
ONE_METER: Final = 5
"""This many units that all answer at a network endpoint are one meter that does not look at the unit id."""


_SEE_ADDRESS: Final = "is the device on, its address right, and the network in between (ping {host})?"
_ADVICE: Final[dict[LinkTrouble, str]] = {
    "nothing_listens": "{host} is there, and nothing listens at port {port}: see the port, and whether Modbus is on",
    "unknown_host": "no host is known as {host}: see its spelling, or write its IP address",
    "no_answer": f"{{host}} does not answer: {_SEE_ADDRESS}",
    "lost": "{host} closes the connection: a gateway may serve one client only (stop the other), or speak another"
    " framing",
}


class Unreached(Exception):  # noqa: N818  (it says what happened)
    """Nothing could be asked; the text says why, and what to do."""

    def __init__(self, text: str, trouble: LinkTrouble) -> None:
        """Keep the kind of trouble beside the text."""
        super().__init__(text)
        self.trouble = trouble


def advice(error: LinkDown, endpoint: Endpoint) -> str:
    """Return why an endpoint could not be reached, and what to do."""
    if endpoint.device is not None:
        return _port_advice(error, Path(endpoint.device))
    wording = _ADVICE.get(error.trouble, _SEE_ADDRESS)
    return f"{error}; {wording.format(host=endpoint.host, port=endpoint.port)}"


def _port_advice(error: LinkDown, device: Path) -> str:
    if (why := obstacle(device)) is not None:
        return why
    if error.trouble == "port_taken":
        who = holder(device) or "another program (sudo fuser -v shows which)"
        return f"{device}: {who} has it open; stop that first, as with systemctl stop phasewatch"
    return f"{error}; is it a serial port, and can it do these settings?"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to ask, as it was typed."""

    url: str
    units: str
    baudrates: str | None
    parities: str | None
    timeout_s: float | None
    """None: what suits the line."""


def every_profile(overrides: Path | None = None) -> dict[str, Profile]:
    """Return every profile by its id; `overrides` is the directory of the site file."""
    return {profile_id: load_profile(profile_id, overrides) for profile_id in profile_ids(overrides)}


def found_on(wishes: Wishes, profiles: Mapping[str, Profile], say: Callable[[str], None]) -> list[Found]:
    """Return what answers on a line; `say` takes each obstacle. Ctrl-C ends the search with what was found.

    Raises: InputError; Unreached where nobody could be asked.
    """
    lines, unit_ids = endpoints(wishes), units(wishes.units)
    usual_s = SERIAL_TIMEOUT_S if lines[0].serial_line else NETWORK_TIMEOUT_S
    search = _Search(lines, unit_ids, profiles, usual_s if wishes.timeout_s is None else wishes.timeout_s)
    if asyncio.run(_until_interrupted(search)):
        say("stopped; what was found so far:")
    elif search.unreached is not None:
        raise search.unreached
    for line in search.troubles:
        say(line)
    return search.found


def endpoints(wishes: Wishes) -> list[Endpoint]:
    """Return the line settings to try. Raises: InputError."""
    try:
        endpoint = parse_url(wishes.url)
    except ValueError as error:
        raise InputError(str(error)) from None
    if endpoint.device is None:
        if wishes.baudrates or wishes.parities:
            raise InputError("--baudrates and --parities belong to a serial port; leave them out")
        return [endpoint]
    rates = _list(wishes.baudrates, str(endpoint.baudrate) if "baudrate=" in wishes.url else BAUDRATES)
    parities = _list(wishes.parities, endpoint.parity if "parity=" in wishes.url else PARITIES)
    for rate in rates:
        if not (rate.isascii() and rate.isdigit() and 300 <= int(rate) <= 4_000_000):
            raise InputError(f"--baudrates: {rate!r} is not a whole number from 300 to 4000000")
    for parity in parities:
        if parity not in get_args(Parity):
            raise InputError(f"--parities: {parity!r} is none of N, E, O")
    pairs = product(map(int, rates), parities)
    return [replace(endpoint, baudrate=rate, parity=cast("Parity", parity)) for rate, parity in pairs]


def _list(text: str | None, default: str) -> list[str]:
    return [part.strip() for part in (text or default).split(",")]


def units(text: str) -> list[int]:
    """Return the unit ids of `1-20` or `1,5,100-110`. Raises: InputError."""
    chosen: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        numbers = (first, last if dash else first)
        if not all(number.isascii() and number.isdigit() and len(number) <= 3 for number in numbers):
            raise InputError(f"--units: {part!r} is no unit id or range; write 1-20 or 1,5,100-110")
        low, high = map(int, numbers)
        if low > high or high > 255:
            raise InputError(f"--units: {part!r} is not from low to high within 0 to 255")
        chosen.update(dict.fromkeys(range(low, high + 1)))
    return list(chosen)


class _Search:
    """What a scan has found so far: it may be stopped at any time."""

    def __init__(
        self, lines: Sequence[Endpoint], unit_ids: Sequence[int], profiles: Mapping[str, Profile], timeout_s: float
    ) -> None:
        self._lines, self._unit_ids, self._profiles, self._timeout_s = lines, unit_ids, profiles, timeout_s
        self._progress = bar()
        self._task = self._progress.add_task("", total=len(lines) * len(unit_ids))
        self._given_up: dict[str, LinkDown] = {}
        """URL -> why."""
        self.found: list[Found] = []
        self.troubles: list[str] = []

    @property
    def unreached(self) -> Unreached | None:
        """Why nobody could be asked; None: somebody could."""
        if self.found or any(endpoint.url not in self._given_up for endpoint in self._lines):
            return None
        first = self._lines[0]
        error = self._given_up[first.url]
        return Unreached(advice(error, first), error.trouble)

    async def run(self) -> None:
        with self._progress:
            for endpoint in self._lines:
                await self._meet(endpoint, 3)
            # Some meters are silent to a function that they do not know. A line has one setting: once somebody
            # has answered, the others are asked there only.
            speaking = {one.url for one in self.found} or {endpoint.url for endpoint in self._lines}
            for endpoint in self._lines:
                if endpoint.url in speaking - self._given_up.keys():
                    await self._meet(endpoint, 4)
            for endpoint in self._lines:
                await self._look(endpoint)

    async def _meet(self, endpoint: Endpoint, function_code: int) -> None:
        """Ask who has not answered yet."""
        met = {one.unit_id for one in self.found if one.url == endpoint.url}
        silent = [unit_id for unit_id in self._unit_ids if unit_id not in met]
        if function_code != 3:
            self._more(len(silent))
        bus = open_bus(endpoint, timeout_s=self._timeout_s)

        def meet(unit_id: int) -> None:
            met.add(unit_id)
            self.found.append(Found(endpoint.url, unit_id))

        try:
            trouble = await present(bus, silent, meet, self._telling(endpoint), function_code)
            if trouble is not None:
                self.troubles.append(str(trouble))
                self._given_up[endpoint.url] = trouble
            elif endpoint.serial_line:
                await asyncio.sleep(LATE_S)
            heard = bus.counts.late_replies.keys() | bus.counts.foreign_replies.keys()
            late = [unit_id for unit_id in silent if unit_id in heard - met]
            self.found += [Found(endpoint.url, unit_id, late=True) for unit_id in late]
        finally:
            await bus.close()
        self.found.sort(key=lambda one: self._unit_ids.index(one.unit_id))

    async def _look(self, endpoint: Endpoint) -> None:
        """Find out what those are that answer at an endpoint."""
        here = self._worth_a_look(endpoint)
        late = [one.unit_id for one in here if one.late]
        if late:
            units_told = ", ".join(map(str, late))
            self.troubles.append(
                f"{endpoint.url}: unit {units_told} answers later than {self._timeout_s:g} s: see timeout_s"
            )
        bus = open_bus(endpoint, timeout_s=max(self._timeout_s, PATIENT_S) if late else self._timeout_s)
        try:
            for one in here:
                self._more(len(self._profiles))
                await identify(bus, one, self._profiles, self._telling(endpoint))
        finally:
            await bus.close()

    def _telling(self, endpoint: Endpoint) -> Tell:
        label = f"{endpoint.baudrate} {endpoint.parity}, " if endpoint.device else ""
        return lambda step: self._progress.update(self._task, advance=1, description=label + step)

    def _more(self, steps: int) -> None:
        self._progress.update(self._task, total=(self._progress.tasks[0].total or 0) + steps)

    def _worth_a_look(self, endpoint: Endpoint) -> list[Found]:
        here = [one for one in self.found if one.url == endpoint.url]
        if not endpoint.serial_line and len(here) == len(self._unit_ids) >= ONE_METER:
            self.troubles.append(f"{endpoint.url}: answers to every unit id: taken as one meter")
            self.found = here = here[:1]
        return here


async def _until_interrupted(search: _Search) -> bool:
    """Search to the end or to Ctrl-C; return whether it was stopped."""
    task = asyncio.ensure_future(search.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False
