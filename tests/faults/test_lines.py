"""Lines and brokers that fail under messages in flight: a subscriber proves that nothing was lost."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from tests.adapters.journal.changes import AVAILABILITY, LIST_TOPIC
from tests.broker import Mosquitto, amqtt_broker, mosquitto, subscriber, wait_until
from tests.fault_proxy import SOUND, Fault, FaultProxy, fault_proxy
from tests.faults.flow import config, flow, told_states
from tests.faults.witness import Witness, judge, witness

pytestmark = pytest.mark.broker

OLD = MQTTProtocolVersion.MQTTv311
UNLIMITED = "max_inflight_messages 0", "max_queued_messages 0"
"""The broker hands on what it takes at once: what it acknowledged, the subscriber's socket has."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker", "max_queued_messages 0") as started:
        yield started


@pytest.fixture
def line(broker: Mosquitto) -> Iterator[FaultProxy]:
    with fault_proxy(broker.port) as proxy:
        yield proxy


@pytest.fixture
def watching(broker: Mosquitto) -> Iterator[Witness]:
    with witness(broker.port) as listener:
        yield listener


def test_a_broker_killed_under_messages_in_flight_and_restarted_empty_gets_all_it_did_not_take(tmp_path: Path) -> None:
    with (
        mosquitto(tmp_path / "broker", *UNLIMITED) as broker,
        fault_proxy(broker.port) as line,
        witness(broker.port, qos=0) as watching,
        flow(config(tmp_path, line.url)) as flowing,
    ):
        for _ in range(4):
            seen = watching.count()
            flowing.commit(200)
            wait_until(lambda: watching.count() > seen + 20, "messages in flight")  # noqa: B023
            broker.kill()
            watching.wait_for_end()
            line.refuse()
            flowing.commit(20)
            broker.restart_empty()
            watching.connect()
            line.join()
        flowing.wait_until_drained()
        verdict = watching.judge(flowing.committed)
        assert verdict.sound, verdict
        with subscriber(broker.url) as late:
            wait_until(lambda: len(late.newest()) == 6, "four alerts, the list and availability")
            assert sorted(told_states(late.newest()).values()) == list(range(877, 881))
            assert late.newest()[AVAILABILITY] == b"online"
            assert LIST_TOPIC in late.newest()


@pytest.mark.parametrize("deaf", ["both", "up", "down"])
def test_a_half_open_line_is_given_up_and_loses_nothing(
    tmp_path: Path, line: FaultProxy, watching: Witness, deaf: str
) -> None:
    with flow(config(tmp_path, line.url, ack_timeout_s=0.3, answer_timeout_s=0.3)) as flowing:
        flowing.commit(50)
        wait_until(lambda: watching.count() == 50)
        line.up = Fault(hang=deaf != "down")
        line.down = Fault(hang=deaf != "up")
        flowing.commit(50)
        wait_until(lambda: line.accepted >= 2, "another connection")
        line.ail(SOUND)
        line.drop()
        verdict = watching.judge(flowing.committed)
        assert verdict.sound, verdict


@pytest.mark.parametrize(
    "fault",
    [Fault(delay_s=0.02), Fault(bytes_per_s=150_000.0), Fault(delay_s=0.005, bytes_per_s=300_000.0)],
    ids=["late", "narrow", "both"],
)
def test_a_slow_line_is_no_fault(tmp_path: Path, line: FaultProxy, watching: Witness, fault: Fault) -> None:
    line.ail(fault)
    with flow(config(tmp_path, line.url)) as flowing:
        flowing.commit(60)
        verdict = watching.judge(60)
        assert (verdict.sound, verdict.duplicates) == (True, 0), verdict
        assert line.accepted == 1


def test_connections_that_end_in_the_middle_of_a_message_lose_nothing(
    tmp_path: Path, line: FaultProxy, watching: Witness
) -> None:
    chance = random.Random(11)
    with flow(config(tmp_path, line.url)) as flowing:
        for _ in range(12):
            before = line.accepted
            line.up, line.down = Fault(cut_after=chance.randrange(40, 9000)), Fault(cut_after=chance.randrange(4, 200))
            flowing.commit(25)
            line.drop()
            wait_until(lambda: line.accepted > before + 1, "connections that ended")  # noqa: B023
        line.ail(SOUND)
        line.drop()
        verdict = watching.judge(flowing.committed)
        assert verdict.sound, verdict


