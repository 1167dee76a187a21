import pytest

from phasewatch.rules.neutral_displacement import NeutralDisplacement, Settings
from phasewatch.rules.rule import Truth
from tests.acceptance import A1, A2, A3, A4, B7, LOOSENING, SEED, Case
from tests.rules.views import MARKS, full, one, view

BALANCED = (398.4, 398.4, 398.4)
NOMINAL_R = 230.016


def shifted(toward_l1_v: float) -> dict[str, float]:
    """Return readings with N pulled toward L1 inside a sound triangle, earth not measured."""
    side = (NOMINAL_R**2 + toward_l1_v**2 + NOMINAL_R * toward_l1_v) ** 0.5
    return full((NOMINAL_R - toward_l1_v, side, side), BALANCED)


@pytest.mark.parametrize(
    ("case", "breached", "severity"),
    [
        (A1, False, "high"),
        (A2, True, "critical"),
        (A3, True, "critical"),
        (A4, True, "high"),
        (B7, False, "high"),
        (SEED, False, "high"),
    ],
)
def test_it_follows_the_verdict(case: Case, breached: bool, severity: str) -> None:
    condition = one(NeutralDisplacement(Settings()), view(case.values))
    assert (condition.breached, condition.severity) == (breached, severity)
    assert condition.cleared is not breached
    assert one(NeutralDisplacement(Settings(severity="low")), view(case.values)).severity == "low"


def letters(volts: list[float]) -> str:
    active, found = False, ""
    for shift_v in volts:
        truth = one(NeutralDisplacement(Settings()), view(shifted(shift_v))).truth(active)
        active, found = truth is Truth.BREACH, found + MARKS[truth]
    return found


def test_it_begins_above_five_percent_and_ends_two_volts_and_a_fifth_below() -> None:
    assert letters([0, 11.4, 11.6, 11.4, 9.3, 9.1, 11.4]) == "ccBBBcc"
    assert letters([200.0, 70.0, 11.6, 10.0, 0.0]) == "BBBBc"


def test_it_gives_limit_and_value_in_volts() -> None:
    condition = one(NeutralDisplacement(Settings()), view(A4.values))
    assert condition.value == pytest.approx(17.51, abs=0.01)
    assert condition.limit == pytest.approx(11.5)
    assert condition.clear_limit == pytest.approx(9.2)
    assert condition.unit == "V"


def test_ordinary_load_clears_it() -> None:
    condition = one(NeutralDisplacement(Settings()), view(B7.values))
    assert condition.cleared is True


def test_another_fault_does_not_clear_it_while_the_neutral_stays_away() -> None:
    # Inside the hysteresis band, with the earth pulled away as well.
    values = {**shifted(10.0), **full((0, 0, 0), None, (180.0, 258.0, 258.0))}
    values.update({name: value for name, value in shifted(10.0).items() if name.endswith("_n")})
    seen = view(values)
    assert seen.diagnosis.verdict.code == "earth_displaced"
    assert one(NeutralDisplacement(Settings()), seen).truth(active=True) is Truth.BREACH


def test_it_is_unknown_without_a_neutral() -> None:
    assert one(NeutralDisplacement(Settings()), view({})).breached is None


def test_a_loosening_neutral_is_seen_before_it_opens() -> None:
    rule = NeutralDisplacement(Settings())
    found = [one(rule, view(full(ln, ll))).breached for _, ln, ll, _, _ in LOOSENING]
    assert found == [False, False, False, True, True]
