"""The files of the page, in memory: each with its tag, and packed once for those who take it so."""

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from phasewatch.drawing.style import STYLE

PACKAGE: Final = "phasewatch"
DIRECTORY: Final = "page"
INDEX: Final = "index.html"
_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    content: bytes
    packed: bytes
    """With gzip."""
    media_type: str
    tag: str
    """Changes with the content; quoted, as HTTP has it."""


def assets() -> dict[str, Asset]:
    """Return every file of the page by its name, and the look of drawings as `drawing.css`."""
    return {name: _asset(name, content) for name, content in _contents()}


def _contents() -> Iterator[tuple[str, bytes]]:
    yield "drawing.css", drawing_css().encode()
    for file in files(PACKAGE).joinpath(DIRECTORY).iterdir():
        if file.is_file() and file.name.rpartition(".")[2] in _TYPES:
            yield file.name, file.read_bytes()


def drawing_css() -> str:
    """Return the look of drawings as a style sheet: the page's policy lets no style stand in a drawing."""
    return STYLE.removeprefix("<style>").removesuffix("</style>")


def _asset(name: str, content: bytes) -> Asset:
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    return Asset(content, gzip.compress(content, mtime=0), _TYPES[name.rpartition(".")[2]], tag)
