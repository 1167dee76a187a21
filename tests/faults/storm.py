"""A storm of alerts while the broker is away, and how it drains once it is back.

Usage: python -m tests.faults.storm [--count 100000] [--json]
"""

import argparse
import json
import sys
import tempfile
import time
from array import array
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from paho.mqtt.client import Client, MQTTMessage

from phasewatch.adapters.journal.types import Bounds
from tests.broker import mosquitto, wait_until
from tests.fault_proxy import fault_proxy
from tests.faults.flow import Flow, config, flow
from tests.faults.vitals import rss_kib
from tests.faults.witness import Witness

ROOM: Final = 1000
"""Rows of the outbox beside the events: states, the list."""


class Seqs(Witness):
    """A subscriber that keeps the numbers only, so that its own memory does not count."""

    def __init__(self, port: int) -> None:
        self.seqs = array("q")
        super().__init__(port, topic="phasewatch/+/events/#")

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self.seqs.append(json.loads(message.payload)["seq"])


class Storm(NamedTuple):
    """What a storm did."""

    events: int
    journaled_per_s: float
    drained_per_s: float
    deepest: int
    """Rows that waited at once."""
    bound: int
    dropped: int
    lost: int
    """Events that never came, beside those that overflow dropped and counted."""
    disordered: int
    duplicates: int
    rss_before_kib: int
    rss_peak_kib: int
    rss_after_kib: int

    @property
    def sound(self) -> bool:
        return not (self.lost or self.disordered) and self.deepest <= self.bound


def run(count: int, directory: Path, bound: int | None = None) -> Storm:
    """Commit so many events while nobody takes them, then let them drain; `bound` None: the outbox holds them all."""
    rows = bound or count + ROOM
    with mosquitto(directory / "broker", "max_queued_messages 0") as broker, fault_proxy(broker.port) as line:
        line.refuse()
        watching = Seqs(broker.port)
        with flow(config(directory, line.url, bounds=Bounds(max_rows=rows))) as flowing:
            before_kib, begun_s = rss_kib(), time.monotonic()
            _commit(flowing, count)
            journaled_s = time.monotonic() - begun_s
            status, journaled_kib = flowing.delivery.status, rss_kib()
            line.join()
            wait_until(lambda: flowing.delivery.status.connected, "connected")
            begun_s = time.monotonic()
            wait_until(lambda: flowing.drained, "everything drained", timeout_s=600)
            drained_s = time.monotonic() - begun_s
            wait_until(lambda: len(watching.seqs) >= count - status.dropped, "everything arrived", timeout_s=60)
            after_kib = rss_kib()
        watching.close()
    came = set(watching.seqs)
    firsts = list(dict.fromkeys(watching.seqs))
    disordered = sum(later < earlier for earlier, later in pairwise(firsts))
    return Storm(
        events=count,
        journaled_per_s=round(count / journaled_s),
        drained_per_s=round(len(came) / drained_s),
        deepest=status.outbox_depth,
        bound=rows,
        dropped=status.dropped,
        lost=count - status.dropped - len(came),
        disordered=disordered,
        duplicates=len(watching.seqs) - len(came),
        rss_before_kib=before_kib,
        rss_peak_kib=max(journaled_kib, after_kib),
        rss_after_kib=after_kib,
    )


def _commit(flowing: Flow, count: int) -> None:
    """Commit so many; what waits to be journaled is kept small, as a service that reads meters does."""
    for _ in range(count // 100):
        flowing.commit(100)
        _wait_for_journal(flowing, 2000)
    flowing.commit(count % 100)
    _wait_for_journal(flowing, 0)


def _wait_for_journal(flowing: Flow, behind: int) -> None:
    def written() -> bool:
        status = flowing.delivery.status
        return status.outbox_depth + status.dropped >= flowing.committed - behind

    wait_until(written, "the journal written", timeout_s=60)


def main() -> int:
    """Let one storm pass and report; exit status 1 when anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", dest="as_json")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        storm = run(asked.count, Path(directory))
    shown = storm._asdict() | {"sound": storm.sound}
    print(json.dumps(shown) if asked.as_json else "\n".join(f"{name}: {value}" for name, value in shown.items()))
    return 0 if storm.sound else 1


if __name__ == "__main__":
    sys.exit(main())
