"""Hooks of the site: a page may link to a file outside docs/; the site gets a copy of it below `source/`."""

import posixpath
import re
from pathlib import Path
from typing import Any, Final

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).parents[1]
_LINK: Final = re.compile(r"\]\(((?:\.\./)+[^)#\s]+)\)")


def _outside(page: str, target: str) -> str | None:
    """Return the path in the repository of a link that leaves docs/; None for one that stays."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    return None if path.startswith("docs/") else path


def _copied(path: str) -> list[str]:
    """Return the files behind a path of the repository: itself, or all files of a folder."""
    place = ROOT / path
    if place.is_dir():
        return sorted(file.relative_to(ROOT).as_posix() for file in place.iterdir() if file.is_file())
    return [path] if place.is_file() else []


def _name(path: str) -> str:
    """Return the name of a copy: Markdown is shown as text, because its own links lead elsewhere."""
    return f"source/{path}.txt" if path.endswith(".md") else f"source/{path}"


def on_files(files: Files, *, config: Any) -> Files:
    """Add a copy of every file that a page links to."""
    wanted: set[str] = set()
    for file in files.documentation_pages():
        for target in _LINK.findall(file.content_string):
            if path := _outside(file.src_uri, target):
                if not _copied(path):
                    raise PluginError(f"{file.src_uri} links to {target}, which does not exist")
                wanted.update(_copied(path))
    for path in sorted(wanted):
        if files.get_file_from_path(_name(path)) is None:
            files.append(File.generated(config, _name(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Lead the links out of docs/ to the copies; a folder's link to its first file."""

    def led(found: re.Match[str]) -> str:
        path = _outside(page.file.src_uri, found[1])
        if path is None:
            return found[0]
        copy = _name(_copied(path)[0])
        return f"]({posixpath.relpath(copy, posixpath.dirname(page.file.src_uri) or '.')})"

    return _LINK.sub(led, markdown)
