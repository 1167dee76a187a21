"""The picture: what is drawn stands where its numbers say, and what is not known is said."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.configuration.files import load_messages
from phasewatch.drawing.phasor_diagram import LENS, WIDTH, picture, reach_v
from phasewatch.drawing.places import IDEAL, Limits, ideal_centre, places
from phasewatch.drawing.svg import STYLE
from phasewatch.electrical.diagnosis import diagnose, numbers
from phasewatch.electrical.supply import Supply
from phasewatch.meters.quantities import LN, VOLTAGES
from tests.acceptance import CASES, SEED
from tests.drawing.drawn import circles, parsed, paths, size, spots, texts

LANGUAGES: dict[str, dict[str, Any]] = {language: load_messages(language) for language in ("en", "zh")}
EN = LANGUAGES["en"]
LIMITS = Limits(neutral_v=11.5, earth_v=7.2, neutral_earth_v=5.0, resolution_v=2.9)
BY_ID = {case.id: case.values for case in CASES}
READINGS = st.dictionaries(st.sampled_from(VOLTAGES), st.floats(0.0, 2000.0) | st.just(230.0))


def drawn(readings: dict[str, float], limits: Limits = LIMITS, language: str = "en") -> str:
    return picture(readings, numbers(diagnose(readings, Supply())), LANGUAGES[language], limits, nominal_v=230.0)


@given(READINGS)
def test_whatever_is_read_everything_drawn_lies_inside_the_view(readings: dict[str, float]) -> None:
    root = parsed(drawn(readings))
    width, height = size(root)
    for x, y in spots(root):
        assert -0.1 <= x <= width + 0.1, (x, y)
        assert -0.1 <= y <= height + 0.1, (x, y)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_picture_is_small_and_says_what_it_is(case: Any, language: str) -> None:
    svg = drawn(case.values, language=language)
    assert len(svg.encode()) < 6000
    root = parsed(svg)
    assert root.attrib["role"] == "img"
    title, desc = root[0], root[1]
    assert (title.tag[-5:], desc.tag[-4:]) == ("title", "desc")
    assert title.text
    assert desc.text
    assert root.attrib["aria-labelledby"].split() == [title.attrib["id"], desc.attrib["id"]]
    assert "{" not in desc.text


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert drawn(SEED.values) == drawn(dict(reversed(SEED.values.items())))


@given(st.floats(0.0, 40.0), st.floats(-180.0, 180.0))
def test_a_small_shift_stands_in_the_lens_at_its_place(shift_v: float, shift_deg: float) -> None:
    readings = dict.fromkeys(LN, 230.0)
    told = {"neutral_shift_v": shift_v, "neutral_shift_deg": shift_deg, "earth_shift_v": None, "neutral_earth_v": None}
    root = parsed(picture(readings, told, EN, LIMITS, nominal_v=230.0))
    mark = circles(root, "dot mark")[0]
    scale = LENS.radius / reach_v(places(readings, told), LIMITS)
    angle = math.radians(shift_deg)
    assert mark.x == pytest.approx(LENS.x - scale * shift_v * math.sin(angle), abs=0.06)
    assert mark.y == pytest.approx(LENS.y - scale * shift_v * math.cos(angle), abs=0.06)


def test_five_volts_can_be_seen() -> None:
    told = {"neutral_shift_v": 0.0, "earth_shift_v": 5.0, "earth_shift_deg": 0.0, "neutral_earth_v": 5.0}
    root = parsed(picture(dict.fromkeys(LN, 230.0), told, EN, LIMITS, nominal_v=230.0))
    n, diamond = circles(root, "dot mark")[0], paths(root, "pe mark")[0]
    assert n.y - sum(y for _, y in diamond) / 4.0 > 20.0


def test_the_founding_case_shows_the_earth_toward_l1_beyond_its_limit() -> None:
    root = parsed(drawn(SEED.values))
    n, diamond = circles(root, "dot mark")[0], paths(root, "pe mark")[0]
    pe_y = sum(y for _, y in diamond) / 4.0
    assert n.x == pytest.approx(LENS.x, abs=0.1)
    assert pe_y < n.y - max(ring.r for ring in circles(root, "limit"))
    assert {"PE 30 V off", "toward L1", "triangle assumed", "magnified: rim at 40 V"} <= set(texts(root))


def test_a_neutral_far_off_is_drawn_in_the_triangle_itself() -> None:
    root = parsed(drawn(BY_ID["A2"]))
    outline = paths(root, "n")[0]
    centre = sum(x for x, _ in outline) / 3.0, sum(y for _, y in outline) / 3.0
    scale = math.dist(centre, outline[0]) / (400.0 / math.sqrt(3.0))
    n = circles(root, "dot mark")[0]
    assert math.dist((n.x, n.y), centre) / scale == pytest.approx(128.3, abs=0.5)
    assert not any("magnified" in text for text in texts(root))
    for corner, volts in zip(outline, (107.3, 299.4, 329.0), strict=True):
        assert math.dist((n.x, n.y), corner) / scale == pytest.approx(volts, abs=0.6)


def test_a_lost_corner_leaves_the_ideal_triangle_where_the_others_are() -> None:
    found = places(BY_ID["A5"], numbers(diagnose(BY_ID["A5"], Supply())))
    centre = ideal_centre(found, 230.9)
    assert found.corners is not None
    away = [abs(corner - centre - 230.9 * ideal) for corner, ideal in zip(found.corners, IDEAL, strict=True)]
    assert away[0] < 1.0
    assert away[1] > 200.0
    assert away[2] < 1.0


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_missing_is_not_drawn_and_said(language: str) -> None:
    words = LANGUAGES[language]["drawing"]
    root = parsed(drawn({}, language=language))
    assert circles(root, "dot mark") == []
    assert paths(root, "pe mark") == []
    told = {words["not_determined"].format(point=point) for point in ("N", "PE")} | {words["no_triangle"]}
    assert told <= set(texts(root))
    assert all(part in (root[1].text or "") for part in told)


def test_an_earth_known_by_distance_alone_is_a_ring_around_the_neutral() -> None:
    readings = {**dict.fromkeys(LN, 230.0), "voltage_n_pe": 4.8}
    root = parsed(drawn(readings))
    n, ring = circles(root, "dot mark")[0], circles(root, "pe")[0]
    scale = LENS.radius / reach_v(places(readings, numbers(diagnose(readings, Supply()))), LIMITS)
    assert (ring.x, ring.y) == (n.x, n.y)
    assert ring.r == pytest.approx(4.8 * scale, abs=0.06)


def test_numbers_that_are_none_draw_nothing() -> None:
    wild = {"neutral_shift_v": math.nan, "earth_shift_v": math.inf, "neutral_earth_v": math.nan}
    root = parsed(picture(dict.fromkeys(LN, math.nan), wild, EN, LIMITS, nominal_v=230.0))
    assert circles(root, "dot mark") == []


def test_hostile_words_stay_words() -> None:
    hostile = '</text><script>alert("1")</script>&\x00{'
    words = {key: hostile.replace("{", "") for key in EN["drawing"]}
    svg = picture(SEED.values, {}, {"drawing": words}, LIMITS)
    root = parsed(svg)
    assert "<script" not in svg
    assert '</text><script>alert("1")</script>&\ufffd' in texts(root)


def test_a_page_of_many_pictures_has_the_style_once() -> None:
    assert STYLE in picture(SEED.values, {}, EN)
    assert "<style>" not in picture(SEED.values, {}, EN, style=False)


def test_it_fits_a_phone() -> None:
    assert WIDTH <= 320.0
