"""TLS: whom the daemon trusts, as whom it comes, and why a broker was not believed.

There is no switch to believe anyone: a certificate that does not fit is a connection that is not made.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MENDS: Final[dict[int, str]] = {
    9: "look at the clock of this machine",
    10: "renew the broker's certificate, or look at the clock of this machine",
    **dict.fromkeys((2, 18, 19, 20, 21), "name the authority that signed it in mqtt.ca_file"),
    **dict.fromkeys((62, 64), "write the broker in mqtt.urls by a name that its certificate bears"),
}
"""What OpenSSL found wrong with a certificate -> what to do. Source: openssl x509_vfy.h."""


class TlsFileError(Exception):
    """A certificate or key file cannot be used; the text names it, its setting and the reason."""


def tls_context(
    ca_file: Path | None, client_cert_file: Path | None = None, client_key_file: Path | None = None
) -> ssl.SSLContext:
    """Return what verifies the broker's certificate and name, and shows our own certificate if there is one.

    Raises: TlsFileError.
    """
    with _naming(f"ca_file {ca_file}", "the certificate of the authority that signed the broker's, as PEM"):
        context = ssl.create_default_context(cafile=ca_file)
    if client_cert_file is not None:
        key = f", client_key_file {client_key_file}" if client_key_file else ""
        with _naming(f"client_cert_file {client_cert_file}{key}", "PEM, a key without a password that fits"):
            context.load_cert_chain(client_cert_file, client_key_file, password=_no_password)
    return context


def mistrust(error: ssl.SSLCertVerificationError) -> str:
    """Return why a broker was not believed, and the mend."""
    mend = _MENDS.get(error.verify_code)
    return f"certificate verify failed: {error.verify_message}" + (f"; {mend}" if mend else "")


def _no_password() -> str:
    # Without an answer of ours, OpenSSL would ask at the terminal and wait for ever.
    return ""


@contextmanager
def _naming(what: str, wanted: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        raise TlsFileError(f"mqtt.{what}: {reason}; it must be {wanted}") from error
    except OSError as error:
        raise TlsFileError(f"mqtt.{what}: {error.strerror}; the daemon must be able to read it") from error
