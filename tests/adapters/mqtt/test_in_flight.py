"""The window against a fake broker: a list of what was sent, and answers given by hand."""

from dataclasses import dataclass, field

import pytest

from phasewatch.adapters.backoff import Backoff
from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.types import encode
from phasewatch.adapters.mqtt.client import Acked, Opened
from phasewatch.adapters.mqtt.in_flight import InFlight
from tests.adapters.journal.changes import LIST_TOPIC, SITE, alert_topic, change, event_topic

NOT_AUTHORISED, QUOTA, TOO_LARGE = 0x87, 0x97, 0x95
WIRING, LOSS = (event_topic(change("raised", rule=rule)) for rule in ("wiring", "phase_loss"))
WIRING_STATE = alert_topic(change("raised", rule="wiring"))


@dataclass
class Bench:
    now: float = 0.0
    sent: list[tuple[str, bytes, bool]] = field(default_factory=list)
    journal: Journal = field(default_factory=lambda: Journal.in_memory(SITE))

    def __post_init__(self) -> None:
        self.window = InFlight(self.journal.pending, lambda: Backoff(1.0, 60.0, lambda: 0.5), lambda: self.now)

    def publish(self, topic: str, payload: bytes, retain: bool) -> int:
        self.sent.append((topic, payload, retain))
        return len(self.sent)

    def open(self, size: int = 16, owed: dict[str, bytes] | None = None, max_packet_bytes: int | None = None) -> None:
        self.window.open(Opened(size, max_packet_bytes), owed or {})
        self.fill()

    def fill(self) -> list[str]:
        """Send what may be sent; return its topics."""
        before = len(self.sent)
        self.window.fill(self.publish)
        return [topic for topic, _, _ in self.sent[before:]]

    def commit(self, rule: str, rev: int = 1) -> None:
        self.window.supersede(self.journal.commit([change("raised", rule=rule, rev=rev)]))

    def answer(self, topic: str, code: int = 0) -> None:
        """Answer the oldest message in flight on a topic."""
        flight = self.window._flight
        mid = next(mid for mid, sent in flight.items() if sent.topic == topic)
        self.window.acked(Acked(mid, code, hex(code)))
        settled = self.window.settled()
        self.journal.delivered([sent.number for sent in settled.accepted if sent.number])
        for number, reason in settled.poison:
            self.journal.dead_letter(number, reason)

    def answer_all(self) -> None:
        while self.window.in_flight:
            self.answer(next(iter(self.window._flight.values())).topic)
            self.fill()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_nothing_is_sent_without_a_connection(bench: Bench) -> None:
    bench.commit("wiring")
    assert bench.fill() == []


@pytest.mark.parametrize("size", [1, 3, 16])
def test_never_more_in_flight_than_the_server_takes(bench: Bench, size: int) -> None:
    for rev in range(20):
        bench.commit("wiring", rev)
    bench.open(size)
    assert bench.window.in_flight == size
    bench.answer_all()
    assert bench.journal.depth() == 0
    assert bench.window.idle


def test_retained_topics_and_rows_take_turns(bench: Bench) -> None:
    bench.commit("wiring")
    bench.open(4, {"a": b"1", "b": b"2", "c": b"3"})
    assert [topic for topic, _, _ in bench.sent] == ["a", WIRING, "b", WIRING_STATE]


def test_an_owed_state_is_not_sent_behind_a_newer_one(bench: Bench) -> None:
    bench.open(1, {"first": b"", WIRING_STATE: b"old"})
    bench.commit("wiring", 2)
    bench.answer_all()
    states = [payload for topic, payload, _ in bench.sent if topic == WIRING_STATE]
    assert states == [bench.journal.retained()[0].payload]


def test_a_refused_state_is_not_sent_again_behind_a_newer_one(bench: Bench) -> None:
    bench.open(16, {WIRING_STATE: b"old"})
    bench.commit("wiring", 2)
    bench.fill()
    bench.answer(WIRING_STATE, QUOTA)
    bench.answer_all()
    bench.now = 100.0
    bench.fill()
    bench.answer_all()
    assert [payload != b"old" for topic, payload, _ in bench.sent if topic == WIRING_STATE] == [False, True]


def test_a_refused_live_topic_is_tried_again_with_its_newest_payload(bench: Bench) -> None:
    bench.open(16, {"points/main/state": b"1"})
    bench.answer("points/main/state", NOT_AUTHORISED)
    bench.window.publish_retained({"points/main/state": b"2"})
    assert bench.fill() == []
    bench.now = 1.0
    assert bench.fill() == ["points/main/state"]
    assert bench.sent[-1][1] == b"2"


def test_a_refused_row_stays_and_holds_only_its_own_topic(bench: Bench) -> None:
    bench.commit("wiring")
    bench.open()
    bench.answer(WIRING, NOT_AUTHORISED)
    bench.answer_all()
    assert [row.topic for row in bench.journal.pending(10)] == [WIRING]
    assert bench.window.held() == (WIRING,)
    assert "0x87" in (bench.window.last_refusal or "")
    bench.commit("phase_loss")
    bench.commit("wiring", 2)
    assert LOSS in bench.fill()
    assert [topic for topic, _, _ in bench.sent].count(WIRING) == 1


