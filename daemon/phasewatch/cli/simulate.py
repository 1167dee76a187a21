"""`phasewatch simulate`: any profile as a meter on real Modbus."""

import asyncio
import random
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

from phasewatch.cli.errors import say
from phasewatch.configuration.errors import InputError
from phasewatch.configuration.files import load_profile
from phasewatch.meters.measuring_point import Wiring
from phasewatch.simulator.device import Unit, played
from phasewatch.simulator.meter import Meter, drawn_gains
from phasewatch.simulator.scenario import Scenario, ScenarioError, healthy, parse_scenario
from phasewatch.simulator.serial_line import LineFaults, parse_line_faults
from phasewatch.simulator.server import ListenError, Server


def simulate_meter(
    profile_id: str,
    listen: str,
    scenario: Path | None,
    unit_ids: Sequence[int],
    wiring: str,
    loop: bool,
    faults: Sequence[str] = (),
) -> None:
    """Serve until SIGINT or SIGTERM; without unit ids, the profile's. Raises: ConfigurationError, InputError."""
    profile = load_profile(profile_id)
    if wiring not in get_args(Wiring):
        raise InputError(f"--wiring: {wiring} is none of {', '.join(get_args(Wiring))}")
    story = healthy() if scenario is None else read_scenario(scenario)
    try:
        line_faults = parse_line_faults(faults)
    except ValueError as error:
        raise InputError(f"--line-fault {error}") from error
    draw = random.Random(profile.id)  # noqa: S311 - errors of a meter, the same every time
    start_s = time.monotonic()
    units: dict[int, Unit] = {}
    for unit_id in unit_ids or (profile.unit_id_on(serial_line=listen.startswith("rtu")),):
        meter = Meter(profile, cast("Wiring", wiring), drawn_gains(profile, draw))
        units[unit_id] = played(meter, story, lambda: time.monotonic() - start_s, loop)
    asyncio.run(_serve(listen, units, line_faults))


async def _serve(listen: str, units: Mapping[int, Unit], line_faults: LineFaults) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with Server(listen, units, line_faults) as server:
            who = (
                f"unit {next(iter(units))} answers" if len(units) == 1 else f"units {', '.join(map(str, units))} answer"
            )
            say(f"{who} at {server.url}; stop with Ctrl-C")
            await stop.wait()
    except ListenError as error:
        raise InputError(f"--listen: {error}") from error
    except OSError as error:
        raise InputError(f"--listen {listen}: {error}; is the port free and yours to open?") from error


def read_scenario(path: Path) -> Scenario:
    """Read a scenario file. Raises: InputError naming the place."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(f"{path}: is no regular file; give the path of a scenario")
    try:
        return parse_scenario(path.read_text(encoding="utf-8"), str(path))
    except ScenarioError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
