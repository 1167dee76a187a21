"""Which message a broker drops the connection for."""

import pytest

from phasewatch.adapters.mqtt import Closed, Stage
from phasewatch.adapters.suspicion import Suspicion, blames_message

BIG, SMALL = b"x" * 5000, b"online"


def lose(suspicion: Suspicion, first: bytes | None, *acked: bytes) -> None:
    for payload in acked:
        suspicion.acked(payload)
    suspicion.lost(first)


def test_the_third_connection_lost_over_the_same_large_message_condemns_it() -> None:
    suspicion = Suspicion()
    for _ in range(2):
        lose(suspicion, BIG, SMALL)
        assert suspicion.careful
        assert not suspicion.condemned(BIG)
    lose(suspicion, BIG, SMALL)
    assert suspicion.condemned(BIG)
    assert not suspicion.careful
    assert not suspicion.condemned(SMALL)


def test_a_line_that_is_bad_condemns_nobody() -> None:
    suspicion = Suspicion()
    for n in range(20):
        lose(suspicion, b"%d" % n, SMALL)
    for _ in range(20):
        lose(suspicion, BIG)  # nothing was acknowledged: the broker was never there
    for _ in range(20):
        lose(suspicion, b"y" * 100, BIG)  # a larger one came through
    assert not any(map(suspicion.condemned, (BIG, SMALL, b"y" * 100)))


def test_care_ends_when_the_suspect_comes_through_or_many_others_do() -> None:
    for acked in ([BIG], [SMALL] * 200):
        suspicion = Suspicion()
        lose(suspicion, BIG, SMALL)
        assert suspicion.careful
        for payload in acked:
            suspicion.acked(payload)
        assert not suspicion.careful


def test_a_connection_lost_with_nothing_in_flight_blames_nobody() -> None:
    suspicion = Suspicion()
    lose(suspicion, None, SMALL)
    assert not suspicion.careful


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