def test_a_held_topic_is_tried_with_one_message_and_longer_pauses(bench: Bench) -> None:
    bench.open()
    for rev in range(3):
        bench.commit("wiring", rev)
    bench.fill()
    for _ in range(3):
        bench.answer(WIRING, NOT_AUTHORISED)
    bench.answer_all()
    for pause_s in (1.0, 2.0, 4.0):
        assert bench.window.due_in_s() == pause_s
        assert bench.fill() == []
        bench.now += pause_s
        assert bench.fill() == [WIRING]
        assert bench.window.due_in_s() is None
        bench.answer(WIRING, NOT_AUTHORISED)
    bench.now += 8.0
    assert bench.fill() == [WIRING]
    bench.answer(WIRING)
    bench.fill()
    bench.answer_all()
    sent = [payload for topic, payload, _ in bench.sent if topic == WIRING]
    assert sent[-3:] == sent[:3], "the first refused row comes first"
    assert bench.window.held() == ()
    assert bench.window.last_refusal is None
    assert bench.journal.depth() == 0


def test_poison_becomes_a_dead_letter_and_blocks_nobody(bench: Bench) -> None:
    bench.commit("wiring")
    bench.open()
    bench.answer(WIRING, TOO_LARGE)
    bench.answer_all()
    assert bench.journal.depth() == 0
    assert bench.journal.outbox.dead_letters == 1


def test_what_the_server_says_it_cannot_take_is_not_sent(bench: Bench) -> None:
    bench.journal.commit([change("raised", rule="wiring", summary="x" * 3000)])
    bench.open(max_packet_bytes=2000)
    poison = bench.window.settled().poison
    assert [reason.split(",")[1] for _, reason in poison] == [" the broker takes 2000"] * 2
    assert [topic for topic, _, _ in bench.sent] == [LIST_TOPIC]


def test_a_new_connection_sends_unacknowledged_rows_again_before_newer_ones(bench: Bench) -> None:
    for rev in range(5):
        bench.commit("wiring", rev)
    bench.open(4)
    bench.answer(WIRING)
    bench.window.close()
    bench.commit("wiring", 5)
    before = len(bench.sent)
    bench.open()
    revs = [payload for topic, payload, _ in bench.sent[before:] if topic == WIRING]
    assert [payload.partition(b'"rev":')[2][:1] for payload in revs] == [b"1", b"2", b"3", b"4", b"5"]


def test_an_answer_of_an_earlier_connection_is_passed_over(bench: Bench) -> None:
    bench.commit("wiring")
    bench.open()
    bench.window.close()
    bench.window.acked(Acked(1, 0, "Success"))
    assert bench.window.settled() == ([], [], [])


def test_the_payload_of_a_row_is_what_the_journal_made(bench: Bench) -> None:
    bench.commit("wiring")
    bench.open()
    body = dict(change("raised", rule="wiring").payload) | {"id": f"{SITE}-{bench.journal.uuid}-1", "seq": 1}
    assert bench.sent[0] == (WIRING, encode(body), False)


def test_a_refused_state_is_owed_no_more_once_a_newer_one_waits(bench: Bench) -> None:
    bench.open(1, {WIRING_STATE: b"old"})
    bench.commit("wiring", 2)
    bench.answer(WIRING_STATE, QUOTA)
    bench.fill()
    bench.answer_all()
    bench.now = 1.0
    bench.fill()
    bench.answer_all()
    states = [payload for topic, payload, _ in bench.sent if topic == WIRING_STATE]
    assert states == [b"old", bench.journal.retained()[0].payload]


def test_rows_in_flight_are_not_sent_again_when_a_held_topic_is_taken(bench: Bench) -> None:
    bench.commit("wiring")
    bench.commit("phase_loss")
    bench.open()
    bench.answer(WIRING, QUOTA)
    bench.now = 1.0
    assert bench.fill() == [WIRING]
    bench.answer(WIRING)
    assert bench.fill() == []


def test_rows_that_are_renumbered_are_sent_again_and_late_answers_remove_nothing(bench: Bench) -> None:
    bench.commit("wiring")
    bench.open()
    bench.window.renumbered()
    for code in (0, NOT_AUTHORISED, TOO_LARGE):
        bench.answer(next(iter(bench.window._flight.values())).topic, code)
    assert bench.journal.depth() == 3
    bench.now = 100.0
    bench.fill()
    bench.answer_all()
    assert bench.journal.depth() == 0


def test_an_emptied_topic_is_told_once_the_broker_has_taken_it(bench: Bench) -> None:
    bench.open(4, {"a": b"", "b": b"1"})
    assert bench.window.settled().emptied == []
    for mid in (1, 2):
        bench.window.acked(Acked(mid, 0, "Success"))
    assert bench.window.settled().emptied == ["a"]
