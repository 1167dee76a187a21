"""`replay`: what one row of a recording costs with all rules on, and the memory of a long one.

The command itself is run, as a process of its own. The time of a short recording is taken off, so that starting up
counts for nothing.
"""

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from phasewatch.meters.quantities import CURRENTS, FREQUENCY, LL, LN
from tests.bench.child import ROOT
from tests.bench.figure import Figure, say, spread

GOAL_US: Final = 100.0
"""10,000 rows a second."""
SHORT: Final = 1000
FAULT_EVERY: Final = 600
"""Rows; the last sixth of each such stretch has an open neutral."""
_LOOK_S: Final = 0.02
SITE: Final = """\
site: bench
buses:
  - {name: board, url: "tcp://127.0.0.1:1", meters: [{name: incomer, profile: eastron-sdm630}]}
mqtt: {urls: ["mqtt://127.0.0.1:1"]}
"""


class Cost(NamedTuple):
    """What one run took."""

    cpu_s: float
    memory_mb: float


def replay(rows: int = 100_000, rounds: int = 3) -> list[Figure]:
    """Measure a healthy and an eventful recording."""
    with TemporaryDirectory() as directory:
        config = Path(directory) / "site.yaml"
        config.write_text(SITE, encoding="utf-8")
        return [figure for eventful in (False, True) for figure in _figures(config, rows, rounds, eventful)]


million = partial(replay, 1_000_000, 1)


def _figures(config: Path, rows: int, rounds: int, eventful: bool) -> Iterator[Figure]:
    what = f"{rows} rows, {'a fault every 10 minutes' if eventful else 'healthy'}"
    short, long = (_recording(config.parent, count, eventful) for count in (SHORT, rows))
    costs = []
    for number in range(rounds):
        say(f"replay: {what}, round {number + 1} of {rounds}")
        costs.append((_run(short, config), _run(long, config)))
    each_us = [1e6 * (all_of.cpu_s - few.cpu_s) / (rows - SHORT) for few, all_of in costs]
    yield spread("replay", f"{what}: CPU a row", "us", each_us, GOAL_US)
    yield spread("replay", f"{what}: memory", "MB", [all_of.memory_mb for _, all_of in costs])
    yield spread(
        "replay", f"{what}: memory above that of {SHORT} rows", "MB", [b.memory_mb - a.memory_mb for a, b in costs]
    )


def _run(recording: Path, config: Path) -> Cost:
    command = [sys.executable, "-m", "phasewatch", "replay", str(recording), "--config", str(config)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status_file, memory_kb = Path(f"/proc/{process.pid}/status"), 0
    ended = 0
    while not ended:
        # What wait4 says of the memory of a young process is that of its parent.
        peak = re.search(r"VmHWM:\s+(\d+)", status_file.read_text(encoding="ascii"))
        memory_kb = int(peak[1]) if peak else memory_kb
        time.sleep(_LOOK_S)
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise ChildProcessError(f"{' '.join(command)} ended with status {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, memory_kb / 1024.0)


def _recording(directory: Path, rows: int, eventful: bool) -> Path:
    """Write a recording at 1 s with the noise of a real meter."""
    path = directory / f"{rows}-{eventful}.csv"
    draw, start = random.Random(1), datetime(2024, 3, 1, tzinfo=UTC)
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(("time", *LN, *LL, *CURRENTS, FREQUENCY)) + "\n")
        for n in range(rows):
            faulty = eventful and n % FAULT_EVERY >= FAULT_EVERY * 5 // 6
            phases = (124.1, 298.3, 312.2) if faulty else (230.0, 230.0, 230.0)
            means = (*phases, 398.4, 398.4, 398.4, 10.0, 10.0, 10.0, 50.0)
            spreads = (1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.01)
            values = (f"{draw.gauss(mean, width):.2f}" for mean, width in zip(means, spreads, strict=True))
            file.write(f"{(start + timedelta(seconds=n)).isoformat()},{','.join(values)}\n")
    return path
