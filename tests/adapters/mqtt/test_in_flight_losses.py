"""The window when the broker closes the connection over what was sent, or never answers it."""

import pytest

from phasewatch.adapters.backoff import Backoff
from phasewatch.adapters.journal.sqlite import REPLACED
from phasewatch.adapters.journal.types import Row
from phasewatch.adapters.mqtt.client import Acked, Opened
from phasewatch.adapters.mqtt.in_flight import InFlight
from phasewatch.adapters.mqtt.quarantine import HELD_AFTER
from tests.adapters.journal.changes import LIST_TOPIC, change
from tests.adapters.mqtt.test_in_flight import LOSS, NOT_AUTHORISED, WIRING, WIRING_STATE, Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


def lose_connection(bench: Bench) -> None:
    bench.window.lost()
    bench.open(4, {"online": b"online"})


def test_after_a_lost_connection_one_message_at_a_time_is_sent_until_the_suspect_is_through(bench: Bench) -> None:
    for rev in range(8):
        bench.commit("wiring", rev)
    bench.open(4, {"online": b"online"})
    bench.answer("online")
    lose_connection(bench)
    assert bench.window.in_flight == 1
    bench.answer("online")
    assert bench.fill() == [WIRING]
    bench.answer(WIRING)
    bench.fill()
    assert bench.window.in_flight == 4


def drop_connection(bench: Bench, over: bytes, owed: dict[str, bytes]) -> None:
    """Let everything but one payload be acknowledged, and that one cost the connection, if it is sent."""
    bench.open(4, owed)
    while others := [sent.topic for sent in bench.window._flight.values() if sent.payload != over]:
        bench.answer(others[0])
        bench.fill()
    if bench.window.in_flight:
        bench.window.lost()


def test_a_message_that_costs_three_connections_is_not_sent_again_on_any_topic(bench: Bench) -> None:
    bench.journal.commit([change("raised", rule="wiring", summary="x" * 3000)])
    big = bench.journal.pending(1)[0].payload
    owed = {"online": b"online", WIRING_STATE: big}
    for rev in range(6):
        bench.commit("phase_loss", rev)
        drop_connection(bench, big, owed)
        bench.now += 100.0
    bench.open(4, owed)
    bench.answer_all()
    assert bench.journal.outbox.dead_letters == 2, "the event and the state"
    assert bench.journal.depth() == 0
    assert bench.window.held() == ()


def test_a_message_over_which_the_broker_closes_waits_behind_all_others_and_is_told(bench: Bench) -> None:
    bench.commit("wiring")
    over = bench.journal.pending(1)[0].payload
    for _ in range(10):
        drop_connection(bench, over, {"online": b"online"})
    assert bench.window.held() == (WIRING_STATE, WIRING)
    bench.commit("wiring", 2)
    bench.commit("phase_loss")
    bench.open(4, {"online": b"online"})
    assert "drops the connection" in (bench.window.last_refusal or "")
    bench.answer_all()
    assert [row.topic for row in bench.journal.pending(10)] == [WIRING, WIRING, WIRING_STATE]
    due_s = bench.window.due_in_s()
    assert due_s is not None
    bench.now += due_s
    assert len(bench.fill()) == 1, "one message of one topic"
    bench.answer_all()
    assert bench.journal.depth() == 0
    assert bench.window.held() == ()
    assert bench.window.last_refusal is None
    assert bench.journal.outbox.dead_letters == 0


def test_only_a_row_that_is_answered_proves_a_broker(bench: Bench) -> None:
    bench.commit("wiring")
    bench.open(16, {"online": b"online"})
    flight = {sent.topic: mid for mid, sent in bench.window._flight.items()}
    assert not bench.window.acked(Acked(flight["online"], 0, "Success"))
    assert bench.window.acked(Acked(flight[WIRING], NOT_AUTHORISED, "Not authorized"))
    assert bench.window.acked(Acked(flight[LIST_TOPIC], 0, "Success"))
    assert not bench.window.acked(Acked(1000, 0, "Success"))


def test_a_message_that_is_never_answered_does_not_stop_the_others(bench: Bench) -> None:
    for rev in range(20):
        bench.commit("wiring", rev)
    bench.commit("phase_loss")
    for _ in range(HELD_AFTER):
        bench.open(16, {"online": b"online"})
        bench.answer("online")
        bench.window.lost(silent=True)
    bench.open(16, {"online": b"online"})
    assert LOSS in [topic for topic, _, _ in bench.sent]
    assert bench.window.held() == (WIRING,)
    assert bench.journal.outbox.dead_letters == 0


@pytest.mark.parametrize("topic", ["events/\ud800", f"events/{REPLACED}", "events/\0"])
def test_a_topic_that_is_no_text_becomes_a_dead_letter_and_blocks_nobody(bench: Bench, topic: str) -> None:
    rows = [Row(1, topic, b"{}", retain=False), Row(2, "events/a", b"{}", retain=False)]
    window = InFlight(lambda _, after: rows[after:], lambda: Backoff(1.0, 60.0, lambda: 0.5), lambda: 0.0)
    window.open(Opened(4, None), {})
    window.fill(bench.publish)
    assert [sent for sent, _, _ in bench.sent] == ["events/a"]
    assert [number for number, _ in window.settled().poison] == [1]
