"""Text of SVG and HTML elements. What is Markup is escaped already; every other text is escaped on its way in."""

import re
from collections.abc import Iterable
from html import escape
from typing import Final, NewType

Markup = NewType("Markup", str)

NOTHING: Final = Markup("")
_EMPTY: Final = frozenset(("br", "circle", "line", "meta", "path", "rect"))
"""Elements without content."""
_NO_CHARACTER: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold, escaped or not."""


def escaped(text: object) -> Markup:
    """Return a text as element content or attribute value."""
    return Markup(escape(_NO_CHARACTER.sub("\ufffd", str(text))))


def element(name: str, /, *content: Markup, **attributes: object) -> Markup:
    """Return an element; of an attribute's name a last `_` is dropped and `_` stands for `-`; None leaves it out."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Markup(f"<{name}{told}/>")
    return Markup(f"<{name}{told}>{''.join(content)}</{name}>")


def joined(parts: Iterable[Markup]) -> Markup:
    """Return parts one after the other."""
    return Markup("".join(parts))


def _value(value: object) -> Markup:
    return Markup(coordinate(value)) if isinstance(value, int | float) else escaped(value)


def coordinate(value: float) -> str:
    """Return a coordinate: one decimal, none where it is 0."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")
