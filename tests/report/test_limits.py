"""The limits that a report tells are those that the rules judge by."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from phasewatch.configuration.site import LoadedSite
from phasewatch.electrical.diagnosis import diagnose
from phasewatch.meters.quantities import FREQUENCY, LL, LN, LPE, NPE
from phasewatch.meters.reading import Reading
from phasewatch.report.limits import BUILT_IN, OWN, circles, limits_in_force
from phasewatch.rules.catalogue import POINT_RULES
from phasewatch.rules.rule import View
from phasewatch.service.build import build_watch, supply_of
from tests.report.told import SITE, site

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
    told = {limit.rule: limit for limit in limits_in_force(loaded, "main")}
    supply = supply_of(loaded, "main")
    view = View(
        Reading("main", datetime(2026, 1, 1, tzinfo=UTC), 0.0, VALUES, {}),
        diagnose(VALUES, supply),
        loaded.limits[preset],
    )
    for name in (*RULES, *EVENTS):
        judged = list(POINT_RULES[name].make(loaded.site.rules_of("main")[name]).judge(view))
        limits = {round(one.limit, 6): one.source for one in judged if one.limit is not None}
        if name not in told:
            assert limits == {}, name
            continue
        bounds = {round(bound, 6) for bound in (told[name].low, told[name].high) if bound is not None}
        assert set(limits) <= bounds, name
        for source in limits.values():
            assert source in (None, told[name].source), name


def test_own_limits_say_that_they_are_own_and_disabled_rules_have_none(tmp_path: Path) -> None:
    told = {limit.rule: limit for limit in limits_in_force(site(tmp_path), "workshop")}
    assert (told["neutral_earth_voltage"].high, told["neutral_earth_voltage"].source) == (2.5, OWN)
    assert "voltage_unbalance" not in told
    assert told["neutral_displacement"].source == BUILT_IN


def test_a_picture_shows_the_same_limits(tmp_path: Path) -> None:
    loaded: LoadedSite = site(tmp_path)
    shown = circles(loaded, "workshop")
    assert (shown.neutral_v, shown.neutral_earth_v) == (11.5, 2.5)
    assert shown.earth_v == supply_of(loaded, "workshop").displacement_floor_v
    assert build_watch(loaded, "x", {})[0].points["workshop"].supply.resolution_v == shown.resolution_v
