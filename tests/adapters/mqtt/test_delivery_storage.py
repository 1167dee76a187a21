"""Delivery when the disk is at fault: it says so, and alerts go on."""

import json
import threading
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from phasewatch.adapters.journal.types import LATENCY_BOUNDS_S, Bounds
from phasewatch.alerts.evidence import Evidence
from phasewatch.service.delivery import Delivery
from tests.adapters.journal.changes import LIST_TOPIC, SITE, alert_topic, change
from tests.adapters.mqtt.test_delivery import config, drained, many, running, unique
from tests.broker import Line, free_port, mosquitto, subscriber, wait_until


def test_a_state_directory_that_cannot_be_written_is_said_and_alerts_go_on(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    with running(config(tmp_path, f"mqtt://127.0.0.1:{free_port()}"), stop_s=0.1) as delivery:
        delivery.commit(many(3))
        wait_until(lambda: delivery.status.outbox_depth == 7)
        assert "journal.db" in (delivery.status.degraded or "")


@pytest.mark.broker
def test_a_stop_waits_for_a_broker_while_alerts_are_only_in_memory(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    with mosquitto(tmp_path / "broker") as broker, subscriber(broker.url) as watching:
        line = Line(broker.port)
        delivery = Delivery(config(tmp_path, line.url))
        delivery.start()
        delivery.commit(many(3))
        wait_until(lambda: delivery.status.degraded and delivery.status.outbox_depth == 7)
        stopping = threading.Thread(target=delivery.stop, args=(10.0,))
        stopping.start()
        stopping.join(0.5)
        assert stopping.is_alive(), "what is lost with the process is waited for"
        line.join()
        stopping.join(15)
        assert [event["rev"] for event in unique(watching)] == [0, 1, 2]
        line.cut()


def test_a_stop_does_not_wait_for_a_broker_while_everything_is_on_the_disk(tmp_path: Path) -> None:
    delivery = Delivery(config(tmp_path, f"mqtt://127.0.0.1:{free_port()}"))
    delivery.start()
    delivery.commit(many(3))
    began_s = time.monotonic()
    assert delivery.stop(30.0)
    assert time.monotonic() - began_s < 15.0


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
            delivery._journal.current.store._db.execute("PRAGMA query_only=1")
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
        assert delivery.status.dropped_by == {"rows": {"medium": 54}}
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


@pytest.mark.broker
def test_a_disk_that_is_back_is_used_again_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phasewatch.adapters.journal.memory_fallback.SHORTEST_AWAY_S", 0.5)
    with (
        mosquitto(tmp_path / "broker") as broker,
        subscriber(broker.url) as watching,
        running(config(tmp_path, broker.url)) as delivery,
    ):
        begun = delivery.ask(lambda journal: journal.uuid).result(5)
        for _ in range(6):
            forbid = delivery.ask(lambda journal: journal.store.change("PRAGMA query_only=1"))
            forbid.result(5)
            for one in many(30):
                delivery.commit([one])
            wait_until(lambda: delivery.status.degraded, "degraded")
            wait_until(lambda: not delivery.status.degraded, "home again")
        wait_until(drained(delivery))
        wait_until(lambda: len({event["id"] for event in unique(watching)}) >= 180)
        assert len(unique(watching)) == 180
        assert delivery.ask(lambda journal: journal.uuid).result(5) == begun
        listed = json.loads(watching.newest()[LIST_TOPIC])
        last = {**listed["ended"], listed["journal"]: listed["seq"]}
        ids = {f"{SITE}-{uuid}-{seq}" for uuid, end in last.items() for seq in range(1, end + 1)}
        assert ids == {event["id"] for event in unique(watching)}, "the list proves that nothing is missing"
        by_series: dict[str, list[int]] = {}
        for event in unique(watching):
            by_series.setdefault(event["id"].rpartition("-")[0], []).append(event["seq"])
        assert all(before < after for seqs in by_series.values() for before, after in pairwise(seqs))


@pytest.mark.broker
def test_what_was_delivered_is_counted_with_its_latency(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker, running(config(tmp_path, broker.url)) as delivery:
        wait_until(lambda: delivery.status.connected)
        delivery.commit(many(30))
        wait_until(lambda: delivery.status.delivered == 34, "30 events, three states and the list")
        status = delivery.status
        assert sum(status.latency.counts) == 34
        assert len(status.latency.counts) == len(LATENCY_BOUNDS_S)
        assert 0 < status.latency.sum_s < 34 * 15
        assert (status.connects, status.refused) == (1, 0)


@pytest.mark.broker
def test_a_row_for_which_the_broker_drops_the_connection_becomes_a_dead_letter(tmp_path: Path) -> None:
    limited = mosquitto(tmp_path / "broker", "max_packet_size 3000")
    # A client of 3.1.1 is not told the limit: the broker just closes.
    with limited as broker, running(config(tmp_path, broker.url, first_protocol="3.1.1")) as delivery:
        delivery.commit([change("raised", rule="wiring"), change("raised", rule="phase_loss", summary="x" * 4000)])
        delivery.commit([change("raised", rule="voltage_dip")])
        wait_until(drained(delivery), "the others delivered")
        assert delivery.status.dead_letters == 2, "the event and the state"
        assert "drops the connection" in (delivery.status.last_error or "")
        connects = delivery.status.connects
        assert 3 <= connects <= 8
        delivered = delivery.status.delivered
        delivery.commit(many(10))
        wait_until(lambda: delivery.status.delivered >= delivered + 10 and delivery.status.outbox_depth == 0)
        assert delivery.status.connects == connects
        with subscriber(broker.url) as watching:
            wait_until(lambda: len(watching.newest()) >= 4)
            assert alert_topic(change("raised", rule="voltage_dip")) in watching.newest()


def test_evidence_is_kept_for_whoever_asks(tmp_path: Path) -> None:
    found = Evidence("wiring-1", "main", "wiring", datetime(2026, 1, 1, tzinfo=UTC), {"offset_s": [0.0]})
    with running(config(tmp_path, f"mqtt://127.0.0.1:{free_port()}")) as delivery:
        delivery.keep_evidence([found])
        assert delivery.ask(lambda journal: journal.evidence("wiring-1")).result(5) == found
