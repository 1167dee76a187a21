"""Lives of the real service on made-up meters that fall ill and recover all the time; each life is a fork.

Usage: python -m tests.faults.nursery SITE_FILE
A line on stdin begins a life, and its text is where that life writes the alerts it found standing; its process id is
answered on stdout. A fork is a fresh process without the second that importing everything takes.
"""

import asyncio
import gc
import json
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from phasewatch.adapters.modbus.protocol import Bus, LineCounts, LinkDown
from phasewatch.alerts import lifecycle
from phasewatch.configuration.site import LoadedSite, load_site
from phasewatch.service.service import Service, run_until_signalled
from phasewatch.service.state import delivery_config
from phasewatch.settings import BusSettings
from tests.service.site import HEALTHY, PHASE_LOST, SDM630, words

TURN_S: Final = 0.25
"""A meter is well for so long, then ill for so long."""
AWAY_EVERY: Final = 9
"""Some meters are away for one of so many turns."""


class Fickle:
    """A meter that loses a phase and gets it back, over and over."""

    def __init__(self, offset_s: float, away_every: int | None = None) -> None:
        self._states = words(HEALTHY), words(PHASE_LOST)
        self._offset_s, self._away_every = offset_s, away_every
        self.counts = LineCounts()

    async def read(self, function_code: int, address: int, count: int, unit_id: int) -> tuple[int, ...]:
        turn = int((time.monotonic() + self._offset_s) / TURN_S)
        if self._away_every and turn % self._away_every == 0:
            raise LinkDown("away for a turn")
        await asyncio.sleep(0)
        shown = self._states[turn % 2]
        return tuple(shown[place] for place in range(address, address + count))

    async def close(self) -> None:
        """There is nothing to close."""


def site_text(meters: int, url: str, state: Path) -> str:
    """Return a site of so many meters whose alerts have no delay."""
    quick = {"on_delay_s": 0, "off_delay_s": 0, "on_polls": 1}
    buses = [
        {
            "name": f"b{n}",
            "url": f"tcp://127.0.0.1:{n + 1}",
            "meters": [{"name": f"m{n}", "profile": SDM630, "unit_id": 1, "interval_s": 0.1}],
        }
        for n in range(meters)
    ]
    rules = {"phase_loss": quick, "wiring": quick, "neutral_displacement": quick, "meter_offline": quick}
    site = {"site": "plant", "buses": buses, "mqtt": {"urls": [url]}, "state_dir": str(state), "rules": rules}
    return json.dumps(site)  # JSON is YAML


def _opener(_loaded: LoadedSite, bus: BusSettings) -> Bus:
    number = int(bus.name[1:])
    return Fickle(number * TURN_S / 3, AWAY_EVERY if number % 4 == 0 else None)


def _live(loaded: LoadedSite, found: Path) -> None:
    quick = replace(delivery_config(loaded), shortest_pause_s=0.02, longest_pause_s=0.1)
    service = Service(loaded, opener=_opener, delivery=quick)
    standing = {str(alert.key): alert.rev for alert in service.watch.desk.standing()}
    unfinished = found.with_suffix(".part")
    unfinished.write_text(json.dumps(standing))
    unfinished.rename(found)
    asyncio.run(run_until_signalled(service))


def main() -> None:
    """Begin a life for every line."""
    # An alert that comes and goes this often would be held as chattering, and nothing would flow any more.
    lifecycle.begun = lambda *_: None
    loaded = load_site(Path(sys.argv[1]))
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    words(HEALTHY)  # reads the profile, for every life to come
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            with suppress(KeyboardInterrupt):
                _live(loaded, Path(line.strip()))
                code = 0
            os._exit(code)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
