"""Colours: readable on both papers, and never the only thing that tells."""

from itertools import combinations

import pytest

from phasewatch.drawing.phasor_diagram import LIMIT_DASHES
from phasewatch.drawing.svg import COLOURS, DASHES, PAPERS, STYLE


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2."""
    shares = [int(colour[place : place + 2], 16) / 255.0 for place in (1, 3, 5)]
    r, g, b = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("name", COLOURS)
def test_every_colour_is_readable_on_its_paper(name: str) -> None:
    for colour, paper in zip(COLOURS[name], PAPERS, strict=True):
        low, high = sorted((luminance(colour), luminance(paper)))
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_phases_and_limits_differ_without_any_colour() -> None:
    assert all(DASHES[one] != DASHES[other] for one, other in combinations(("l1", "l2", "l3"), 2))
    assert len(set(LIMIT_DASHES.values())) == len(LIMIT_DASHES)


def test_the_style_loads_nothing() -> None:
    assert "url(" not in STYLE
    assert "@import" not in STYLE
