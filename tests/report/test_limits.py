"""The limits that a report tells are those that the rules judge by."""

import cmath
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from phasewatch.configuration.site import LoadedSite
from phasewatch.electrical.diagnosis import diagnose
from phasewatch.electrical.supply import Supply
from phasewatch.meters.quantities import FREQUENCY, LL, LN, LPE, NPE
from phasewatch.meters.reading import Reading
from phasewatch.rules.catalogue import POINT_RULES
from phasewatch.rules.rule import View
from phasewatch.service.build import build_watch, circles, limits_in_force, supply_of
from tests.report.told import SITE, site
from tests.rules.views import BARE

VALUES = {
    **dict.fromkeys(LN, 231.0),
    **dict.fromkeys(LL, 400.0),
    **dict.fromkeys(LPE, 231.0),
    NPE: 0.5,
    FREQUENCY: 50.0,
}
PRESETS = ("en50160", "gbt", "ansi-c84-1", "uk-esqcr", "india", "data-centre", "gbt-12325")
RULES = ("voltage_deviation", "voltage_unbalance", "neutral_displacement", "earth_displacement", "frequency_deviation")
EVENTS = ("voltage_dip", "voltage_swell", "interruption", "neutral_earth_voltage")


@pytest.mark.parametrize("system", ["TN-S", "IT", "three_wire", "split_phase"])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_told_limit_is_one_that_the_rule_judges_by(tmp_path: Path, preset: str, system: str) -> None:
    loaded = site(tmp_path, SITE + f"supply: {{limits: {preset}, system: {system}}}\n")
    told = dict(limits_in_force(loaded, "main"))
    supply = supply_of(loaded, "main")
    values = {name: value for name, value in VALUES.items() if name in loaded.sources_of("main")}
    view = View(
        Reading("main", datetime(2026, 1, 1, tzinfo=UTC), 0.0, values, {}),
        diagnose(values, supply),
        loaded.limits[preset],
    )
    for name in (*RULES, *EVENTS):
        judged = list(POINT_RULES[name](loaded.site.rules_of("main")[name]).judge(view))
        limits = {round(one.limit, 6): one.source for one in judged if one.limit is not None}
        if name not in told:
            assert limits == {}, name
            continue
        bounds = {round(bound, 6) for bound in (told[name].low, told[name].high) if bound is not None}
        assert set(limits) <= bounds, name
        for source in limits.values():
            assert source in (None, told[name].source), name


def test_own_limits_say_that_they_are_own_and_disabled_rules_have_none(tmp_path: Path) -> None:
    told = dict(limits_in_force(site(tmp_path), "workshop"))
    assert (told["neutral_earth_voltage"].high, told["neutral_earth_voltage"].own) == (2.5, True)
    assert "voltage_unbalance" not in told
    assert (told["neutral_displacement"].source, told["neutral_displacement"].own) == (None, False)


def test_a_picture_shows_the_same_limits(tmp_path: Path) -> None:
    loaded: LoadedSite = site(tmp_path)
    shown = circles(loaded, "workshop")
    assert (shown.neutral_v, shown.neutral_earth_v) == (11.5, 2.5)
    assert shown.earth_v == 25.0  # neutral to earth is read, and no phase to earth
    assert circles(loaded, "main").earth_v == supply_of(loaded, "main").displacement_floor_v
    assert build_watch(loaded, "x", {})[0].points["workshop"].supply.resolution_v == shown.resolution_v


def test_on_an_isolated_supply_everybody_names_the_limit_that_the_verdict_is_found_by(tmp_path: Path) -> None:
    loaded = site(tmp_path, SITE + "supply: {system: IT}\n")
    supply = supply_of(loaded, "main")
    limit_v = dict(limits_in_force(loaded, "main"))["earth_displacement"].high
    assert limit_v == pytest.approx(34.5)
    assert circles(loaded, "main").earth_v == limit_v
    for shift_v, code in ((33.0, "normal"), (36.0, "earth_displaced")):
        away = {name: abs(corner - shift_v) for name, corner in zip(LPE, triangle(supply.nominal_v), strict=True)}
        values = dict.fromkeys(LN, supply.nominal_v) | dict.fromkeys(LL, supply.line_v) | away
        verdict = diagnose(values, supply).verdict
        assert verdict.code == code
        view = View(Reading("w", datetime(2026, 1, 1, tzinfo=UTC), 0.0, values, {}), diagnose(values, supply), BARE)
        rule = POINT_RULES["earth_displacement"]
        (condition,) = rule(rule.settings_model()).judge(view)
        assert condition.limit == pytest.approx(limit_v)
        assert condition.breached is (code != "normal")


def test_a_direct_reading_alone_is_held_to_its_own_limit() -> None:
    supply, values = Supply(), {**dict.fromkeys(LN, 230.0), NPE: 20.0}
    rule = POINT_RULES["earth_displacement"]
    view = View(Reading("w", datetime(2026, 1, 1, tzinfo=UTC), 0.0, values, {}), diagnose(values, supply), BARE)
    (condition,) = rule(rule.settings_model()).judge(view)
    assert (condition.limit, condition.breached) == (25.0, False)
    assert [limit.high for limit in rule(rule.settings_model()).limits(view)] == [25.0]


def test_a_verdict_is_found_by_the_sites_own_limits(tmp_path: Path) -> None:
    narrow = (
        SITE
        + "rules: {voltage_deviation: {lower_percent: -5, upper_percent: 5}, voltage_unbalance: {limit_percent: 3}}\n"
    )
    supply = supply_of(site(tmp_path, narrow), "main")
    assert (supply.low_percent, supply.high_percent, supply.u2_limit_percent) == (-5, 5, 3)
    assert diagnose(dict.fromkeys(LN, 243.0), supply).verdict.code == "overvoltage"


def triangle(radius_v: float) -> list[complex]:
    """Return the corners of a healthy supply."""
    return [radius_v * cmath.exp(-2j * math.pi * phase / 3.0) for phase in range(3)]
