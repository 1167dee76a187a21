"""The webhook at a real HTTP server: what a request is, and what follows from each answer."""

import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from phasewatch.adapters.http.webhook import signature
from phasewatch.adapters.journal.types import Bounds, DeliveryConfig, SinkStatus, WebhookConfig
from phasewatch.service.delivery import Delivery
from tests.adapters.journal.changes import SITE, change
from tests.broker import free_port, wait_until
from tests.faults.pki import Authority
from tests.http_receiver import SECRET, Answer, HttpReceiver, Request, http_receiver, verified


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as started:
        yield started


@contextmanager
def webhook(directory: Path, url: str, bounds: Bounds | None = None, **more: Any) -> Iterator[Delivery]:
    quick: dict[str, Any] = {"shortest_pause_s": 0.02, "longest_pause_s": 0.05, "refused_pause_s": 0.05}
    erp = WebhookConfig("erp", url, SECRET, **{**quick, **more})
    config = DeliveryConfig(SITE, directory, (f"mqtt://127.0.0.1:{free_port()}",), webhooks=(erp,))
    delivery = Delivery(replace(config, bounds=bounds or Bounds(ballast_bytes=0)))
    delivery.start()
    try:
        yield delivery
    finally:
        assert delivery.stop(0.5), "the thread ends"


def state(delivery: Delivery) -> SinkStatus:
    found = [sink for sink in delivery.status.sinks if sink.name == "erp"]
    return found[0] if found else SinkStatus("erp", "webhook", connected=False, outbox_depth=-1)


def first(count: int, answer: Answer) -> Callable[[Request], Answer]:
    """Return answers of which so many are the given one, and the others 204."""
    left = iter([answer] * count)
    return lambda request: next(left, Answer())


def test_a_request_carries_the_event_its_id_and_a_signature(tmp_path: Path, receiver: HttpReceiver) -> None:
    with webhook(tmp_path, receiver.url) as delivery:
        delivery.commit([change("raised", rule="wiring", summary="开路")])
        wait_until(lambda: receiver.accepted, "the event")
        wait_until(lambda: state(delivery).outbox_depth == 0, "its outbox empty")
        journaled = delivery.ask(lambda journal: journal.events(1)[0].payload).result(5)
    (request,) = receiver.requests
    assert request.path == "/hooks/phasewatch?tenant=7"
    assert request.body == journaled
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Phasewatch-Id"] == request.headers["Idempotency-Key"] == request.event["id"]
    assert verified(request)
    assert not verified(request, b"another key")
    assert not verified(request._replace(body=request.body + b" "))


def test_the_signature_is_that_of_the_documented_form() -> None:
    # printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
    assert signature(b"key", 1_700_000_000, b'{"a":1}') == (
        "t=1700000000,v1=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03"
    )


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_accepts(status: int, tmp_path: Path, receiver: HttpReceiver) -> None:
    receiver.answer = lambda request: Answer(status, body=b"ok" if status != 204 else b"")
    with webhook(tmp_path, receiver.url) as delivery:
        delivery.commit([change("raised", rev=rev) for rev in (1, 2, 3)])
        wait_until(lambda: state(delivery).delivered == 3)
    assert [request.event["rev"] for request in receiver.requests] == [1, 2, 3]


@pytest.mark.parametrize(
    "status", [301, 302, 307, 308, 400, 401, 403, 404, 408, 410, 413, 422, 425, 429, 500, 502, 503]
)
def test_after_any_other_answer_the_event_waits_in_front_and_is_sent_again(
    status: int, tmp_path: Path, receiver: HttpReceiver
) -> None:
    receiver.answer = first(3, Answer(status, (("Location", receiver.url),), b"not now"))
    with webhook(tmp_path, receiver.url) as delivery:
        delivery.commit([change("raised", rev=1), change("cleared", rev=2)])
        wait_until(lambda: state(delivery).delivered == 2)
        assert state(delivery).last_error is None
        assert state(delivery).connected
    assert [request.event["rev"] for request in receiver.requests] == [1, 1, 1, 1, 2]
    assert len({request.headers["Idempotency-Key"] for request in receiver.requests}) == 2


@pytest.mark.parametrize(("status", "refused"), [(503, False), (429, False), (403, True), (410, True), (307, True)])
def test_an_answer_that_stays_is_tried_again_seldom_and_shown(
    status: int, refused: bool, tmp_path: Path, receiver: HttpReceiver
) -> None:
    receiver.answer = lambda request: Answer(status, body=b"no\x1bway")
    with webhook(tmp_path, receiver.url, refused_pause_s=1000.0) as delivery:
        delivery.commit([change("raised")])
        wait_until(lambda: state(delivery).last_error, "the error")
        wait_until(lambda: len(receiver.requests) > 3 or refused)
        threading.Event().wait(0.2)
        assert (len(receiver.requests) == 1) is refused
        shown = state(delivery)
        assert shown == replace(shown, refused=refused, connected=False, outbox_depth=1, dropped=0)
        assert f"HTTP {status}" in (shown.last_error or "")
        assert "\x1b" not in (shown.last_error or "")


