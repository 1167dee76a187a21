"""Reads drawings back as XML."""

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element, fromstring

SVG = "{http://www.w3.org/2000/svg}"


class Circle(NamedTuple):
    x: float
    y: float
    r: float


def parsed(svg: str) -> Element:
    root = fromstring(svg)
    assert root.tag == f"{SVG}svg"
    return root


def size(root: Element) -> tuple[float, float]:
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    assert (left, top) == (0.0, 0.0)
    return width, height


def circles(root: Element, class_: str | None = None) -> list[Circle]:
    return [
        Circle(*(float(found.attrib[key]) for key in ("cx", "cy", "r")))
        for found in root.iter(f"{SVG}circle")
        if class_ is None or found.attrib["class"] == class_
    ]


def paths(root: Element, class_: str | None = None) -> list[list[tuple[float, float]]]:
    """Return the spots of every path."""
    found = [path for path in root.iter(f"{SVG}path") if class_ is None or path.attrib["class"] == class_]
    return [
        [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.attrib["d"])] for path in found
    ]


def texts(root: Element) -> list[str]:
    return [found.text or "" for found in root.iter(f"{SVG}text")]


def spots(root: Element) -> Iterator[tuple[float, float]]:
    """Yield the outermost spots of everything that is drawn."""
    for x, y, r in circles(root):
        yield from ((x - r, y - r), (x + r, y + r))
    for line in paths(root):
        yield from line
    for text in root.iter(f"{SVG}text"):
        yield float(text.attrib["x"]), float(text.attrib["y"])
