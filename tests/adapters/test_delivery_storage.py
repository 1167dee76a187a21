"""Delivery when the disk is at fault: it says so, and alerts go on."""

import json
import threading
from pathlib import Path

import pytest

from phasewatch.adapters.messages import Bounds
from tests.adapters.changes import LIST_TOPIC, change
from tests.adapters.test_delivery import config, drained, many, running, unique
from tests.broker import free_port, mosquitto, subscriber, wait_until


def test_a_state_directory_that_cannot_be_written_is_said_and_alerts_go_on(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    with running(config(tmp_path, f"mqtt://127.0.0.1:{free_port()}"), stop_s=0.1) as delivery:
        delivery.commit(many(3))
        wait_until(lambda: delivery.status.outbox_depth == 7)
        assert "journal.db" in (delivery.status.degraded or "")


@pytest.mark.broker
def test_a_journal_that_breaks_while_running_goes_on_in_memory(tmp_path: Path) -> None:
    nowhere = config(tmp_path, f"mqtt://127.0.0.1:{free_port()}")
    with running(nowhere) as delivery:
        delivery.commit(many(5))
    with (
        mosquitto(tmp_path / "broker") as broker,
        subscriber(broker.url) as watching,
        running(config(tmp_path, broker.url)) as delivery,
    ):
        wait_until(drained(delivery))
        broken = threading.Event()

        def forbid_writing() -> None:
            delivery._journal._journal._store._db.execute("PRAGMA query_only=1")
            broken.set()

        delivery._inbox.put(forbid_writing)
        assert broken.wait(5)
        delivery.commit([change("cleared", rule="wiring", rev=9)])
        wait_until(lambda: delivery.status.degraded, "degraded")
        wait_until(lambda: len(unique(watching)) == 6)
        assert unique(watching)[-1]["transition"] == "cleared"
        assert unique(watching)[-1]["seq"] == 1, "a numbering of its own"
        wait_until(lambda: len(json.loads(watching.newest()[LIST_TOPIC])["active"]) == 2, "the list kept the others")


def test_a_damaged_journal_is_set_aside_and_said(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journal.db").write_bytes(b"damaged" * 1000)
    with running(config(tmp_path, f"mqtt://127.0.0.1:{free_port()}")) as delivery:
        wait_until(lambda: delivery.status.turns)
        assert delivery.status.set_aside == str(tmp_path / "state" / "journal.db.damaged-1")
        assert delivery.status.degraded is None


def test_overflow_is_counted_in_the_status(tmp_path: Path) -> None:
    unreachable = config(tmp_path, f"mqtt://127.0.0.1:{free_port()}", bounds=Bounds(max_rows=50))
    with running(unreachable) as delivery:
        delivery.commit(many(100))
        wait_until(lambda: delivery.status.dropped == 54)
        assert delivery.status.outbox_depth == 50


def test_the_thread_turns_while_there_is_nothing_to_do_and_no_broker(tmp_path: Path) -> None:
    with running(config(tmp_path, f"mqtt://127.0.0.1:{free_port()}")) as delivery:
        wait_until(lambda: delivery.status.turns > 5)
        assert not delivery.status.connected
        assert "refused" in (delivery.status.last_error or "").lower()


def test_a_change_that_cannot_be_written_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    knot: list[object] = []
    knot.append(knot)
    with running(config(tmp_path, f"mqtt://127.0.0.1:{free_port()}")) as delivery:
        delivery.commit([change("raised"), change("raised", rule="wiring", summary=knot), change("cleared", rev=2)])
        wait_until(lambda: delivery.status.outbox_depth == 4)
        wait_until(lambda: "refused" in (delivery.status.last_error or ""))
