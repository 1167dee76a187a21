from dataclasses import dataclass, field
from pathlib import Path

from phasewatch.adapters.backoff import Backoff
from phasewatch.adapters.journal.types import DeliveryConfig
from phasewatch.adapters.mqtt.client import UNSUPPORTED_PROTOCOL, Closed, Connection, Signal, Stage
from phasewatch.adapters.mqtt.failover import SESSION_TAKEN_OVER, BrokerSelector
from phasewatch.settings import Broker
from tests.broker import free_port

REFUSED_LOGIN = 0x86


@dataclass
class Bench:
    """A link whose connections are never let onto the network: what they signal is said by hand."""

    brokers: int = 1
    now: float = 0.0
    tried: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        urls = tuple(f"mqtt://127.0.0.1:{free_port()}" for _ in range(self.brokers))
        self._hosts = [Broker.parse(url) for url in urls]
        config = DeliveryConfig("plant-7", Path(), urls, shortest_pause_s=1.0, longest_pause_s=8.0)
        self.link = BrokerSelector(config, self._ignore, lambda: self.now, lambda: 0.5)

    def _ignore(self, connection: Connection, signal: Signal) -> None:
        pass

    def attempt(self, stage: Stage, code: int | None = None) -> float | None:
        """Let the attempt that is due end; return the pause before the next."""
        assert self.link.connect_if_due()
        assert self.link.connection is not None
        self.tried.append((self._hosts.index(self.link.connection.broker), self.link.connection.protocol))
        self.link.lost(Closed(stage, code, ""))
        pause_s = self.link.due_in_s()
        self.now += pause_s or 0.0
        return pause_s


def test_the_first_attempt_is_at_once_and_pauses_double_up_to_the_longest() -> None:
    bench = Bench()
    assert bench.link.due_in_s() == 0.0
    assert [bench.attempt(Stage.UNREACHED) for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_jitter_spreads_a_pause_by_half_either_way() -> None:
    chances = iter((0.0, 0.5, 1.0))
    pauses = [Backoff(4.0, 60.0, lambda: next(chances)).next_s() for _ in range(3)]
    assert pauses == [2.0, 4.0, 6.0]


def test_brokers_are_tried_in_turn_and_the_pause_comes_after_the_round() -> None:
    bench = Bench(brokers=3)
    assert [bench.attempt(Stage.UNREACHED) for _ in range(4)] == [0.0, 0.0, 1.0, 0.0]
    assert [broker for broker, _ in bench.tried] == [0, 1, 2, 0]


def test_after_a_loss_the_first_broker_comes_first_again() -> None:
    bench = Bench(brokers=2)
    bench.attempt(Stage.UNREACHED)
    assert bench.attempt(Stage.OPEN) == 1.0
    bench.attempt(Stage.UNREACHED)
    assert [broker for broker, _ in bench.tried] == [0, 1, 0]


def test_a_broker_that_says_it_is_older_gets_3_1_1_at_once_and_from_then_on() -> None:
    bench = Bench()
    assert bench.attempt(Stage.REFUSED, UNSUPPORTED_PROTOCOL) == 0.0
    for stage in (Stage.OPEN, Stage.UNREACHED, Stage.OPEN):
        bench.attempt(stage)
    assert [protocol for _, protocol in bench.tried] == ["5", "3.1.1", "3.1.1", "3.1.1"]


def test_a_close_without_an_answer_means_3_1_1_while_that_works() -> None:
    bench = Bench()
    assert bench.attempt(Stage.UNANSWERED) == 0.0
    bench.attempt(Stage.OPEN)
    bench.attempt(Stage.UNANSWERED)
    bench.attempt(Stage.OPEN)
    assert [protocol for _, protocol in bench.tried] == ["5", "3.1.1", "3.1.1", "5"]


def test_a_refused_login_is_no_reason_for_an_older_protocol() -> None:
    bench = Bench()
    assert bench.attempt(Stage.REFUSED, REFUSED_LOGIN) == 1.0
    bench.attempt(Stage.REFUSED, REFUSED_LOGIN)
    assert [protocol for _, protocol in bench.tried] == ["5", "5"]


def test_a_proven_connection_makes_pauses_short_again() -> None:
    bench = Bench()
    for _ in range(3):
        bench.attempt(Stage.UNREACHED)
    bench.link.proven()
    assert bench.attempt(Stage.OPEN) == 1.0


def test_a_connection_that_stood_for_long_makes_pauses_short_again() -> None:
    for stood_s, pause_s in ((7.0, 8.0), (8.0, 1.0)):
        bench = Bench()
        for _ in range(3):
            bench.attempt(Stage.UNREACHED)
        assert bench.link.connect_if_due()
        bench.link.opened()
        bench.now += stood_s
        bench.link.lost(Closed(Stage.OPEN, None, ""))
        assert bench.link.due_in_s() == pause_s


def test_two_clients_with_one_id_slow_down() -> None:
    assert Bench().attempt(Stage.OPEN, SESSION_TAKEN_OVER) == 8.0
