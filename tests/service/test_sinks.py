"""The contract of a sink: the fake, MQTT at a real broker and a webhook at a real HTTP server all keep it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from phasewatch.adapters.journal.types import DeliveryConfig, SinkStatus, WebhookConfig
from phasewatch.service.delivery import Delivery
from tests.adapters.journal.changes import SITE, change
from tests.broker import Line, free_port, mosquitto, subscriber, wait_until
from tests.http_receiver import SECRET, HttpReceiver, http_receiver
from tests.service.fake_sink import FakeSink

NOWHERE = f"mqtt://127.0.0.1:{free_port()}"


class Receiver(Protocol):
    """What stands behind a sink, outside of the daemon."""

    name: str

    def away(self) -> None: ...

    def back(self) -> None: ...

    def arrivals(self) -> list[dict[str, Any]]:
        """Return the events that were accepted, in the order of arrival; an id may come again."""

    def targets(self) -> dict[str, str]:
        """Return where `delivery` sends to it: `mqtt`, `webhook` or `fake`."""


class Broker:
    name = "mqtt"

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._line = Line(stack.enter_context(mosquitto(directory / "broker")).port)
        self._line.join()
        stack.callback(self._line.cut)
        self.watching = stack.enter_context(subscriber(f"mqtt://127.0.0.1:{self._line._target_port}"))

    def away(self) -> None:
        self._line.cut()

    def back(self) -> None:
        self._line.join()

    def arrivals(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.watching.payloads("/events/")]

    def targets(self) -> dict[str, str]:
        return {"mqtt": self._line.url}


class Web:
    name = "erp"

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.receiver: HttpReceiver = stack.enter_context(http_receiver())

    def away(self) -> None:
        self.receiver.stop()

    def back(self) -> None:
        self.receiver.start()

    def arrivals(self) -> list[dict[str, Any]]:
        return [request.event for request in self.receiver.accepted]

    def targets(self) -> dict[str, str]:
        return {"webhook": self.receiver.url}


class Fake:
    name = "fake"

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._sink = FakeSink(directory / "fake")

    def away(self) -> None:
        (self._sink.directory / "away").touch()

    def back(self) -> None:
        (self._sink.directory / "away").unlink()

    def arrivals(self) -> list[dict[str, Any]]:
        return self._sink.events()

    def targets(self) -> dict[str, str]:
        return {"fake": str(self._sink.directory)}


def events(receiver: Receiver) -> list[dict[str, Any]]:
    """Return what arrived without what a subscriber knows by its id."""
    return list({event["id"]: event for event in reversed(receiver.arrivals())}.values())[::-1]


KINDS: dict[str, Callable[[Path, ExitStack], Receiver]] = {"fake": Fake, "mqtt": Broker, "webhook": Web}
EVERY = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.broker if kind == "mqtt" else ()) for kind in KINDS]
)


def delivery_to(directory: Path, mqtt: str = NOWHERE, webhook: str = "", fake: str = "") -> Delivery:
    """Return a delivery that is quick to try again."""
    quick: dict[str, Any] = {"shortest_pause_s": 0.02, "longest_pause_s": 0.1}
    webhooks = (WebhookConfig("erp", webhook, SECRET, refused_pause_s=0.1, **quick),) if webhook else ()
    config = DeliveryConfig(SITE, directory / "state", (mqtt,), webhooks=webhooks, **quick)
    return Delivery(config, [FakeSink(Path(fake))] if fake else [])


@contextmanager
def running(delivery: Delivery, stop_s: float = 3.0) -> Iterator[Delivery]:
    delivery.start()
    try:
        yield delivery
    finally:
        assert delivery.stop(stop_s), "the thread ends"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def receiver(kind: str, tmp_path: Path, stack: ExitStack) -> Receiver:
    return KINDS[kind](tmp_path, stack)


def commit(delivery: Delivery, *revs: int) -> None:
    rules = ("wiring", "phase_loss", "voltage_dip")
    for rev in revs:
        delivery.commit([change("raised", rule=rules[rev % 3], rev=rev)])


def state(delivery: Delivery, name: str) -> SinkStatus:
    return next(
        (sink for sink in delivery.status.sinks if sink.name == name),
        SinkStatus(name, "", connected=False, outbox_depth=-1),
    )


def revs(receiver: Receiver) -> list[int]:
    return [event["rev"] for event in events(receiver)]


@EVERY
def test_events_arrive_once_each_and_in_order(receiver: Receiver, tmp_path: Path) -> None:
    with running(delivery_to(tmp_path, **receiver.targets())) as delivery:
        commit(delivery, *range(1, 101))
        wait_until(lambda: state(delivery, receiver.name).delivered >= 100, "everything accepted")
        wait_until(lambda: state(delivery, receiver.name).outbox_depth == 0, "its outbox empty")
        assert state(delivery, receiver.name).connected
        assert state(delivery, receiver.name).dropped == 0
    assert [event["rev"] for event in receiver.arrivals()] == list(range(1, 101))
    assert [event["seq"] for event in receiver.arrivals()] == list(range(1, 101))


@EVERY
def test_nothing_is_lost_over_outages_and_the_order_is_kept(receiver: Receiver, tmp_path: Path) -> None:
    with running(delivery_to(tmp_path, **receiver.targets())) as delivery:
        for outage in range(4):
            commit(delivery, *range(20 * outage + 1, 20 * outage + 11))
            wait_until(lambda: len(events(receiver)) > 20 * outage, "some before the outage")  # noqa: B023
            receiver.away()
            commit(delivery, *range(20 * outage + 11, 20 * outage + 21))
            wait_until(lambda: state(delivery, receiver.name).outbox_depth >= 10, "what waits")
            receiver.back()
        wait_until(lambda: len(events(receiver)) == 80, "everything")
        wait_until(lambda: state(delivery, receiver.name).outbox_depth == 0, "its outbox empty")
    assert revs(receiver) == list(range(1, 81))


@EVERY
def test_a_restart_goes_on_where_the_receiver_is(receiver: Receiver, tmp_path: Path) -> None:
    with running(delivery_to(tmp_path, **receiver.targets())) as delivery:
        commit(delivery, 1, 2, 3)
        wait_until(lambda: len(events(receiver)) == 3, "the first three")
        wait_until(lambda: state(delivery, receiver.name).outbox_depth == 0, "its outbox empty")
        receiver.away()
        commit(delivery, 4)
        wait_until(lambda: not state(delivery, receiver.name).connected, "the outage seen")
    with running(delivery_to(tmp_path, **receiver.targets())) as delivery:
        commit(delivery, 5)
        wait_until(lambda: state(delivery, receiver.name).outbox_depth > 1, "what waited before")
        receiver.back()
        wait_until(lambda: len(receiver.arrivals()) == 5, "the others")
        wait_until(lambda: state(delivery, receiver.name).outbox_depth == 0, "its outbox empty")
    assert [event["rev"] for event in receiver.arrivals()] == [1, 2, 3, 4, 5], "nothing accepted is sent again"


CHILD = """
import itertools, json, sys, time
from pathlib import Path
from tests.service.test_sinks import commit, delivery_to
delivery = delivery_to(Path(sys.argv[1]), **json.loads(sys.argv[2]))
delivery.start()
for rev in itertools.count(1):
    commit(delivery, rev)
    time.sleep(0.002)
