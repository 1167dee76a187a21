"""A long run at speed: alerts flow, meters go away, lines and brokers fail; memory and open files must not grow.

Usage: python -m tests.faults.soak [--minutes 30] [--json]
Twenty meters at ten polls a second, each failing and recovering twice a second, are worth about 200 quiet meters.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.broker import Mosquitto, mosquitto, wait_until
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.faults.kills import kept_in, nursery
from tests.faults.nursery import site_text
from tests.faults.vitals import Vitals, slope, vitals

METERS: Final = 20
TROUBLES_A_RUN: Final = 12
LONGEST_CALM_S: Final = 20.0
WARM_UP: Final = 1 / 3
"""Part of the run that does not count: buffers, caches and the journal's file reach their size."""


class Soak(NamedTuple):
    """What a long run did to the process."""

    minutes: float
    events: int
    troubles: int
    """Lines dropped, brokers refused, brokers restarted without what they had kept."""
    looks: int
    """Measurements behind the warm-up."""
    rss_first_kib: int
    rss_last_kib: int
    """Medians of the first and the last third behind the warm-up."""
    rss_slope_kib_per_h: float
    descriptors_least: int
    descriptors_most: int
    threads_most: int
    ended: int
    """Exit status."""

    @property
    def sound(self) -> bool:
        """Whether memory grew by less than a tenth, and files by no more than a connection and its waker."""
        grown = self.rss_last_kib - self.rss_first_kib
        return (
            self.ended == 0 and grown < self.rss_first_kib / 10 and self.descriptors_most - self.descriptors_least <= 6
        )


def run(seconds: float, directory: Path, *, talk: bool = False) -> Soak:
    """Let the service live so long."""
    with mosquitto(directory / "broker") as broker, fault_proxy(broker.port) as line:
        site_file, found = directory / "site.yaml", directory / "found"
        site_file.write_text(site_text(METERS, line.url, directory / "state"))
        with nursery(site_file) as lives:
            child = lives.begin(found)
            wait_until(found.exists, "the service built", timeout_s=30)
            looks, troubles = _watch(child, seconds, _troubles(line, broker), talk)
            os.kill(child, signal.SIGTERM)
            ended = lives.ended()
    return _result(seconds, looks, troubles, kept_in(directory / "state").seq, ended)


def _troubles(line: FaultProxy, broker: Mosquitto) -> Sequence[Callable[[], None]]:
    def away() -> None:
        line.refuse()
        time.sleep(0.3)
        line.join()

    return line.drop, away, broker.restart_empty


def _watch(child: int, seconds: float, troubles: Sequence[Callable[[], None]], talk: bool) -> tuple[list[Vitals], int]:
    begun_s, made, looks = time.monotonic(), 0, list[Vitals]()
    calm_s = min(LONGEST_CALM_S, seconds / TROUBLES_A_RUN)
    while (now_s := time.monotonic() - begun_s) < seconds:
        looks.append(vitals(now_s, child))
        if now_s > (made + 1) * calm_s:
            troubles[made % len(troubles)]()
            made += 1
        if talk and len(looks) % 120 == 0:
            print(f"{now_s / 60:.1f} min: {looks[-1]}", file=sys.stderr, flush=True)
        time.sleep(min(0.5, seconds / 100))
    return looks, made


def _result(seconds: float, looks: Sequence[Vitals], troubles: int, events: int, ended: int) -> Soak:
    warm = [look for look in looks if look.at_s >= seconds * WARM_UP]
    third = max(1, len(warm) // 3)
    return Soak(
        minutes=round(seconds / 60, 2),
        events=events,
        troubles=troubles,
        looks=len(warm),
        rss_first_kib=_median([look.rss_kib for look in warm[:third]]),
        rss_last_kib=_median([look.rss_kib for look in warm[-third:]]),
        rss_slope_kib_per_h=round(3600 * slope([(look.at_s, look.rss_kib) for look in warm]), 1),
        descriptors_least=min(look.descriptors for look in warm),
        descriptors_most=max(look.descriptors for look in warm),
        threads_most=max(look.threads for look in warm),
        ended=ended,
    )


def _median(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2]


def main() -> int:
    """Run and report; exit status 1 when something grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--json", action="store_true", dest="as_json")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        soak = run(60.0 * asked.minutes, Path(directory), talk=True)
    shown = soak._asdict() | {"sound": soak.sound}
    print(json.dumps(shown) if asked.as_json else "\n".join(f"{name}: {value}" for name, value in shown.items()))
    return 0 if soak.sound else 1


if __name__ == "__main__":
    sys.exit(main())
