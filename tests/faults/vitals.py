"""Memory and open files of a process, and whether they grow."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Vitals(NamedTuple):
    """One look at a process."""

    at_s: float
    rss_kib: int
    descriptors: int
    threads: int


def rss_kib(pid: int | str = "self") -> int:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def vitals(at_s: float, pid: int | str = "self") -> Vitals:
    """Look at a process."""
    proc = Path(f"/proc/{pid}")
    return Vitals(at_s, rss_kib(pid), len(list((proc / "fd").iterdir())), len(list((proc / "task").iterdir())))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return how fast y grows with x, by least squares."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
