"""Changes that flow into the real Delivery, and what the broker should keep of them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from phasewatch.adapters.journal.types import DeliveryConfig
from phasewatch.alerts.event import Event
from phasewatch.service.delivery import Delivery
from tests.adapters.journal.changes import BASE, LIST_TOPIC, SITE, change
from tests.broker import wait_until

RULES: Final = ("wiring", "phase_loss", "voltage_dip", "interruption")


def config(directory: Path, *urls: str, **more: Any) -> DeliveryConfig:
    """Return a delivery that is quick to try again."""
    quick = DeliveryConfig(SITE, directory / "state", urls, shortest_pause_s=0.02, longest_pause_s=0.1)
    return replace(quick, **more)


class Flow:
    """A delivery, and the changes committed to it so far."""

    def __init__(self, settings: DeliveryConfig) -> None:
        self.delivery = Delivery(settings)
        self.committed = 0

    def commit(self, count: int, **more: Any) -> None:
        """Commit so many changes, each in a transaction of its own where the thread is quick enough."""
        for _ in range(count):
            self.delivery.commit([self._next(**more)])

    def _next(self, **more: Any) -> Event:
        self.committed += 1
        rule = RULES[self.committed % len(RULES)]
        return change("raised" if self.committed % 8 < 4 else "cleared", rule=rule, rev=self.committed, **more)

    @property
    def drained(self) -> bool:
        return self.delivery.status.connected and self.delivery.status.outbox_depth == 0

    def wait_until_drained(self) -> None:
        wait_until(lambda: self.drained, "the outbox empty", timeout_s=30)

    def wait_for_error(self, words: str) -> None:
        """Wait until the status says why there is no connection."""
        wait_until(
            lambda: words in (self.delivery.status.last_error or ""), f"{words!r} in {self.delivery.status.last_error}"
        )


@contextmanager
def flow(settings: DeliveryConfig, stop_s: float = 5.0) -> Iterator[Flow]:
    started = Flow(settings)
    started.delivery.start()
    try:
        yield started
    finally:
        assert started.delivery.stop(stop_s), "the thread ends"


def told_states(newest: Mapping[str, bytes]) -> dict[str, int]:
    """Return the `rev` of every retained alert by its rule."""
    states = {topic: body for topic, body in newest.items() if topic.startswith(f"{LIST_TOPIC}/") and body}
    return {topic.removeprefix(f"{BASE}/alerts/main/"): json.loads(body)["rev"] for topic, body in states.items()}
