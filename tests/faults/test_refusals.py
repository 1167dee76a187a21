"""Brokers that do not believe, do not let in, or do not take: the exact reason is said, and nothing is lost."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from phasewatch.adapters.mqtt.client import Acked, Login, Opened, Stage
from phasewatch.settings import Broker
from tests.adapters.mqtt.test_client import Heard
from tests.broker import Mosquitto, free_port, mosquitto, wait_until
from tests.fault_proxy import SOUND, Fault, fault_proxy
from tests.faults.flow import config, flow
from tests.faults.pki import Authority, Pair
from tests.faults.witness import witness

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@contextmanager
def tls_broker(directory: Path, pair: Pair, *more: str) -> Iterator[Mosquitto]:
    with mosquitto(directory, "max_queued_messages 0", *pair.broker_options(), *more) as broker:
        yield broker


def mqtts(broker: Mosquitto) -> str:
    return broker.url.replace("mqtt:", "mqtts:")


MISTRUSTED = {
    "expired": ({"days": -1}, "certificate has expired; renew the broker's certificate"),
    "other-host": ({"alternative": "DNS:broker.example"}, "write the broker in mqtt.urls by a name that its"),
    "other-address": ({"alternative": "IP:192.0.2.1"}, "write the broker in mqtt.urls by a name that its"),
}


@pytest.mark.parametrize("name", MISTRUSTED)
def test_a_certificate_that_does_not_fit_is_refused_with_the_exact_reason(
    tmp_path: Path, authority: Authority, name: str
) -> None:
    keys, says = MISTRUSTED[name]
    bad, good = authority.signed(name, **keys), authority.signed("good")  # type: ignore[arg-type]
    with tls_broker(tmp_path / "broker", bad) as broker:
        settings = config(tmp_path, mqtts(broker), ca_file=authority.pair.certificate)
        with flow(settings) as flowing:
            flowing.commit(5)
            flowing.wait_for_error(says)
            assert "certificate verify failed" in (flowing.delivery.status.last_error or "")
            assert not flowing.delivery.status.connected
            wait_until(lambda: flowing.delivery.status.outbox_depth >= 5, "everything waits")
            for old, new in zip(bad, good, strict=True):
                old.write_bytes(new.read_bytes())
            broker.restart_empty()
            flowing.wait_until_drained()


def test_a_broker_of_an_unknown_authority_is_refused_whoever_it_says_it_is(
    tmp_path: Path, authority: Authority
) -> None:
    stranger = Authority(tmp_path / "pki", "stranger").signed("server")
    with tls_broker(tmp_path / "broker", stranger) as broker:
        for ca_file in (authority.pair.certificate, None):
            heard = Heard(Broker.parse(mqtts(broker)), login=Login("c", "w", ca_file=ca_file)).closed()
            assert heard.stage is Stage.UNREACHED
            assert "name the authority that signed it in mqtt.ca_file" in heard.reason


def test_a_broker_that_asks_for_a_certificate_gets_ours_and_says_if_there_is_none(
    tmp_path: Path, authority: Authority
) -> None:
    server, client = authority.signed("server"), authority.signed("client")
    stranger = Authority(tmp_path / "pki", "stranger").signed("client")
    ask = "require_certificate true", f"cafile {authority.pair.certificate}"
    login = Login("c", "w", ca_file=authority.pair.certificate, keepalive_s=5)
    with tls_broker(tmp_path / "broker", server, *ask) as broker:
        url = Broker.parse(mqtts(broker))
        ours = Heard(url, login=replace(login, client_cert_file=client.certificate, client_key_file=client.key))
        assert isinstance(ours.next(), Opened)
        ours.connection.publish("a", b"b", retain=False)
        assert isinstance(ours.next(), Acked)
        ours.connection.close(2)
        with_none = Heard(url, login=login).closed()
        assert (with_none.stage, "certificate required" in with_none.reason) == (Stage.UNREACHED, True), with_none
        foreign = Heard(url, login=replace(login, client_cert_file=stranger.certificate, client_key_file=stranger.key))
        closed = foreign.closed()
        assert (closed.stage, "unknown ca" in closed.reason) == (Stage.UNREACHED, True), closed
        settings = config(tmp_path, mqtts(broker), ca_file=authority.pair.certificate)
        with flow(settings) as flowing:
            flowing.commit(3)
            flowing.wait_for_error("certificate required")
        ours_too = {"client_cert_file": client.certificate, "client_key_file": client.key}
        with flow(replace(settings, **ours_too)) as let_in:  # type: ignore[arg-type]
            let_in.wait_until_drained()


def test_a_file_that_cannot_be_used_is_named_with_its_setting(tmp_path: Path, authority: Authority) -> None:
    client, other = authority.signed("client"), authority.signed("other")
    nonsense, url = tmp_path / "nonsense.pem", Broker("127.0.0.1", 1, tls=True)
    nonsense.write_text("no certificate")
    for login, says in (
        (Login("c", "w", ca_file=tmp_path / "gone.pem"), f"mqtt.ca_file {tmp_path}/gone.pem: No such file"),
        (Login("c", "w", ca_file=nonsense), f"mqtt.ca_file {nonsense}: "),
        (Login("c", "w", client_cert_file=nonsense), f"mqtt.client_cert_file {nonsense}: "),
        (Login("c", "w", client_cert_file=client.certificate), "mqtt.client_cert_file"),
        (Login("c", "w", client_cert_file=client.certificate, client_key_file=other.key), "key values mismatch"),
    ):
        closed = Heard(url, login=login).closed()
        assert closed.stage is Stage.UNREACHED
        assert says in closed.reason


def test_a_bit_that_turns_over_under_tls_costs_the_connection_and_no_message(
    tmp_path: Path, authority: Authority
) -> None:
    plain = free_port()
    with (
        tls_broker(tmp_path / "broker", authority.signed("server"), f"listener {plain} 127.0.0.1") as broker,
        fault_proxy(broker.port) as line,
        witness(plain) as watching,
    ):
        settings = config(tmp_path, line.url.replace("mqtt:", "mqtts:"), ca_file=authority.pair.certificate)
        with flow(settings) as flowing:
            for flip_at in (2500, 4000, 6000, 9000):
                before = line.accepted
                line.up = Fault(flip_at=flip_at)
                line.drop()
                flowing.commit(30)
                wait_until(lambda: line.accepted > before + 1, "a connection given up")  # noqa: B023
            line.ail(SOUND)
            line.drop()
            assert watching.judge(120).sound


def test_bad_credentials_are_said_and_the_right_ones_find_everything_waiting(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "plant-7", "right"], check=True)
    listening = f"password_file {passwords}", "allow_anonymous false"
    with mosquitto(tmp_path / "broker", *listening) as broker:
        wrong = config(tmp_path, broker.url, username="plant-7", password="wrong")
        with flow(wrong, stop_s=0.2) as refused:
            refused.commit(10)
            refused.wait_for_error("Not authorized")
            wait_until(lambda: refused.delivery.status.outbox_depth >= 10, "everything waits")
        with flow(replace(wrong, password="right")) as allowed:
            allowed.wait_until_drained()


def test_another_client_with_our_name_loses_us_nothing(tmp_path: Path) -> None:
    with (
        mosquitto(tmp_path / "broker", "max_queued_messages 0") as broker,
        witness(broker.port) as watching,
        flow(config(tmp_path, broker.url)) as flowing,
    ):
        for _ in range(3):
            flowing.commit(30)
            flowing.wait_until_drained()
            thief = Heard(Broker.parse(broker.url), login=Login("phasewatch-plant-7", "thief/availability"))
            assert isinstance(thief.next(), Opened)
            flowing.commit(5)
            thief.closed()  # we took the name back; mosquitto 2.0 tells neither of us why it ends
        assert watching.judge(105).sound