"""


@EVERY
def test_nothing_committed_is_lost_by_sigkill(receiver: Receiver, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", CHILD, str(tmp_path), json.dumps(receiver.targets())]
    for _ in range(2):
        enough = len(events(receiver)) + 50
        with subprocess.Popen(command, env=environment) as child:
            wait_until(lambda: len(events(receiver)) > enough, "events", timeout_s=30)  # noqa: B023
            child.send_signal(signal.SIGKILL)
    with running(delivery_to(tmp_path, **receiver.targets())) as delivery:
        commit(delivery, 0)
        wait_until(lambda: 0 in revs(receiver), "the last event")
        wait_until(lambda: state(delivery, receiver.name).outbox_depth == 0, "its outbox empty")
    seqs = [event["seq"] for event in events(receiver)]
    assert seqs == list(range(1, len(seqs) + 1)), "gap-free, in order, without duplicates by id"


@pytest.mark.broker
@pytest.mark.parametrize("dead", KINDS)
def test_a_dead_sink_holds_none_of_the_others(dead: str, tmp_path: Path, stack: ExitStack) -> None:
    receivers = {kind: KINDS[kind](tmp_path, stack) for kind in KINDS}
    targets = {key: value for receiver in receivers.values() for key, value in receiver.targets().items()}
    receivers[dead].away()
    with running(delivery_to(tmp_path, **targets)) as delivery:
        commit(delivery, *range(1, 41))
        for kind, receiver in receivers.items():
            if kind != dead:
                wait_until(lambda: len(events(receiver)) == 40, f"all at {kind}")  # noqa: B023
                wait_until(lambda: state(delivery, receiver.name).outbox_depth == 0, f"{kind} done")  # noqa: B023
        late = receivers[dead]
        assert events(late) == []
        assert state(delivery, late.name).outbox_depth >= 40
        assert not state(delivery, late.name).connected
        late.back()
        wait_until(lambda: len(events(late)) == 40, "all at the late one")
    for receiver in receivers.values():
        assert revs(receiver) == list(range(1, 41))


@pytest.mark.broker
def test_every_sink_gets_the_same_bytes_of_an_event(tmp_path: Path, stack: ExitStack) -> None:
    web, broker = Web(tmp_path, stack), Broker(tmp_path, stack)
    with running(delivery_to(tmp_path, **web.targets(), **broker.targets())) as delivery:
        commit(delivery, 1, 2)
        wait_until(lambda: len(events(web)) == len(events(broker)) == 2, "both")
    assert [r.body for r in web.receiver.accepted] == broker.watching.payloads("/events/")


def test_a_sink_with_a_fault_of_its_own_stops_nothing_and_is_tried_again(tmp_path: Path, stack: ExitStack) -> None:
    web, faulty = Web(tmp_path, stack), FakeSink(tmp_path / "fake")
    webhook = WebhookConfig("erp", web.receiver.url, SECRET)
    config = DeliveryConfig(SITE, tmp_path / "state", (NOWHERE,), webhooks=(webhook,), shortest_pause_s=0.02)
    faulty.fault = "out of order"
    with running(Delivery(config, [faulty])) as delivery:
        commit(delivery, 1, 2, 3)
        wait_until(lambda: len(events(web)) == 3, "all at the other")
        assert faulty.events() == []
        faulty.fault = ""
        wait_until(lambda: len(faulty.events()) == 3, "all at the one that works again")
