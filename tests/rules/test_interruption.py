import pytest

from phasewatch.electrical.supply import Supply
from phasewatch.meters.quantities import LN
from phasewatch.rules.interruption import Interruption, Settings
from phasewatch.rules.rule import Truth
from tests.rules.views import BARE, EN50160, full, one, truths, view
from tests.timeline import readings


@pytest.mark.parametrize(
    ("timeline", "expected"),
    [
        ("230 11.6 11.4 0 230", "ccBBc"),
        ("0 11.6 16.0 16.2 11.6", "BBBcc"),
        ("0 _ 0 _ 230 _", "B?B?c?"),
    ],
)
def test_all_phases_below_five_percent_begin_it_and_any_back_ends_it(timeline: str, expected: str) -> None:
    assert truths(Interruption(Settings()), readings(timeline)) == expected


def test_one_live_phase_ends_it() -> None:
    rule = Interruption(Settings())
    lines = {LN[0]: "0x3", LN[1]: "0 0 230", LN[2]: "0x3"}
    assert truths(rule, readings(lines)) == "BBc"


def test_a_setting_above_the_presets_limit_is_kept() -> None:
    rule = Interruption(Settings(limit_percent=10))
    assert truths(rule, readings("230 23.1 22.9 0")) == "ccBB"
    condition = one(rule, view(dict.fromkeys(LN, 20.0)))
    assert condition.limit == pytest.approx(23.0)
    assert (condition.source, condition.severity) == (None, "high")


def test_the_source_is_the_presets() -> None:
    assert one(Interruption(Settings()), view(dict.fromkeys(LN, 0.0))).source == "EN 50160"
    bare = one(Interruption(Settings()), view(dict.fromkeys(LN, 0.0), limits=BARE))
    assert (bare.breached, bare.source) == (True, None)
    assert bare.limit == pytest.approx(11.5)
    assert EN50160.interruption is not None


def test_inputs_that_never_were_live_are_not_interrupted() -> None:
    seen = view(dict.fromkeys(LN, 0.0), live=(False, False, False))
    assert one(Interruption(Settings()), seen).truth(False) is Truth.CLEAR


@pytest.mark.parametrize(
    "values",
    [
        full((0.0, 0.0, 0.0), (400.0, 400.0, 400.0)),
        full((0.0, 0.0, 0.0), None, (230.0, 230.0, 230.0)),
    ],
)
def test_voltage_between_other_terminals_is_no_interruption(values: dict[str, float]) -> None:
    assert one(Interruption(Settings()), view(values, Supply())).breached is False


@pytest.mark.parametrize(
    ("l1", "l2", "expected"),
    [
        ("0 0 230", "0 _ _", "B?c"),  # an unread phase may still be live; one that is back ends it
        ("230 0", "_ _", "c?"),
    ],
)
def test_an_unread_phase_may_be_the_live_one(l1: str, l2: str, expected: str) -> None:
    lines = {LN[0]: l1, LN[1]: l2, LN[2]: l1}
    assert truths(Interruption(Settings()), readings(lines)) == expected


def test_a_point_of_one_phase_is_interrupted_by_that_one() -> None:
    seen = view({LN[0]: 0.0}, live=(True, False, False))
    assert one(Interruption(Settings()), seen).breached is True