def test_a_redirect_is_not_followed_and_the_remedy_named(tmp_path: Path, receiver: HttpReceiver) -> None:
    with http_receiver() as elsewhere:
        receiver.answer = lambda request: Answer(307, (("Location", elsewhere.url),))
        with webhook(tmp_path, receiver.url) as delivery:
            delivery.commit([change("raised")])
            wait_until(lambda: "write the final address into url" in (state(delivery).last_error or ""))
        assert elsewhere.requests == []


def test_a_receiver_that_asks_for_a_pause_gets_it(tmp_path: Path, receiver: HttpReceiver) -> None:
    receiver.answer = first(1, Answer(429, (("Retry-After", "1"),)))
    with webhook(tmp_path, receiver.url) as delivery:
        delivery.commit([change("raised")])
        wait_until(lambda: receiver.requests)
        threading.Event().wait(0.5)
        assert len(receiver.requests) == 1
        wait_until(lambda: receiver.accepted)


def test_a_receiver_that_does_not_answer_is_given_up_and_asked_again(tmp_path: Path, receiver: HttpReceiver) -> None:
    receiver.go_on.clear()
    with webhook(tmp_path, receiver.url, timeout_s=0.1) as delivery:
        delivery.commit([change("raised")])
        wait_until(lambda: "no answer within 0.1 s" in (state(delivery).last_error or ""))
        receiver.go_on.set()
        wait_until(lambda: state(delivery).delivered == 1)


def test_an_answer_that_trickles_without_an_end_is_cut_off(tmp_path: Path, receiver: HttpReceiver) -> None:
    receiver.trickles = True
    with webhook(tmp_path, receiver.url, timeout_s=0.1) as delivery:
        delivery.commit([change("raised")])
        wait_until(lambda: len(receiver.requests) > 1, "the event sent again")
        receiver.trickles = False
        wait_until(lambda: state(delivery).delivered == 1)


def test_a_server_that_speaks_no_http_is_named(tmp_path: Path) -> None:
    with socket.create_server(("localhost", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"SSH-2.0-OpenSSH\r\n" * 3), daemon=True).start()
        with webhook(tmp_path, f"http://localhost:{server.getsockname()[1]}/", longest_pause_s=60.0) as delivery:
            delivery.commit([change("raised")])
            wait_until(lambda: state(delivery).last_error)
            assert "localhost: " in (state(delivery).last_error or "")


def test_a_long_answer_is_not_read_to_its_end(tmp_path: Path, receiver: HttpReceiver) -> None:
    receiver.answer = lambda request: Answer(200, body=b"x" * 300_000)
    with webhook(tmp_path, receiver.url) as delivery:
        delivery.commit([change("raised", rev=rev) for rev in (1, 2, 3)])
        wait_until(lambda: state(delivery).delivered == 3)


def test_a_damaged_row_is_no_end_of_the_webhook(tmp_path: Path, receiver: HttpReceiver) -> None:
    with webhook(tmp_path, f"http://localhost:{free_port()}/") as delivery:
        delivery.commit([change("raised", rev=1), change("raised", rev=2)])
        wait_until(lambda: state(delivery).outbox_depth == 2)
        damage = (
            "UPDATE outbox SET payload = X'00ff' WHERE number IN (SELECT min(number) FROM outbox WHERE sink = 'erp')"
        )
        assert delivery.ask(lambda journal: journal.store.change(damage)).result(5) == 1
    with webhook(tmp_path, receiver.url) as delivery:
        wait_until(lambda: state(delivery).outbox_depth == 0)
        assert delivery.status.dead_letters == 1
    assert [request.event["rev"] for request in receiver.accepted] == [2]


def test_what_a_receiver_never_takes_is_dropped_by_age_and_counted(tmp_path: Path, receiver: HttpReceiver) -> None:
    receiver.answer = lambda request: Answer(400)
    now_s = [0.0]
    erp = WebhookConfig("erp", receiver.url, SECRET)
    config = DeliveryConfig(SITE, tmp_path, (f"mqtt://127.0.0.1:{free_port()}",), webhooks=(erp,))
    delivery = Delivery(config, monotonic=lambda: now_s[0])
    delivery.start()
    delivery.commit([change("raised", severity="low")])
    wait_until(lambda: receiver.requests, "the refusal")
    now_s[0] = 8 * 86400.0
    wait_until(lambda: state(delivery).dropped == 1, "given up after a week, a quarter of 30 days")
    assert state(delivery).outbox_depth == 0
    assert delivery.status.dropped_by == {"age": {"low": 2}}, "MQTT had no broker either"
    now_s[0] += 100.0
    assert delivery.stop(0.0)


