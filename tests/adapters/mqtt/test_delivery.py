"""Delivery against real brokers: what a subscriber sees, whatever dies in between."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from phasewatch.adapters.journal.types import DeliveryConfig
from phasewatch.adapters.mqtt.client import Arrived
from phasewatch.alerts.event import Event
from phasewatch.service.delivery import Delivery
from tests.adapters.journal.changes import AVAILABILITY, BASE, LIST_TOPIC, SITE, alert_topic, change
from tests.broker import Line, Mosquitto, Subscriber, amqtt_broker, free_port, mosquitto, subscriber, wait_until

WIRING = change("raised", rule="wiring")
STATE_TOPIC = f"{BASE}/points/main/state"


def config(directory: Path, *urls: str, **more: Any) -> DeliveryConfig:
    quick = DeliveryConfig(SITE, directory / "state", urls, shortest_pause_s=0.02, longest_pause_s=0.1)
    return replace(quick, **more)


@contextmanager
def running(settings: DeliveryConfig, stop_s: float = 5.0) -> Iterator[Delivery]:
    delivery = Delivery(settings)
    delivery.start()
    try:
        yield delivery
    finally:
        assert delivery.stop(stop_s), "the thread ends"


def seqs(watching: Subscriber) -> list[int]:
    return [json.loads(payload)["seq"] for payload in watching.payloads("/events/")]


def unique(watching: Subscriber) -> list[dict[str, Any]]:
    """Return the events in the order of arrival, without those whose id was seen before."""
    events = [json.loads(payload) for payload in watching.payloads("/events/")]
    return list({event["id"]: event for event in reversed(events)}.values())[::-1]


def many(count: int) -> list[Event]:
    rules = ("wiring", "phase_loss", "voltage_dip")
    return [change("raised", rule=rules[n % 3], rev=n) for n in range(count)]


def drained(delivery: Delivery) -> Callable[[], bool]:
    return lambda: delivery.status.connected and delivery.status.outbox_depth == 0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker") as started:
        yield started


@pytest.mark.broker
def test_events_arrive_in_order_and_a_clean_stop_says_offline_once(tmp_path: Path, broker: Mosquitto) -> None:
    with subscriber(broker.url) as watching:
        with running(config(tmp_path, broker.url)) as delivery:
            for one in many(300):
                delivery.commit([one])
            wait_until(drained(delivery), "the outbox empty")
            assert delivery.status.protocol == "5"
            assert delivery.status.rejects_visible
        wait_until(lambda: watching.payloads(AVAILABILITY) == [b"online", b"offline"], "offline")
        assert seqs(watching) == list(range(1, 301))
        assert json.loads(watching.newest()[alert_topic(WIRING)])["rev"] == 297


@pytest.mark.broker
def test_a_stop_delivers_what_was_committed_just_before(tmp_path: Path, broker: Mosquitto) -> None:
    with subscriber(broker.url) as watching:
        with running(config(tmp_path, broker.url)) as delivery:
            wait_until(lambda: delivery.status.connected)
            delivery.commit(many(200))
        wait_until(lambda: b"offline" in watching.payloads(AVAILABILITY))
        assert seqs(watching) == list(range(1, 201))


@pytest.fixture
def line(broker: Mosquitto) -> Iterator[Line]:
    to_broker = Line(broker.port)
    yield to_broker
    to_broker.cut()


@pytest.mark.broker
@pytest.mark.parametrize("known_before", [False, True])
def test_raised_and_cleared_while_the_broker_is_away_arrive_once_and_the_state_ends_cleared(
    tmp_path: Path, broker: Mosquitto, line: Line, known_before: bool
) -> None:
    with subscriber(broker.url) as watching, running(config(tmp_path, line.url)) as delivery:
        if known_before:
            line.join()
            wait_until(lambda: delivery.status.connected)
            line.cut()
        wait_until(lambda: not delivery.status.connected and delivery.status.last_error)
        delivery.mqtt.publish(STATE_TOPIC, b"old")
        delivery.commit([change("raised")])
        delivery.commit([change("cleared", rev=2)])
        delivery.mqtt.publish(STATE_TOPIC, b"new")
        wait_until(lambda: delivery.status.outbox_depth == 4, "two events, the state and the list waiting")
        line.join()
        wait_until(drained(delivery), "the outbox empty")
        wait_until(lambda: len(watching.payloads("/events/")) == 2)
        events = [json.loads(payload) for payload in watching.payloads("/events/")]
        assert [(event["seq"], event["transition"]) for event in events] == [(1, "raised"), (2, "cleared")]
        states = [json.loads(payload)["state"] for payload in watching.payloads(alert_topic(change("raised")))]
        assert set(states) == {"cleared"}, "the state that was overtaken is never told"
        assert watching.payloads(STATE_TOPIC) == [b"new"]
        assert json.loads(watching.newest()[LIST_TOPIC])["active"] == []


@pytest.mark.broker
def test_a_flapping_line_loses_nothing_and_no_state_goes_back(tmp_path: Path, broker: Mosquitto, line: Line) -> None:
    line.join()
    with subscriber(broker.url) as watching, running(config(tmp_path, line.url)) as delivery:
        for cut in range(8):
            seen = len(watching.seen)
            for one in many(60):
                delivery.commit([replace(one, payload={**one.payload, "rev": 60 * cut + one.payload["rev"]})])
            wait_until(lambda: len(watching.seen) > seen + 20)  # noqa: B023
            line.cut()
            line.join()
        wait_until(drained(delivery))
        wait_until(lambda: len(unique(watching)) == 480)
        assert [event["seq"] for event in unique(watching)] == list(range(1, 481))
        revs = [json.loads(payload)["rev"] for payload in watching.payloads(alert_topic(WIRING))]
        assert revs == sorted(revs)


@pytest.mark.broker
def test_a_line_on_which_nothing_is_acknowledged_is_given_up(tmp_path: Path, broker: Mosquitto, line: Line) -> None:
    line.join()
    with subscriber(broker.url) as watching, running(config(tmp_path, line.url, ack_timeout_s=0.2)) as delivery:
        wait_until(lambda: delivery.status.connected)
        line.deafen()
        delivery.commit([change("raised")])
        wait_until(lambda: watching.payloads("/events/"), "the event by another connection")
        wait_until(drained(delivery))


@pytest.mark.broker
def test_a_broker_that_lost_everything_gets_the_whole_retained_set_again(tmp_path: Path, broker: Mosquitto) -> None:
    with running(config(tmp_path, broker.url)) as delivery:
        delivery.commit(many(6))
        delivery.mqtt.publish(STATE_TOPIC, b"{}")
        wait_until(drained(delivery))
        broker.restart_empty()
        wait_until(lambda: delivery.status.connected)
        with subscriber(broker.url) as watching:
            wait_until(lambda: len(watching.newest()) == 6, "three alerts, the list, the point and availability")
            assert watching.newest()[AVAILABILITY] == b"online"


@pytest.mark.broker
def test_what_waited_before_a_restart_is_delivered_after_it(tmp_path: Path, broker: Mosquitto) -> None:
    nowhere = f"mqtt://127.0.0.1:{free_port()}"
    with running(config(tmp_path, nowhere)) as delivery:
        delivery.commit(many(20))
    with subscriber(broker.url) as watching:
        second = Delivery(config(tmp_path, nowhere, broker.url))
        restored = second.start()
        second.commit(many(1))
        wait_until(lambda: len(unique(watching)) == 21, "all events")
        assert second.stop(5)
        assert seqs(watching) == list(range(1, 22))
        assert {event["id"] for event in unique(watching)} == {f"{SITE}-{restored.uuid}-{n}" for n in range(1, 22)}
        assert restored.records["main/wiring"] == '{"raised": 18}'


@pytest.mark.broker
def test_a_forgotten_alert_and_an_unpublished_topic_vanish_from_the_broker(tmp_path: Path, broker: Mosquitto) -> None:
    with running(config(tmp_path, broker.url)) as delivery:
        delivery.commit([WIRING])
        delivery.mqtt.publish(STATE_TOPIC, b"{}")
        wait_until(drained(delivery))
        delivery.forget([str(WIRING.key)])
        delivery.mqtt.unpublish(STATE_TOPIC)
    with subscriber(broker.url) as watching:
        wait_until(lambda: len(watching.newest()) == 2)
        assert set(watching.newest()) == {AVAILABILITY, LIST_TOPIC}


DENY_EVENTS = f"topic readwrite {BASE}/alerts/#\ntopic readwrite {BASE}/alerts\ntopic readwrite {AVAILABILITY}\n"


@pytest.mark.broker
def test_a_row_that_the_broker_refuses_stays_until_it_takes_it(tmp_path: Path) -> None:
    denying = mosquitto(tmp_path / "broker", acl=DENY_EVENTS)
    with denying as broker, running(config(tmp_path, broker.url)) as delivery:
        delivery.commit(many(3))
        wait_until(lambda: delivery.status.outbox_depth == 3 and len(delivery.status.held) == 3, "rows held")
        assert "Not authorized" in (delivery.status.last_error or "")
        broker.set_acl(DENY_EVENTS + "topic readwrite #\n")
        wait_until(drained(delivery), "the rows going out")
        wait_until(lambda: delivery.status.last_error is None)


@pytest.mark.broker
def test_a_subscription_brings_messages_and_survives_a_reconnect(tmp_path: Path, broker: Mosquitto) -> None:
    with running(config(tmp_path, broker.url)) as delivery:
        delivery.mqtt.subscribe(f"{BASE}/command/#")
        wait_until(lambda: delivery.status.connected)
        broker.restart_empty()
        wait_until(lambda: not delivery.status.connected)
        wait_until(lambda: delivery.status.connected)
        delivery.mqtt.publish(f"{BASE}/command/resync", b"{}")
        assert delivery.mqtt.messages.get(timeout=10) == Arrived(f"{BASE}/command/resync", b"{}", retain=False)


def test_a_broker_of_3_1_1_is_served_and_the_blindness_said(tmp_path: Path) -> None:
    with amqtt_broker() as url, subscriber(url, MQTTProtocolVersion.MQTTv311) as watching:
        with running(config(tmp_path, url, answer_timeout_s=0.2)) as delivery:
            delivery.commit(many(20))
            wait_until(drained(delivery))
            assert delivery.status.protocol == "3.1.1"
            assert not delivery.status.rejects_visible
            wait_until(lambda: len(unique(watching)) == 20)
        wait_until(lambda: b"offline" in watching.payloads(AVAILABILITY))
        assert [event["seq"] for event in unique(watching)] == list(range(1, 21))


CHILD = """
import itertools, sys, time
from pathlib import Path
from phasewatch.service.delivery import Delivery
from tests.adapters.mqtt.test_delivery import config, many
delivery = Delivery(config(Path(sys.argv[1]), sys.argv[2]))
delivery.start()
print("started", flush=True)
for changes in itertools.cycle([many(3)]):
    delivery.commit(changes)
    time.sleep(0.001)
"""


@pytest.mark.broker
def test_nothing_committed_is_lost_by_sigkill_and_the_will_speaks(tmp_path: Path, broker: Mosquitto) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", CHILD, str(tmp_path), broker.url]
    with subscriber(broker.url) as watching:
        for round_ in (1, 2, 3):
            enough = len(watching.payloads("/events/")) + 150 * round_
            with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as child:
                wait_until(lambda: len(watching.payloads("/events/")) > enough)  # noqa: B023
                child.send_signal(signal.SIGKILL)
            wait_until(lambda: watching.newest()[AVAILABILITY] == b"offline", "the will")
        with running(config(tmp_path, broker.url)) as delivery:
            delivery.commit([change("cleared")])
            wait_until(drained(delivery))
        wait_until(lambda: unique(watching)[-1]["transition"] == "cleared", "the last event")
        arrived = [event["seq"] for event in unique(watching)]
        assert arrived == list(range(1, len(arrived) + 1)), "gap-free, in order, without duplicates by id"
