"""The few pieces that every section of a report is made of."""

from collections.abc import Iterable, Sequence

from phasewatch.drawing.markup import NOTHING, Markup, element, escaped, joined


def heading(text: object, level: int = 2) -> Markup:
    """Return a heading."""
    return element(f"h{level}", escaped(text))


def paragraph(text: object, class_: str | None = None) -> Markup:
    """Return a paragraph."""
    return element("p", escaped(text), class_=class_)


def section(*content: Markup, class_: str | None = None) -> Markup:
    """Return a section."""
    return element("section", *content, class_=class_)


def listing(texts: Sequence[object], *, ordered: bool = False) -> Markup:
    """Return a list; nothing for none."""
    if not texts:
        return NOTHING
    return element("ol" if ordered else "ul", *(element("li", escaped(text)) for text in texts))


def table(heads: Sequence[object], rows: Iterable[Sequence[object]], class_: str | None = None) -> Markup:
    """Return a table; nothing for no rows."""
    body = [element("tr", *(element("td", escaped(cell)) for cell in row)) for row in rows]
    if not body:
        return NOTHING
    head = element("tr", *(element("th", escaped(name), scope="col") for name in heads))
    return element("table", element("thead", head), element("tbody", *body), class_=class_)


def facts(pairs: Iterable[tuple[object, object]]) -> Markup:
    """Return names with their values."""
    rows = (
        element("tr", element("th", escaped(name), scope="row"), element("td", escaped(value))) for name, value in pairs
    )
    return element("table", element("tbody", joined(rows)), class_="facts")