def test_a_line_dropped_at_random_moments_loses_nothing(tmp_path: Path, line: FaultProxy, watching: Witness) -> None:
    chance = random.Random(7)
    with flow(config(tmp_path, line.url)) as flowing:
        for _ in range(20):
            seen = watching.count()
            flowing.commit(30)
            wait_until(lambda: watching.count() >= seen + chance.randrange(30))  # noqa: B023
            line.drop()
        verdict = watching.judge(flowing.committed)
        assert verdict.sound, verdict


def test_a_broker_that_refuses_connections_finds_everything_waiting(
    tmp_path: Path, line: FaultProxy, watching: Witness
) -> None:
    line.refuse()
    with flow(config(tmp_path, line.url)) as flowing:
        flowing.commit(40)
        flowing.wait_for_error("refused")
        wait_until(lambda: flowing.delivery.status.outbox_depth == 45, "forty events, four states and the list")
        line.join()
        assert watching.judge(40).sound


def test_of_several_brokers_the_next_is_taken(tmp_path: Path, broker: Mosquitto, watching: Witness) -> None:
    with (
        fault_proxy(broker.port) as first,
        fault_proxy(broker.port) as second,
        flow(config(tmp_path, first.url, second.url)) as flowing,
    ):
        flowing.commit(10)
        wait_until(lambda: flowing.delivery.status.url == first.url)
        flowing.wait_until_drained()
        first.refuse()
        flowing.commit(10)
        wait_until(lambda: flowing.delivery.status.url == second.url, "the second broker")
        assert watching.judge(20).sound


LIMITS: dict[str, tuple[str, ...]] = {
    "Receive Maximum 1": ("max_inflight_messages 1",),
    "Receive Maximum 3": ("max_inflight_messages 3",),
    "no persistence": ("persistence false",),
}


@pytest.mark.parametrize("options", LIMITS.values(), ids=LIMITS)
def test_a_broker_that_takes_little_at_a_time_gets_it_so(tmp_path: Path, options: tuple[str, ...]) -> None:
    with (
        mosquitto(tmp_path / "broker", "max_queued_messages 0", *options) as broker,
        witness(broker.port) as watching,
        flow(config(tmp_path, broker.url)) as flowing,
    ):
        flowing.commit(100)
        verdict = watching.judge(100)
        assert (verdict.sound, verdict.duplicates) == (True, 0), verdict


def test_what_is_larger_than_the_broker_takes_is_put_aside_and_counted_and_nothing_else(tmp_path: Path) -> None:
    with (
        mosquitto(tmp_path / "broker", "max_packet_size 1000") as broker,
        witness(broker.port) as watching,
        flow(config(tmp_path, broker.url)) as flowing,
    ):
        flowing.commit(3)
        flowing.commit(1, summary="x" * 2000)  # its event, and its state until the next one overtakes that
        flowing.commit(7)
        flowing.wait_until_drained()
        wait_until(lambda: watching.count() == 10)
        assert judge(watching.events(), range(1, 12)).lost == (4,)
        assert flowing.delivery.status.dead_letters in (1, 2)
        assert flowing.delivery.status.connected


def test_a_broker_of_3_1_1_behind_a_line_that_drops_loses_nothing(tmp_path: Path) -> None:
    with (
        amqtt_broker() as url,
        fault_proxy(int(url.rpartition(":")[2])) as line,
        subscriber(url, OLD) as watching,
        flow(config(tmp_path, line.url, answer_timeout_s=0.5)) as flowing,
    ):
        for _ in range(3):
            seen = len(watching.payloads("/events/"))
            flowing.commit(20)
            wait_until(lambda: len(watching.payloads("/events/")) > seen)  # noqa: B023
            line.drop()
        flowing.wait_until_drained()
        assert not flowing.delivery.status.rejects_visible
        wait_until(lambda: judge(watching.payloads("/events/"), range(1, 61)).sound, "sixty events in order")
