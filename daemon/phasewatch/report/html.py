"""The few pieces that every section of a report is made of.

Short names of quantities, the same in every language.
"""

from collections.abc import Iterable, Sequence

from phasewatch.drawing.svg import NOTHING, Markup, element, escaped, joined
from phasewatch.meters.quantities import UNITS


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


_KINDS = {
    "voltage": "U",
    "current": "I",
    "active_power": "P",
    "thd_voltage": "THD U",
    "frequency": "f",
    "residual_current": "I Δ",
}


def label(quantity: str) -> str:
    """Return the symbol of a quantity with what it is of: `U L1–N`, `I L2`, `P total`."""
    kind = next((kind for kind in sorted(_KINDS, key=len, reverse=True) if quantity.startswith(kind)), None)
    if kind is None:
        return quantity
    of = quantity.removeprefix(kind).strip("_")
    of = of if of == "total" else of.upper().replace("_", "–")
    return f"{_KINDS[kind]} {of}".strip()


def between(quantity: str) -> str:
    """Return what a voltage is measured between, `L1–N`; of another quantity, what it is of."""
    return label(quantity).split(" ", 1)[-1]


def decimals(quantity: str) -> int:
    """Return how many decimals of a quantity say something."""
    return {"Hz": 2, "A": 2, "W": 0}.get(UNITS.get(quantity, ""), 1)
