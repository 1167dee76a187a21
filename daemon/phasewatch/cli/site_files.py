"""The files that a site file names: whether the daemon can use them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from phasewatch.adapters.http.api import TokenError, read_token
from phasewatch.adapters.mqtt.client import TlsFileError, tls_context
from phasewatch.configuration.site import LoadedSite
from phasewatch.settings import MqttSettings, WebSettings, is_no_file, is_there

HANDED_OVER: Final = Path("/run/credentials")
"""systemd hands over what is in there to the service alone."""


def unusable_files(loaded: LoadedSite) -> Iterator[str]:
    """Yield a line for each file of the site that cannot be used."""
    site = loaded.site
    lines = [*_tls(site.mqtt), *_password(site.mqtt), *([] if site.web is None else _token(site.web))]
    yield from (f"{loaded.path}: {line}" for line in lines)


def _tls(mqtt: MqttSettings) -> Iterator[str]:
    try:
        tls_context(mqtt.ca_file, mqtt.client_cert_file, mqtt.client_key_file)
    except TlsFileError as error:
        yield str(error)


def _password(mqtt: MqttSettings) -> Iterator[str]:
    file = mqtt.password_file
    if file is None or _to_be_handed_over(file):
        return
    try:
        mqtt.secret()
    except UnicodeDecodeError:
        yield f"mqtt.password_file {file}: is no UTF-8 text; save it as UTF-8"
    except OSError as error:
        mend = "" if is_no_file(error) else "; the daemon must be able to read it"
        yield f"mqtt.password_file {file}: {error.strerror}{mend}"


def _token(web: WebSettings) -> Iterator[str]:
    if web.token_file is None or _to_be_handed_over(web.token_file):
        return
    try:
        read_token(web.token_file)
    except TokenError as error:
        yield str(error)


def _to_be_handed_over(file: Path) -> bool:
    return HANDED_OVER in file.parents and not is_there(file)
