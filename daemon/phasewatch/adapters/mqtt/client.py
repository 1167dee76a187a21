"""One MQTT connection, from the attempt to its loss, and its TLS: authorities, client certificate, refusals.

Each connection has a fresh client, so no message of an earlier one is published behind newer ones. There is no switch
to skip verification: with a certificate that does not fit, there is no connection.
"""

import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from phasewatch.settings import Broker

_REMEDIES: Final[dict[int, str]] = {
    9: "look at the clock of this machine",
    10: "renew the broker's certificate, or look at the clock of this machine",
    **dict.fromkeys((2, 18, 19, 20, 21), "name the authority that signed it in mqtt.ca_file"),
    **dict.fromkeys((62, 64), "write the broker in mqtt.urls by a name that its certificate bears"),
}
"""What OpenSSL found wrong with a certificate -> what to do. Source: openssl x509_vfy.h."""


class TlsFileError(Exception):
    """A certificate or key file cannot be used; the text names it, its setting and the reason."""


def tls_context(
    ca_file: Path | None,
    client_cert_file: Path | None = None,
    client_key_file: Path | None = None,
    *,
    section: str = "mqtt",
) -> ssl.SSLContext:
    """Return the context that verifies the broker's certificate and name, and presents our own if there is one.

    Raises: TlsFileError, which names the keys of `section` in the site file.
    """
    with _naming(f"{section}.ca_file {ca_file}", "the certificate of the authority that signed the broker's, as PEM"):
        context = ssl.create_default_context(cafile=ca_file)
    if client_cert_file is not None:
        key = f", client_key_file {client_key_file}" if client_key_file else ""
        with _naming(f"{section}.client_cert_file {client_cert_file}{key}", "PEM, a key without a password that fits"):
            context.load_cert_chain(client_cert_file, client_key_file, password=_no_password)
    return context


def mistrust(error: ssl.SSLCertVerificationError) -> str:
    """Return why a certificate was refused, and how to fix that."""
    remedy = _REMEDIES.get(error.verify_code)
    return f"certificate verify failed: {error.verify_message}" + (f"; {remedy}" if remedy else "")


def _no_password() -> str:
    # Otherwise OpenSSL asks at the terminal and waits for ever.
    return ""


