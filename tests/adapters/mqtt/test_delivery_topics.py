"""Live retained topics: what the broker must lose, over restarts and while it is away."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from phasewatch.service.delivery import Delivery
from tests.adapters.journal.changes import AVAILABILITY, BASE, LIST_TOPIC, change
from tests.adapters.mqtt.test_delivery import config, drained, running
from tests.broker import Line, Mosquitto, free_port, mosquitto, subscriber, wait_until

A, B = f"{BASE}/points/a/state", f"{BASE}/points/b/state"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker") as started:
        yield started


def retained(broker: Mosquitto) -> set[str]:
    """Return the topics that the broker holds, without those that every site has."""
    with subscriber(broker.url) as watching:
        wait_until(lambda: LIST_TOPIC in watching.newest())
        time.sleep(0.1)
        return {seen.topic for seen in watching.seen if seen.payload} - {AVAILABILITY, LIST_TOPIC}


@pytest.mark.broker
def test_the_next_run_learns_what_was_announced_and_can_remove_it(tmp_path: Path, broker: Mosquitto) -> None:
    with running(config(tmp_path, broker.url)) as delivery:
        delivery.mqtt.publish(A, b"{}")
        delivery.mqtt.publish(B, b"{}")
        wait_until(drained(delivery))
    assert retained(broker) == {A, B}
    second = Delivery(config(tmp_path, broker.url))
    assert second.start().announced == {A, B}
    second.mqtt.unpublish(B)
    second.mqtt.publish(A, b"{}")
    wait_until(drained(second))
    wait_until(lambda: second.ask(lambda journal: dict(journal.topics)).result(5) == {A: True})
    assert second.stop(5)
    assert retained(broker) == {A}
    third = Delivery(config(tmp_path, broker.url))
    assert third.start().announced == {A}
    assert third.stop(5)


@pytest.mark.broker
def test_a_topic_removed_while_the_broker_was_away_is_emptied_by_a_later_run(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker:
        with running(config(tmp_path, broker.url)) as delivery:
            delivery.mqtt.publish(A, b"{}")
            wait_until(drained(delivery))
        assert retained(broker) == {A}
        with running(config(tmp_path, f"mqtt://127.0.0.1:{free_port()}")) as delivery:
            delivery.mqtt.unpublish(A)
        with running(config(tmp_path, broker.url)) as delivery:
            wait_until(lambda: delivery.ask(lambda journal: dict(journal.topics)).result(5) == {})
        assert retained(broker) == set()


@pytest.mark.broker
def test_a_topic_that_is_published_again_after_its_removal_stays(tmp_path: Path, broker: Mosquitto) -> None:
    line = Line(broker.port)
    with running(config(tmp_path, line.url)) as delivery:
        delivery.mqtt.publish(A, b"1")
        delivery.mqtt.unpublish(A)
        delivery.mqtt.publish(A, b"2")
        line.join()
        wait_until(drained(delivery))
        wait_until(lambda: delivery.ask(lambda journal: dict(journal.topics)).result(5) == {A: True})
    line.cut()
    assert retained(broker) == {A}


def test_a_topic_is_written_once_and_not_with_every_payload(tmp_path: Path) -> None:
    with running(config(tmp_path, f"mqtt://127.0.0.1:{free_port()}")) as delivery:
        delivery.mqtt.publish(A, b"0")
        wait_until(lambda: delivery.ask(lambda journal: dict(journal.topics)).result(5) == {A: True})
        wal = tmp_path / "state" / "journal.db-wal"
        size = wal.stat().st_size
        for n in range(50):
            delivery.mqtt.publish(A, b"%d" % n)
            delivery.ask(lambda journal: None).result(5)
        assert wal.stat().st_size == size


def test_a_question_is_answered_behind_the_changes_that_came_before_it(tmp_path: Path) -> None:
    with running(config(tmp_path, f"mqtt://127.0.0.1:{free_port()}"), stop_s=1.0) as delivery:
        for rev in range(20):
            delivery.commit([change("raised", rev=rev)])
            assert len(delivery.ask(lambda journal: journal.events(1000)).result(5)) == rev + 1
        failing = delivery.ask(lambda journal: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            failing.result(5)
    late = delivery.ask(lambda journal: journal.depth())
    assert late.cancelled()