def test_tls_is_verified_against_the_given_authority(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "pki"), Authority(tmp_path / "stranger")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = authority.signed("server", alternative="DNS:localhost")
    context.load_cert_chain(pair.certificate, pair.key)
    with http_receiver(context) as receiver:
        with webhook(tmp_path / "a", receiver.url, ca_file=stranger.pair.certificate) as delivery:
            delivery.commit([change("raised")])
            wait_until(lambda: "certificate verify failed" in (state(delivery).last_error or ""))
        with webhook(tmp_path / "b", receiver.url) as delivery:
            delivery.commit([change("raised")])
            wait_until(lambda: "certificate verify failed" in (state(delivery).last_error or ""))
        assert receiver.requests == []
        with webhook(tmp_path / "a", receiver.url, ca_file=authority.pair.certificate) as delivery:
            wait_until(lambda: state(delivery).delivered == 1, "what waited for the right authority")
        elsewhere = receiver.url.replace("localhost", "127.0.0.1")
        with webhook(tmp_path / "c", elsewhere, ca_file=authority.pair.certificate) as delivery:
            delivery.commit([change("raised")])
            wait_until(lambda: state(delivery).last_error)
            assert "certificate verify failed" in (state(delivery).last_error or ""), "of another name"


def test_an_authority_that_cannot_be_read_is_an_error_of_the_webhook_alone(tmp_path: Path) -> None:
    with webhook(tmp_path, "https://localhost:1/", ca_file=tmp_path / "none.pem") as delivery:
        delivery.commit([change("raised")])
        wait_until(lambda: "No such file" in (state(delivery).last_error or ""))


def test_the_stop_does_not_wait_for_a_slow_receiver(tmp_path: Path, receiver: HttpReceiver) -> None:
    receiver.go_on.clear()
    with webhook(tmp_path, receiver.url, timeout_s=30.0) as delivery:
        delivery.commit([change("raised")])
        wait_until(lambda: receiver.requests)
    receiver.go_on.set()
    with webhook(tmp_path, receiver.url) as delivery:
        wait_until(lambda: state(delivery).outbox_depth == 0 and state(delivery).delivered == 1, "sent again")
    assert len({request.headers["X-Phasewatch-Id"] for request in receiver.requests}) == 1


def test_a_stop_delivers_what_was_committed_just_before(tmp_path: Path, receiver: HttpReceiver) -> None:
    with webhook(tmp_path, receiver.url) as delivery:
        delivery.commit([change("raised", rev=rev) for rev in range(40)])
    assert [request.event["rev"] for request in receiver.accepted] == list(range(40))


def test_only_alerts_of_the_least_severity_are_sent(tmp_path: Path, receiver: HttpReceiver) -> None:
    with webhook(tmp_path, receiver.url, min_severity="high") as delivery:
        for rev, severity in enumerate(("low", "high", "medium", "critical")):
            delivery.commit([change("raised", rule=f"rule_{rev}", rev=rev, severity=severity)])
        wait_until(lambda: state(delivery).delivered == 2)
    assert [request.event["severity"] for request in receiver.accepted] == ["high", "critical"]


def test_the_secret_is_shown_nowhere(tmp_path: Path, receiver: HttpReceiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.answer = first(1, Answer(401, body=b"bad signature"))
    with webhook(tmp_path, receiver.url) as delivery:
        delivery.commit([change("raised")])
        wait_until(lambda: state(delivery).delivered == 1)
        shown = repr(delivery._config) + json.dumps(asdict(state(delivery))) + caplog.text
    assert SECRET.decode() not in shown
    assert "HTTP 401" in caplog.text
    assert "accepts events again" in caplog.text


class Hanging(HTTPConnection):
    """A connection that hangs before there is a socket, as behind a name server that does not answer."""

    go_on = threading.Event()

    def connect(self) -> None:
        Hanging.go_on.wait(30)
        super().connect()


def test_a_name_that_is_not_resolved_costs_neither_processor_nor_a_stop(
    tmp_path: Path, receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phasewatch.adapters.http.webhook.HTTPConnection", Hanging)
    with webhook(tmp_path, receiver.url, timeout_s=0.1) as delivery:
        delivery.commit([change("raised")])
        wait_until(lambda: state(delivery).outbox_depth == 1)
        threading.Event().wait(0.5)
        turns = delivery.status.turns
        threading.Event().wait(0.5)
        assert delivery.status.turns - turns < 100
        assert state(delivery).last_error == "localhost: a request took more than 0.3 s"
        assert not state(delivery).connected
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 10
    Hanging.go_on.set()
