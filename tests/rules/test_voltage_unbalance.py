from math import sqrt

import pytest

from phasewatch.configuration.files import load_limits
from phasewatch.electrical.limits import Limits
from phasewatch.electrical.supply import Supply, System
from phasewatch.rules.voltage_unbalance import Settings, VoltageUnbalance
from tests.rules.views import BARE, EN50160, MARKS, full, one, view

A = complex(-0.5, sqrt(3) / 2)


def uneven(u2_percent: float) -> dict[str, float]:
    """Return readings of a supply with this u2."""
    u2 = 230.0 * u2_percent / 100.0
    p1, p2, p3 = 230 + u2, 230 * A.conjugate() + u2 * A, 230 * A + u2 * A.conjugate()
    return full((abs(p1), abs(p2), abs(p3)), (abs(p1 - p2), abs(p2 - p3), abs(p3 - p1)))


def letters(rule: VoltageUnbalance, shares: list[float]) -> str:
    active, found = False, ""
    for share in shares:
        truth = one(rule, view(uneven(share))).truth(active)
        active, found = MARKS[truth] == "B", found + MARKS[truth]
    return found


@pytest.mark.parametrize(
    ("settings", "shares", "expected"),
    [
        (Settings(), [0, 1.99, 2.01, 1.99, 1.71, 1.69, 1.99], "ccBBBcc"),
        (Settings(limit_percent=3), [2.9, 3.01, 2.71, 2.69], "cBBc"),
        (Settings(limit_percent=0.2), [0.1, 0.21, 0.11, 0.09], "cBBc"),
        (Settings(hysteresis_percent=0), [2.01, 1.99], "Bc"),
    ],
)
def test_u2_is_held_against_the_limit(settings: Settings, shares: list[float], expected: str) -> None:
    assert letters(VoltageUnbalance(settings), shares) == expected


@pytest.mark.parametrize(("share", "severity"), [(2.5, "medium"), (4.01, "high"), (5.01, "critical")])
def test_more_unbalance_is_more_severe(share: float, severity: str) -> None:
    assert one(VoltageUnbalance(Settings()), view(uneven(share))).severity == severity
    assert one(VoltageUnbalance(Settings(severity="low")), view(uneven(share))).severity == "low"


def test_without_line_voltages_it_is_unknown() -> None:
    assert one(VoltageUnbalance(Settings()), view(full((230.0, 220.0, 240.0)))).breached is None


# L12, L23, L31 of domain practice: u2 1.15 %, LVUR 1.00 %.
UNEVEN = full((231.0, 229.0, 233.0), (400.0, 396.0, 404.0))


@pytest.mark.parametrize(
    ("settings", "limits", "detail", "value", "limit", "source"),
    [
        (Settings(), EN50160, "u2", 1.15, 2.0, "EN 50160"),
        (Settings(), BARE, "u2", 1.15, 2.0, None),
        (Settings(), load_limits("nema-mg-1"), "LVUR", 1.0, 1.0, "NEMA MG 1"),
        (Settings(), load_limits("ansi-c84-1"), "LVUR", 1.0, 3.0, "ANSI C84.1"),
        (Settings(limit_percent=0.5), load_limits("ansi-c84-1"), "LVUR", 1.0, 0.5, None),
        (Settings(measure="u2"), load_limits("ansi-c84-1"), "u2", 1.15, 2.0, None),
        (Settings(measure="pvur", limit_percent=3.0), EN50160, "PVUR", 0.87, 3.0, None),
    ],
)
def test_the_measure_is_that_of_the_preset(
    settings: Settings, limits: Limits, detail: str, value: float, limit: float, source: str | None
) -> None:
    condition = one(VoltageUnbalance(settings), view(UNEVEN, limits=limits))
    assert (condition.said(), condition.limit, condition.source) == (detail, limit, source)
    assert condition.value == pytest.approx(value, abs=0.006)


def test_what_a_network_may_deliver_is_no_more_than_advice() -> None:
    condition = one(VoltageUnbalance(Settings(limit_percent=1)), view(uneven(1.5)))
    assert (condition.breached, condition.severity) == (True, "low")


@pytest.mark.parametrize("system", ["split_phase", "high_leg", "single_phase"])
def test_a_supply_without_three_phases_has_no_unbalance(system: System) -> None:
    seen = view(full((120.0, 120.0, 0.0), (240.0, 120.0, 120.0)), Supply(nominal_v=120, system=system))
    assert list(VoltageUnbalance(Settings()).judge(seen)) == []
