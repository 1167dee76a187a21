"""Plots: what is drawn stands where its samples say; gaps are gaps; peaks are kept."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.configuration.files import load_messages
from phasewatch.drawing.plot import Chart, Series, plot, stretches, thinned, usual_gap_s
from tests.drawing.drawn import SVG, parsed, paths, size, spots, texts

LANGUAGES: dict[str, dict[str, Any]] = {language: load_messages(language) for language in ("en", "zh")}
EN = LANGUAGES["en"]
AT = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
STEP = [234.0] * 60 + [204.0] * 60
SECONDS = [float(second) for second in range(-60, 60)]
VALUES = st.lists(st.none() | st.floats(-1e6, 1e6) | st.just(math.nan), min_size=0, max_size=40)


def chart(values: list[float | None], **more: Any) -> Chart:
    return Chart(AT, [float(place) for place in range(len(values))], [Series("L1–N", values, "l1")], **more)


@given(VALUES, st.lists(st.floats(-1e6, 1e6), max_size=2), st.none() | st.floats(-10.0, 50.0))
def test_whatever_is_plotted_everything_lies_inside_the_view(
    values: list[float | None], limits: list[float], onset_s: float | None
) -> None:
    root = parsed(plot(chart(values, limits=limits, onset_s=onset_s), EN))
    width, height = size(root)
    for x, y in spots(root):
        assert -0.1 <= x <= width + 0.1, (x, y)
        assert -0.1 <= y <= height + 0.1, (x, y)


def test_a_step_is_drawn_at_its_values_and_the_limit_between_them() -> None:
    shown = Chart(AT, SECONDS, [Series("L1–PE", STEP, "l1")], onset_s=0.0, limits=[207.0])
    root = parsed(plot(shown, EN))
    line = paths(root, "l1")[-1]
    limit_y = paths(root, "limit")[0][0][1]
    assert min(y for _, y in line) < limit_y < max(y for _, y in line)
    assert {"V", "time, UTC", "onset 12:00:07", "limit 207 V", "12:00:00", "L1–PE"} <= set(texts(root))


def test_a_gap_is_a_gap() -> None:
    values: list[float | None] = [1.0, 2.0, None, 3.0, 4.0]
    assert [len(run) for run in stretches([0, 1, 2, 3, 4], values, 2.5)] == [2, 2]
    assert [len(run) for run in stretches([0, 1, 20, 21], [1.0, 2.0, 3.0, 4.0], 2.5)] == [2, 2]
    drawn = plot(chart([230.0, 231.0, None, 232.0, None, 229.0, 228.0]), EN)
    line = [path.attrib["d"] for path in parsed(drawn).iter(f"{SVG}path") if path.attrib["class"] == "l1"][-1]
    assert line.count("M") == 3
    assert line.count("h.1") == 1


def test_the_usual_distance_is_not_that_of_the_gap() -> None:
    assert usual_gap_s([0, 1, 2, 3, 100, 101]) == 2.5
    assert usual_gap_s([5.0]) == 0.0


@given(st.lists(st.floats(0.0, 500.0), min_size=1, max_size=300), st.floats(0.1, 100.0))
def test_thinning_keeps_first_last_and_peaks(values: list[float], column_s: float) -> None:
    run = [(float(place), value) for place, value in enumerate(values)]
    kept = thinned(run, column_s)
    assert kept == sorted(kept)
    assert (kept[0], kept[-1]) == (run[0], run[-1])
    assert {min(values), max(values)} <= {value for _, value in kept}
    assert len(kept) <= 4 * (len(values) / column_s + 2)


def test_a_day_of_seconds_stays_small() -> None:
    values = [230.0 + math.sin(second) for second in range(86400)]
    assert len(plot(chart(list(values)), EN)) < 20_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_samples_it_says_so(language: str) -> None:
    words = LANGUAGES[language]["drawing"]
    root = parsed(plot(chart([]), LANGUAGES[language]))
    assert words["no_samples"] in texts(root)
    assert words["no_samples"] in (root[1].text or "")


def test_steady_values_are_not_blown_up_to_noise() -> None:
    ys = [y for _, y in paths(parsed(plot(chart([230.0, 230.02, 229.99]), EN)), "l1")[-1]]
    assert max(ys) - min(ys) < 5.0


def test_the_times_are_those_of_the_zone_that_is_stated() -> None:
    root = parsed(plot(Chart(AT.astimezone(timezone(timedelta(hours=8))), SECONDS, [Series("N", STEP, "n")]), EN))
    assert {"20:00:00", "time, UTC+08:00"} <= set(texts(root))


def test_a_hostile_name_stays_a_name() -> None:
    name = "<b>&\x07]]>"
    root = parsed(plot(Chart(AT, SECONDS, [Series(name, STEP)]), EN))
    assert "<b>&\ufffd]]>" in texts(root)
