"""Delivery to a broker that drops the connection: nothing is given up without proof, and nobody waits for others."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.journal.changes import AVAILABILITY, BASE, change
from tests.adapters.mqtt.crashing_broker import CrashingBroker
from tests.adapters.mqtt.test_delivery import config, drained, many, running
from tests.broker import wait_until

RULES = ("wiring", "phase_loss", "voltage_dip")


@pytest.fixture
def broker() -> Iterator[CrashingBroker]:
    made = CrashingBroker(lambda topic, _: topic == AVAILABILITY)
    yield made
    made.close()


def seqs(broker: CrashingBroker, part: str = "/events/") -> list[int]:
    return [json.loads(payload)["seq"] for topic, payload in broker.taken if part in topic]


def test_a_broker_that_crashes_over_every_message_costs_none_of_them(tmp_path: Path, broker: CrashingBroker) -> None:
    with running(config(tmp_path, broker.url)) as delivery:
        for one in many(6):
            delivery.commit([one])
        wait_until(lambda: delivery.status.connects > 60)
        assert delivery.status.dead_letters == 0
        assert delivery.status.outbox_depth == 10, "six events, three states and the list"
        assert delivery.status.held
        broker.takes = lambda *_: True
        wait_until(drained(delivery), "everything delivered")
        assert sorted(set(seqs(broker))) == list(range(1, 7))
        for rule in RULES:
            of_topic = list(dict.fromkeys(seqs(broker, f"/events/main/{rule}")))
            assert of_topic == sorted(of_topic), "in their order"
        wait_until(lambda: not delivery.status.held)
        assert delivery.status.dead_letters == 0


def test_a_broker_that_takes_only_what_is_owed_is_asked_less_and_less_often(
    tmp_path: Path, broker: CrashingBroker
) -> None:
    begun = time.monotonic()
    with running(config(tmp_path, broker.url, shortest_pause_s=0.02, longest_pause_s=60.0), stop_s=0.1) as delivery:
        delivery.commit(many(3))
        wait_until(lambda: delivery.status.connects == 6)
    assert time.monotonic() - begun > 0.5 * (0.02 + 0.04 + 0.08 + 0.16 + 0.32), "pauses that double"


def test_a_topic_over_which_the_broker_closes_is_held_and_told_and_the_others_go_on(
    tmp_path: Path, broker: CrashingBroker
) -> None:
    forbidden = f"{BASE}/events/main/wiring"
    broker.takes = lambda topic, _: topic != forbidden
    with running(config(tmp_path, broker.url)) as delivery:
        for one in many(9):
            delivery.commit([one])
        wait_until(lambda: delivery.status.outbox_depth == 3, "all others delivered")
        connects = delivery.status.connects
        wait_until(lambda: delivery.status.connects > connects + 5)
        assert delivery.status.held == (forbidden,)
        wait_until(lambda: forbidden in (delivery.status.last_error or ""))
        delivery.commit([change("cleared", rule="phase_loss", rev=20)])
        wait_until(lambda: 10 in seqs(broker), "an event of another topic")
        assert delivery.status.dead_letters == 0
        broker.takes = lambda *_: True
        wait_until(drained(delivery), "everything delivered")
        assert list(dict.fromkeys(seqs(broker, "/events/main/wiring"))) == [1, 4, 7]


def test_a_live_topic_over_which_the_broker_closes_stops_no_alert(tmp_path: Path, broker: CrashingBroker) -> None:
    forbidden = f"{BASE}/points/main/state"
    broker.takes = lambda topic, _: topic != forbidden
    with running(config(tmp_path, broker.url)) as delivery:
        for n in range(200):
            delivery.mqtt.publish(forbidden, b"%d" % n)
            time.sleep(0.001)
        delivery.commit(many(30))
        wait_until(lambda: delivery.status.held == (forbidden,))
        wait_until(lambda: delivery.status.outbox_depth == 0, "every event delivered")
        assert delivery.status.dead_letters == 0


def test_a_live_topic_that_is_no_text_stops_no_other(tmp_path: Path, broker: CrashingBroker) -> None:
    broker.takes = lambda *_: True
    with running(config(tmp_path, broker.url)) as delivery:
        wait_until(lambda: delivery.status.connected)
        for topic in (f"{BASE}/points/\ud800", f"{BASE}/points/main/state"):
            delivery.mqtt.publish(topic, b"{}")
        delivery.commit(many(3))
        wait_until(lambda: (f"{BASE}/points/main/state", b"{}") in broker.taken)
        wait_until(drained(delivery))
        assert delivery.ask(lambda journal: dict(journal.topics)).result(5) == {f"{BASE}/points/main/state": True}
        assert delivery.status.connects == 1


def test_a_slow_broker_that_answers_steadily_is_kept(tmp_path: Path) -> None:
    def takes(topic: str, payload: bytes) -> bool:
        time.sleep(0.1)
        return True

    broker = CrashingBroker(takes)
    with running(config(tmp_path, broker.url, ack_timeout_s=1.0)) as delivery:
        delivery.commit(many(24))
        wait_until(drained(delivery), "the outbox empty")
        assert delivery.status.delivered >= 24, "for more than twice the time-out there was always one in flight"
        assert delivery.status.connects == 1
    broker.close()
