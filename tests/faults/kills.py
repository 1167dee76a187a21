"""Kills the service at random moments while alerts flow, and lets a subscriber prove what became of them.

Usage: python -m tests.faults.kills [--rounds 200] [--seed 1] [--json]
"""

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.broker import mosquitto, wait_until
from tests.faults.nursery import site_text
from tests.faults.witness import Verdict, Witness, judge, witness

METERS: Final = 20
TERM_EVERY: Final = 5
"""One life of so many is ended politely."""
YOUNG_EVERY: Final = 4
"""One life of so many may be killed while it is still being built."""
LONGEST_S: Final = 0.8


class Kept(NamedTuple):
    """What the journal held at a moment when nobody had it open."""

    seq: int
    standing: dict[str, int]
    """Key of each active alert -> its `rev`."""
    states: dict[str, bytes]
    """Topic of each published alert -> its newest payload."""


class Count(NamedTuple):
    """What was done, and what came of it."""

    rounds: int
    killed: int
    terminated: int
    restarts_compared: int
    """Restarts whose alerts were compared with those of the journal before."""
    restarts_differing: int
    unclean_ends: int
    """Lives that did not end with status 0 when they were told to."""
    states_stale: int
    """Retained topics whose last payload is not the journal's newest."""
    verdict: Verdict

    @property
    def sound(self) -> bool:
        wrong = self.restarts_differing + self.unclean_ends + self.states_stale
        return self.verdict.sound and not wrong and self.verdict.expected > self.rounds  # alerts did flow


def kept_in(directory: Path) -> Kept:
    """Read a copy of the journal: opening the file itself would change it."""
    with tempfile.TemporaryDirectory() as copy:
        for file in directory.glob("journal.db*"):
            shutil.copy(file, copy)
        if not (Path(copy) / "journal.db").exists():
            return Kept(0, {}, {})
        with closing(sqlite3.connect(Path(copy) / "journal.db")) as db:
            try:
                seq = db.execute("SELECT value FROM meta WHERE key = 'seq'").fetchone()
                rows = db.execute("SELECT key, topic, payload, active FROM alert WHERE payload IS NOT NULL").fetchall()
            except sqlite3.OperationalError:
                return Kept(0, {}, {})  # killed before the first transaction
    standing = {key: json.loads(payload)["rev"] for key, _, payload, active in rows if active}
    return Kept(seq[0] if seq else 0, standing, {topic: payload for _, topic, payload, _ in rows})


class Nursery:
    """The process whose forks are the lives."""

    def __init__(self, site_file: Path) -> None:
        command = [sys.executable, "-m", "tests.faults.nursery", str(site_file)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self, found: Path) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{found}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def ended(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        if self._process.stdout:
            self._process.stdout.close()


@contextmanager
def nursery(site_file: Path) -> Iterator[Nursery]:
    started = Nursery(site_file)
    try:
        yield started
    finally:
        started.close()


def run(rounds: int, seed: int, directory: Path, *, meters: int = METERS, talk: bool = False) -> Count:
    """Live and die so many times, then once more in peace, and judge."""
    chance, state = random.Random(seed), directory / "state"
    with mosquitto(directory / "broker", "max_queued_messages 0") as broker, witness(broker.port) as watching:
        site_file = directory / "site.yaml"
        site_file.write_text(site_text(meters, broker.url, state))
        tally: dict[str, int] = dict.fromkeys(("killed", "terminated", "compared", "differing", "unclean"), 0)
        with nursery(site_file) as lives:
            for number in range(rounds):
                _one_life(lives, chance, state, directory / f"found-{number}", tally, number)
                if talk and number % 10 == 9:
                    print(f"{number + 1} of {rounds} rounds, {watching.count()} events", file=sys.stderr, flush=True)
            kept = _last_life(lives, state, directory / "found-last", watching)
        verdict = judge(watching.events(), range(1, kept.seq + 1))
        newest = watching.newest()
        stale = sum(newest.get(topic) != payload for topic, payload in kept.states.items())
    numbers = tally["killed"], tally["terminated"], tally["compared"], tally["differing"], tally["unclean"]
    return Count(rounds, *numbers, stale, verdict)


def _one_life(
    lives: Nursery, chance: random.Random, state: Path, found: Path, tally: dict[str, int], number: int
) -> None:
    before, politely = kept_in(state), number % TERM_EVERY == TERM_EVERY - 1
    child = lives.begin(found)
    if politely or number % YOUNG_EVERY:
        wait_until(found.exists, "the service built", timeout_s=30)
    time.sleep(chance.uniform(0.0, LONGEST_S))
    if politely:
        time.sleep(0.1)  # its handlers are there a moment after it was built
    os.kill(child, signal.SIGTERM if politely else signal.SIGKILL)
    code = lives.ended()
    tally["terminated" if politely else "killed"] += 1
    tally["unclean"] += politely and code != 0
    if found.exists():
        tally["compared"] += 1
        tally["differing"] += json.loads(found.read_text()) != before.standing


def _last_life(lives: Nursery, state: Path, found: Path, watching: Witness) -> Kept:
    """Let everything arrive, end politely, and return what the journal holds then."""
    child = lives.begin(found)
    wait_until(found.exists, "the service built", timeout_s=30)
    time.sleep(1.0)
    os.kill(child, signal.SIGTERM)
    assert lives.ended() == 0
    kept = kept_in(state)
    wait_until(lambda: watching.count() >= kept.seq, f"{kept.seq} events", timeout_s=60)
    wait_until(lambda: watching.newest().get("phasewatch/plant/availability") == b"offline", "the end")
    return kept


def main() -> int:
    """Kill and judge; exit status 1 when anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", dest="as_json")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        count = run(asked.rounds, asked.seed, Path(directory), talk=True)
    shown: dict[str, Any] = count._asdict() | {"verdict": count.verdict._asdict(), "sound": count.sound}
    print(json.dumps(shown) if asked.as_json else "\n".join(f"{name}: {value}" for name, value in shown.items()))
    return 0 if count.sound else 1


if __name__ == "__main__":
    sys.exit(main())
