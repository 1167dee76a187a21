"""`startup`: wall time and peak memory of whole processes of the command, against a bare Python."""

import json
import subprocess
import sys
from typing import Final

from tests.bench.figure import Figure, say, spread

COMMANDS: Final = {
    "bare Python": ("-c", "pass"),
    "phasewatch --version": ("-m", "phasewatch", "--version"),
    "phasewatch explain": ("-m", "phasewatch", "explain", "--ln", "234,234,234", "--lpe", "208,254,254"),
}

# A process takes over the peak memory of whoever starts it: so the one that starts them is small.
_STARTER: Final = """
import os, resource, sys, time
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
begun_s = time.perf_counter()
_, status = os.waitpid(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet), 0)
taken_s = time.perf_counter() - begun_s
print([taken_s, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, os.waitstatus_to_exitcode(status)])
"""


def startup(rounds: int = 15) -> list[Figure]:
    """Measure each command, by turns; the first round only warms the caches of the file system."""
    say(f"startup: {rounds} rounds")
    taken_s: dict[str, list[float]] = {name: [] for name in COMMANDS}
    peak_mib: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            wall_s, peak_kib = _run(arguments)
            if number:
                taken_s[name].append(wall_s)
                peak_mib[name].append(peak_kib / 1024.0)
    bare_s = taken_s["bare Python"]
    ratios = [mine / theirs for mine, theirs in zip(taken_s["phasewatch explain"], bare_s, strict=True)]
    return [
        *(spread("startup", f"{name}, wall", "ms", [1000.0 * s for s in walls_s]) for name, walls_s in taken_s.items()),
        *(spread("startup", f"{name}, peak memory", "MiB", peaks) for name, peaks in peak_mib.items()),
        spread("startup", "phasewatch explain / bare Python, wall", "x", ratios),
    ]


def _run(arguments: tuple[str, ...]) -> tuple[float, float]:
    """Return seconds and peak KiB of one process."""
    command = [sys.executable, "-I", "-S", "-c", _STARTER, sys.executable, *arguments]
    taken = subprocess.run(command, check=True, capture_output=True, text=True)
    wall_s, peak_kib, status = json.loads(taken.stdout)
    assert status == 0, taken.stderr
    return wall_s, peak_kib