@contextmanager
def _naming(what: str, wanted: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        raise TlsFileError(f"{what}: {reason}; it must be {wanted}") from error
    except OSError as error:
        raise TlsFileError(f"{what}: {error.strerror}; the daemon must be able to read it") from error


Protocol = Literal["5", "3.1.1"]

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"
WINDOW: Final = 16
"""Messages in flight at most; a server may ask for fewer."""

FAILURE: Final = 0x80
"""Reason codes from here on are failures."""
UNSUPPORTED_PROTOCOL: Final = 0x84

_VERSIONS: Final[dict[Protocol, MQTTProtocolVersion]] = {
    "5": MQTTProtocolVersion.MQTTv5,
    "3.1.1": MQTTProtocolVersion.MQTTv311,
}


@dataclass(frozen=True, slots=True)
class Login:
    """Client id, credentials and last will."""

    client_id: str
    will_topic: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    keepalive_s: int = 30
    client_cert_file: Path | None = None
    """Our certificate, for a broker that asks for one; its key may be in the same file."""
    client_key_file: Path | None = None


class Stage(StrEnum):
    """How far a connection came."""

    UNREACHED = "unreached"
    UNANSWERED = "unanswered"
    REFUSED = "refused"
    OPEN = "open"


_ENDS: Final = {
    Stage.UNREACHED: "could not be reached",
    Stage.UNANSWERED: "closed the connection without an answer",
    Stage.REFUSED: "refused",
    Stage.OPEN: "connection lost",
}


class Opened(NamedTuple):
    """CONNACK: the broker accepted the connection."""

    window: int
    """Messages it takes in flight, at most `WINDOW`."""
    max_packet_bytes: int | None


class Acked(NamedTuple):
    """PUBACK: the broker answered one message; from `FAILURE` on, `code` says that it did not accept it."""

    mid: int
    code: int
    reason: str


class Arrived(NamedTuple):
    """PUBLISH: a message of a subscription."""

    topic: str
    payload: bytes
    retain: bool


class Closed(NamedTuple):
    """The connection is over; this is always its last signal."""

    stage: Stage
    code: int | None
    """Reason code of a refusal or of the server's DISCONNECT."""
    reason: str


Signal = Opened | Acked | Arrived | Closed


class Connection:
    """One attempt and, if it succeeds, one session; made for one use."""

    def __init__(
        self, broker: Broker, login: Login, protocol: Protocol, sink: Callable[["Connection", Signal], None]
    ) -> None:
        self.broker, self.protocol = broker, protocol
        self._login, self._sink = login, sink
        self._stage, self._reason = Stage.UNREACHED, ""
        self._code: int | None = None
        self._gone = False
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._client = self._new_client()
        self._thread = threading.Thread(target=self._live, name=f"mqtt {broker}", daemon=True)

    @property
    def open(self) -> bool:
        return self._stage is Stage.OPEN

    def start(self) -> None:
        """Connect in the background; signals report the progress."""
        self._thread.start()

    def publish(self, topic: str, payload: bytes, retain: bool) -> int:
        """Send one message at QoS 1; return the number that its `Acked` will carry.

        Raises: ValueError when this can never be a message.
        """
        mid = self._client.publish(topic, payload, qos=1, retain=retain).mid
        self._wake()
        return mid

    def subscribe(self, topic: str) -> None:
        self._client.subscribe(topic, qos=1)
        self._wake()

    def close(self, timeout_s: float) -> None:
        """Disconnect so that the server publishes no will; cut the line when that takes longer than `timeout_s`."""
        if self.open:
            self._client.disconnect()
            self._wake()
            self._thread.join(timeout_s)
        self.cut()

    def cut(self) -> None:
        """Drop the connection without DISCONNECT: the broker publishes the will."""
        self._gone = True
        self._wake()
        if self._thread.is_alive():
            # A thread that still connects ends by itself; a name server is not waited for.
            self._thread.join(0.5)

    def _wake(self) -> None:
        with suppress(OSError):
            self._waker.send(b"!")

    def _new_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._login.client_id,
            protocol=_VERSIONS[self.protocol],
            reconnect_on_failure=False,
        )
        client.suppress_exceptions = True
        client.username_pw_set(self._login.username, self._login.password)
        client.will_set(self._login.will_topic, OFFLINE, qos=1, retain=True)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish, client.on_message = self._on_publish, self._on_message
        client.on_log = self._on_log
        # With this hook set, only our thread writes to the socket; without it, so does every caller of publish.
        client.on_socket_register_write = lambda *_: None
        return client

    def _live(self) -> None:
        try:
            if self.broker.tls:
                login = self._login
                self._client.tls_set_context(tls_context(login.ca_file, login.client_cert_file, login.client_key_file))
            self._client.connect(self.broker.host, self.broker.port, self._login.keepalive_s)
            self._stage = Stage.UNANSWERED
            self._drive()
        except ssl.SSLCertVerificationError as error:
            self._reason = mistrust(error)
        except Exception as error:
            self._reason = self._reason or str(error) or type(error).__name__
        finally:
            self._end()

    def _end(self) -> None:
        stage, self._stage = self._stage, Stage.UNREACHED
        for line in (self._client.socket(), self._woken, self._waker):
            if line is not None:
                line.close()
        self._sink(self, Closed(stage, self._code, self._reason or _ENDS[stage]))

    def _drive(self) -> None:
        line: Any = self._client.socket()
        # Not the library's own loop: its select() fails for ever once 1024 files are open.
        with selectors.DefaultSelector() as ready:
            ready.register(self._woken, selectors.EVENT_READ)
            ready.register(line, selectors.EVENT_READ)
            while not self._gone and self._client.socket() is line and self._step(ready, line):
                pass

    def _step(self, ready: selectors.BaseSelector, line: Any) -> bool:
        writes = selectors.EVENT_WRITE if self._client.want_write() else 0
        ready.modify(line, selectors.EVENT_READ | writes)
        # Bytes that TLS has decrypted already wake no selector.
        decrypted = isinstance(line, ssl.SSLSocket) and line.pending() > 0
        awake = {key.fileobj: events for key, events in ready.select(0 if decrypted else 1.0)}
        if self._woken in awake:
            self._woken.recv(4096)
        rc = MQTTErrorCode.MQTT_ERR_SUCCESS
        if decrypted or awake.get(line, 0) & selectors.EVENT_READ:
            rc = self._client.loop_read()
        if not rc and self._client.want_write():
            rc = self._client.loop_write()
        return not (rc or self._client.loop_misc())

    def _on_log(self, _c: Client, _u: Any, level: int, text: str) -> None:
        # A server that refuses our certificate says so after the handshake, and the library reports it only to its log.
        if level == LogLevel.MQTT_LOG_ERR and "[SSL" in text:
            alert = text.partition("] ")[2].partition(" (_ssl")[0] or text
            self._stage, self._reason = Stage.UNREACHED, f"the broker ended TLS: {alert}"

    def _on_connect(
        self, _c: Client, _u: Any, _f: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            self._stage, self._code, self._reason = Stage.REFUSED, code.value, f"refused: {code}"
            return
        self._stage = Stage.OPEN
        self._client.on_log = None  # from here on it would cost every message
        window = min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW))
        self._sink(self, Opened(window, getattr(properties, "MaximumPacketSize", None)))

    def _on_publish(self, _c: Client, _u: Any, mid: int, code: ReasonCode, _p: Properties) -> None:
        self._sink(self, Acked(mid, code.value, str(code)))

    def _on_message(self, _c: Client, _u: Any, message: MQTTMessage) -> None:
        self._sink(self, Arrived(message.topic, bytes(message.payload), message.retain))

    def _on_disconnect(self, _c: Client, _u: Any, flags: DisconnectFlags, code: ReasonCode, _p: Any) -> None:
        # It is called twice for some losses: the first one knows the cause.
        if flags.is_disconnect_packet_from_server and not self._reason:
            self._code, self._reason = code.value, f"disconnected by the broker: {code}"
