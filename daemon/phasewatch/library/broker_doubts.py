"""What is unsafe in how a site speaks to its brokers."""

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from stat import S_IRWXG, S_IRWXO, S_ISREG
from urllib.parse import urlsplit

from phasewatch.settings import MqttSettings


def broker_doubts(mqtt: MqttSettings) -> list[str]:
    """Return what is unsafe but may be meant, a line each with its mend."""
    parts = (_plain_password, _empty_password, _readable_by_others, _in_the_clear, _unused)
    return [line for part in parts for line in part(mqtt)]


def _plain_password(mqtt: MqttSettings) -> Iterator[str]:
    if mqtt.password is not None:
        yield (
            "mqtt.password: stands here in plain text; put it alone into a file of mode 600 that mqtt.password_file"
            " names, or hand it over with LoadCredential= of systemd"
        )


def _empty_password(mqtt: MqttSettings) -> Iterator[str]:
    try:
        empty = mqtt.password_file is not None and not mqtt.secret()
    except (OSError, UnicodeDecodeError):
        return  # whoever needs it will say so
    if empty:
        yield (
            f"mqtt.password_file: {mqtt.password_file} is empty; write the password into it, alone,"
            " or remove mqtt.password_file"
        )


def _readable_by_others(mqtt: MqttSettings) -> Iterator[str]:
    for name in ("password_file", "client_key_file"):
        path: Path | None = getattr(mqtt, name)
        if path is not None and _open_to_others(path):
            yield f"mqtt.{name}: {path} is open to other users than its owner; chmod 600 {path}"


def _open_to_others(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
        return S_ISREG(mode) and bool(mode & (S_IRWXG | S_IRWXO))
    except OSError:
        return False  # whoever reads it will say so


def _in_the_clear(mqtt: MqttSettings) -> Iterator[str]:
    secret = mqtt.password is not None or mqtt.password_file is not None
    for place, url in enumerate(mqtt.urls):
        parts = urlsplit(url)
        if secret and parts.scheme == "mqtt" and not _loopback(parts.hostname or ""):
            yield (
                f"mqtt.urls[{place}]: the password goes to {parts.hostname} in the clear;"
                " write mqtts:// and let the broker listen with TLS"
            )


def _unused(mqtt: MqttSettings) -> Iterator[str]:
    if any(url.startswith("mqtts:") for url in mqtt.urls):
        return
    for name in ("ca_file", "client_cert_file"):
        if getattr(mqtt, name) is not None:
            yield f"mqtt.{name}: is not used, for no broker has TLS; write mqtts:// in mqtt.urls"


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
