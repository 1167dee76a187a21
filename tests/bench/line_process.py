"""The process that plays meters on a serial line with the timing of a real one: it is told which, and tells where."""

import asyncio
import json
import os
import sys
from typing import Any

from phasewatch.configuration.files import load_profile
from phasewatch.simulator.device import Fault, played
from phasewatch.simulator.meter import Meter
from phasewatch.simulator.scenario import healthy
from phasewatch.simulator.server import Server


async def _serve(told: dict[str, Any]) -> None:
    unit = played(Meter(load_profile(told["profile"])), healthy(), lambda: 0.0)
    units = dict.fromkeys(told["unit_ids"], unit)
    ended = asyncio.Event()
    async with Server(f"rtu://?baudrate={told['baudrate']}", units, turnaround_s=told["turnaround_s"]) as server:
        if told["sick"]:
            dead, slow, slow_s = told["sick"]
            server.faults |= {dead: Fault(silent=True), slow: Fault(delay_s=slow_s)}
        sys.stdout.write(json.dumps(server.url) + "\n")
        sys.stdout.flush()
        asyncio.get_running_loop().add_reader(0, ended.set)
        await ended.wait()


def main() -> None:
    """Serve until standard input ends."""
    begin = b""
    while not begin.endswith(b"\n"):
        begin += os.read(0, 65536)
    asyncio.run(_serve(json.loads(begin)))


if __name__ == "__main__":
    main()
