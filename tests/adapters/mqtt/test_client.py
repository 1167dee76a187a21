"""One connection against scripted servers (bytes in, bytes out) and against the real broker."""

import os
import queue
import resource
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from phasewatch.adapters.mqtt.client import (
    WINDOW,
    Acked,
    Arrived,
    Closed,
    Connection,
    Login,
    Opened,
    Protocol,
    Signal,
    Stage,
)
from phasewatch.settings import Broker
from tests.broker import free_port, mosquitto, subscriber, wait_until

LOGIN = Login("phasewatch-t", "phasewatch/t/availability", keepalive_s=5)


@contextmanager
def scripted(reply: bytes, *, stay: bool = False) -> Iterator[Broker]:
    """Serve one connection: read, reply, and close unless told to stay mute and open."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(reply)
                if stay:
                    done.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Broker("127.0.0.1", server.getsockname()[1], tls=False)
        done.set()
        thread.join()


class Heard:
    """The signals of one connection."""

    def __init__(self, broker: Broker, protocol: Protocol = "5", login: Login = LOGIN) -> None:
        self.signals: queue.Queue[Signal] = queue.Queue()
        self.connection = Connection(broker, login, protocol, lambda _, signal: self.signals.put(signal))
        self.connection.start()

    def next(self) -> Signal:
        return self.signals.get(timeout=10)

    def closed(self) -> Closed:
        while not isinstance(signal := self.next(), Closed):
            pass
        return signal


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://broker.example", Broker("broker.example", 1883, tls=False)),
        ("mqtts://broker.example", Broker("broker.example", 8883, tls=True)),
        ("mqtt://192.0.2.1:2883/", Broker("192.0.2.1", 2883, tls=False)),
        ("mqtts://[2001:db8::1]:8884", Broker("2001:db8::1", 8884, tls=True)),
    ],
)
def test_a_broker_url_names_host_port_and_whether_it_is_tls(url: str, broker: Broker) -> None:
    assert Broker.parse(url) == broker
    assert Broker.parse(str(broker)) == broker


@pytest.mark.parametrize(
    "url",
    [
        "broker:1883",
        "http://broker",
        "mqtt://",
        "",
        "mqtt://b:port",
        "mqtt://b:99999",
        "mqtt://u:secret@b",
        "mqtt://b/x",
    ],
)
def test_a_bad_broker_url_is_refused_with_what_to_write_and_without_the_password(url: str) -> None:
    reasons = r"must be mqtt://host:1883|the port must be|carries a user or password"
    with pytest.raises(ValueError, match=reasons) as refusal:
        Broker.parse(url)
    assert "secret" not in str(refusal.value)


def test_the_password_is_not_in_the_text_of_a_login() -> None:
    assert "hidden" not in repr(Login("c", "w", "user", "hidden"))


@pytest.mark.parametrize(
    ("protocol", "reply", "stage", "code"),
    [
        ("5", "20020001", Stage.REFUSED, 0x84),
        ("5", "2003008400", Stage.REFUSED, 0x84),
        ("5", "2003008600", Stage.REFUSED, 0x86),
        ("3.1.1", "20020005", Stage.REFUSED, 0x87),
        ("5", "", Stage.UNANSWERED, None),
        ("3.1.1", "", Stage.UNANSWERED, None),
        ("5", "485454502f312e3120343030", Stage.UNANSWERED, None),
    ],
)
def test_a_connection_tells_how_far_it_came(protocol: Protocol, reply: str, stage: Stage, code: int | None) -> None:
    with scripted(bytes.fromhex(reply)) as broker:
        closed = Heard(broker, protocol).closed()
    assert (closed.stage, closed.code) == (stage, code)
    assert closed.reason


@pytest.mark.parametrize("host", ["127.0.0.1", "a..b", "x" * 70])
def test_an_unreachable_broker_is_a_signal_and_not_an_exception(host: str) -> None:
    closed = Heard(Broker(host, free_port(), tls=False)).closed()
    assert closed.stage is Stage.UNREACHED
    assert closed.reason


def test_a_missing_ca_file_is_told(tmp_path: Path) -> None:
    login = Login("c", "w", ca_file=tmp_path / "ca.pem")
    assert "No such file" in Heard(Broker("127.0.0.1", 1, tls=True), login=login).closed().reason


def test_the_window_is_the_servers_receive_maximum_or_ours() -> None:
    connack = "2006000003210005", "2003000000"
    with scripted(bytes.fromhex(connack[0]), stay=True) as broker:
        heard = Heard(broker)
        assert heard.next() == Opened(5, None)
        heard.connection.cut()
    with scripted(bytes.fromhex(connack[1]), stay=True) as broker:
        heard = Heard(broker)
        assert heard.next() == Opened(WINDOW, None)
        heard.connection.cut()


def test_closing_does_not_wait_for_a_server_that_is_mute() -> None:
    with scripted(bytes.fromhex("2003000000"), stay=True) as broker:
        heard = Heard(broker)
        heard.next()
        heard.connection.publish("a/b", b"never acknowledged", retain=False)
        heard.connection.close(0.2)
        assert heard.closed().stage is Stage.OPEN


@pytest.mark.broker
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_message_goes_out_and_is_acknowledged(tmp_path: Path, protocol: Protocol) -> None:
    with mosquitto(tmp_path / "broker") as broker, subscriber(broker.url) as watching:
        heard = Heard(Broker.parse(broker.url), protocol)
        assert isinstance(heard.next(), Opened)
        mid = heard.connection.publish("a/b", b"hello", retain=False)
        acked = heard.next()
        assert isinstance(acked, Acked)
        assert (acked.mid, acked.code) == (mid, 0)
        wait_until(lambda: watching.payloads("a/b") == [b"hello"])
        heard.connection.subscribe("c/d")
        heard.connection.publish("c/d", b"echo", retain=False)
        arrived = [signal for signal in (heard.next(), heard.next()) if isinstance(signal, Arrived)]
        assert arrived == [Arrived("c/d", b"echo", retain=False)]
        heard.connection.close(2)
        assert watching.payloads("availability") == [], "a clean disconnect publishes no will"


@pytest.mark.broker
def test_cutting_the_line_publishes_the_will(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker, subscriber(broker.url) as watching:
        heard = Heard(Broker.parse(broker.url))
        heard.next()
        heard.connection.cut()
        wait_until(lambda: watching.payloads("availability") == [b"offline"], "the will")


@pytest.mark.broker
def test_tls_is_verified_and_a_wrong_authority_is_told(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    options = f"certfile {tmp_path}/server.pem", f"keyfile {tmp_path}/server.key"
    with mosquitto(tmp_path / "broker", *options) as broker:
        url = Broker("127.0.0.1", broker.port, tls=True)
        trusting = Heard(url, login=Login("c", "w", ca_file=tmp_path / "server.pem"))
        assert isinstance(trusting.next(), Opened)
        trusting.connection.publish("a", b"over TLS", retain=False)
        assert isinstance(trusting.next(), Acked)
        trusting.connection.close(2)
        doubting = Heard(url).closed()
        assert doubting.stage is Stage.UNREACHED
        assert "certificate verify failed" in doubting.reason


def make_certificate(directory: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(directory / "server.key"), "-out", str(directory / "server.pem")]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    assert ssl.create_default_context(cafile=directory / "server.pem")


@pytest.mark.broker
def test_a_connection_works_in_a_process_with_more_than_1024_open_files(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip(f"this system allows {hard} open files only")
    with mosquitto(tmp_path / "broker") as broker, ExitStack() as files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
        files.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(1030):
            files.enter_context(Path(os.devnull).open("rb"))
        heard = Heard(Broker.parse(broker.url))
        assert isinstance(heard.next(), Opened)
        heard.connection.publish("a", b"b", retain=False)
        assert isinstance(heard.next(), Acked)
        heard.connection.close(2)
