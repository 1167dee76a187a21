"""Which message a broker drops the connection for."""

import pytest

from phasewatch.adapters.backoff import Backoff
from phasewatch.adapters.mqtt.client import Closed, Stage
from phasewatch.adapters.mqtt.quarantine import HELD_AFTER, PoisonDetector, TopicQuarantine, blames_message

BIG, SMALL, OWED = b"x" * 5000, b"y" * 100, b"online"


def lose(suspicion: PoisonDetector, first: bytes | None, *acked: bytes) -> bool:
    """Let rows be acknowledged, behind what is owed, and lose the connection."""
    suspicion.acked(OWED, row=False)
    for payload in acked:
        suspicion.acked(payload, row=True)
    return suspicion.lost(first)


def test_the_third_connection_lost_over_the_same_large_message_condemns_it() -> None:
    suspicion = PoisonDetector()
    for _ in range(2):
        lose(suspicion, BIG, SMALL, SMALL)
        assert suspicion.careful
        assert not suspicion.is_poison(BIG)
    lose(suspicion, BIG, SMALL, SMALL)
    assert suspicion.is_poison(BIG)
    assert not suspicion.careful
    assert not suspicion.repeated(BIG)
    assert not suspicion.is_poison(SMALL)


def test_what_is_owed_proves_nothing() -> None:
    suspicion = PoisonDetector()
    for losses in range(1, 100):
        lose(suspicion, BIG)
        assert suspicion.repeated(BIG) is (losses >= HELD_AFTER)
    assert not suspicion.is_poison(BIG)


def test_rows_from_before_the_first_loss_prove_nothing() -> None:
    suspicion = PoisonDetector()
    lose(suspicion, BIG, *[SMALL] * 50)
    for _ in range(20):
        lose(suspicion, BIG)
    assert not suspicion.is_poison(BIG)
    lose(suspicion, BIG, SMALL, SMALL, SMALL)
    assert suspicion.is_poison(BIG)


def test_a_line_that_is_bad_condemns_nobody() -> None:
    suspicion = PoisonDetector()
    for n in range(20):
        lose(suspicion, b"%d" % n, SMALL)
    for _ in range(20):
        suspicion.lost(BIG)  # nothing was acknowledged: the broker was never there
    for _ in range(20):
        lose(suspicion, SMALL, BIG)  # a larger one came through
    assert not any(map(suspicion.is_poison, (BIG, SMALL)))


def test_a_loss_over_a_smaller_message_lets_the_count_begin_anew() -> None:
    suspicion = PoisonDetector()
    for n in range(20):
        lose(suspicion, BIG, *[SMALL] * 5)
        lose(suspicion, BIG, *[SMALL] * 5)
        lose(suspicion, b"%d" % n, SMALL)
    assert not suspicion.is_poison(BIG)


def test_of_two_messages_that_are_too_large_the_smaller_one_is_condemned_first() -> None:
    suspicion, bigger = PoisonDetector(), b"x" * 6000
    for condemned in (BIG, bigger):
        for _ in range(3):
            for payload in (BIG, bigger):
                if not suspicion.is_poison(payload):
                    lose(suspicion, payload, *[SMALL] * 5)
        assert suspicion.is_poison(condemned)


def test_a_message_that_came_through_on_another_topic_is_never_condemned() -> None:
    suspicion = PoisonDetector()
    lose(suspicion, BIG, SMALL)
    suspicion.acked(BIG, row=False)
    for _ in range(20):
        lose(suspicion, BIG, *[SMALL] * 5)
    assert not suspicion.is_poison(BIG)


def test_a_connection_that_we_gave_up_ourselves_condemns_nobody() -> None:
    suspicion = PoisonDetector()
    for _ in range(20):
        suspicion.acked(SMALL, row=True)
        assert suspicion.lost(BIG, silent=True)
    assert not suspicion.is_poison(BIG)


def test_care_ends_when_the_suspect_comes_through_or_many_others_do() -> None:
    for acked in ([BIG], [SMALL] * 200):
        suspicion = PoisonDetector()
        lose(suspicion, BIG, SMALL)
        assert suspicion.careful
        for payload in acked:
            suspicion.acked(payload, row=True)
        assert not suspicion.careful


def test_a_connection_lost_with_nothing_in_flight_blames_nobody() -> None:
    suspicion = PoisonDetector()
    assert not lose(suspicion, None, SMALL)
    assert not suspicion.careful


def test_topics_that_cost_connections_are_tried_one_at_a_time_with_growing_pauses() -> None:
    now = [0.0]
    trials = TopicQuarantine(Backoff(1.0, 4.0, lambda: 0.5), lambda: now[0])
    for topic in (*"ab" * (HELD_AFTER - 1), "b", "a"):
        assert trials.begin() is None
        trials.lost(topic)
    assert trials.held == {"a", "b"}
    assert trials.due_s == 2.0
    for topic, pause_s in (("b", 4.0), ("a", 4.0), ("b", 4.0)):
        assert trials.begin() is None, "not yet"
        now[0] = trials.due_s or 0.0
        assert trials.begin() == topic
        assert trials.blocks("a") is (topic != "a")
        assert trials.due_s is None
        trials.lost(topic)
        assert trials.trying is None
        assert trials.due_s == now[0] + pause_s
    now[0] = 100.0
    assert trials.begin() == "a"
    assert trials.answered("a")
    assert trials.begin() == "b", "one came through: the next may try at once"


@pytest.mark.parametrize(
    ("closed", "blamed"),
    [
        (Closed(Stage.OPEN, None, "connection lost"), True),
        (Closed(Stage.OPEN, 0x95, "Packet too large"), True),
        (Closed(Stage.OPEN, 0x8B, "Server shutting down"), False),
        (Closed(Stage.OPEN, 0x8E, "Session taken over"), False),
        (Closed(Stage.UNREACHED, None, "refused"), False),
    ],
)
def test_only_some_ends_of_a_connection_can_be_a_messages_fault(closed: Closed, blamed: bool) -> None:
    assert blames_message(closed) is blamed
