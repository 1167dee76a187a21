"""The token that commands over TCP carry."""

from pathlib import Path
from typing import Final

from phasewatch.settings import is_no_file, text_of

SHORTEST_TOKEN: Final = 16


class TokenError(Exception):
    """There is no usable token; the text names the file and the mend."""


def read_token(path: Path) -> str:
    """Return the token that a file holds. Raises: TokenError."""
    try:
        token = text_of(path).strip()
        if path.stat().st_mode & 0o007:  # the group bits of a credential of systemd are its access list
            raise TokenError(f"web.token_file: {path}: everybody may use it; chmod o= {path}")
    except OSError as error:
        mend = error.strerror if is_no_file(error) else f"{error.strerror}; the daemon must be able to read it"
        raise TokenError(f"web.token_file: {path}: {mend}") from error
    except UnicodeDecodeError as error:
        raise TokenError(f"web.token_file: {path}: is no text; write a token into it") from error
    if len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
        raise TokenError(
            f"web.token_file: {path}: must hold {SHORTEST_TOKEN} or more characters without blanks;"
            f" make one: openssl rand -hex 32 > {path}"
        )
    return token
