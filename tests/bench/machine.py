"""Describes the machine that measures: no number means anything without it."""

import os
import platform
from pathlib import Path

SCRATCH = Path("/var/tmp")
"""Where journals lie: a real file system, for in memory a synchronised write costs nothing."""


def machine() -> dict[str, str]:
    """Return what a reader must know of this machine."""
    return {
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "kernel": f"{platform.system()} {platform.release()}",
        "journal on": _file_system(SCRATCH),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _cpu() -> str:
    fields = (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
    names = {key.strip(): value.strip() for key, _, value in fields}
    speed = f", {float(names['cpu MHz']):.0f} MHz" if "cpu MHz" in names else ""
    return names.get("model name", platform.machine()) + speed


def _file_system(path: Path) -> str:
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    holding = [(len(place), kind) for place, kind in mounts if path.is_relative_to(place)]
    return max(holding)[1]
