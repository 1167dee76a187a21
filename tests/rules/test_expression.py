import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.electrical.diagnosis import NUMBERS, numbers
from phasewatch.meters.quantities import UNITS
from phasewatch.rules.expression import (
    LONGEST,
    MOST_WORDS,
    NAMES,
    Expression,
    ExpressionError,
    Settings,
    check,
    compiled,
    named,
)
from phasewatch.rules.rule import Condition, View
from tests.rules.views import full, one, view

HOT = "current_n > 25 and u2_percent < 1"
HEALTHY = full((230.0, 231.0, 232.0), (400.0, 399.0, 401.0))


def judged(expression: str, **values: float) -> bool | None:
    return compiled(expression)(view(values))


def told(condition: Condition) -> str:
    return condition.said()


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("current_n > 25", True),
        ("current_n > 25 and frequency < 49", False),
        ("current_n > 25 or frequency < 49", True),
        ("not current_n > 25", False),
        ("not (current_n > 25 and frequency < 49)", True),
        ("current_n >= 30 and current_n <= 30 and current_n == 30 and not current_n != 30", True),
        ("current_n - 10 - 5 == 15", True),
        ("current_n / 2 / 3 == 5", True),
        ("current_n + 2 * 3 == 36", True),
        ("(current_n + 2) * 3 == 96", True),
        ("-current_n < -29.5", True),
        ("current_n > 2.5e1 and current_n > .5 and current_n > 25.", True),
        ("frequency < 49 and current_n > 25 or current_n > 29", True),
        ("frequency < 49 and (current_n > 25 or current_n > 29)", False),
        ("current_n\n  >\t25", True),
    ],
)
def test_the_language(expression: str, holds: bool) -> None:
    assert judged(expression, current_n=30.0, frequency=50.0) is holds


TRUE, FALSE, MISSING = "current_n > 25", "current_n < 25", "frequency > 1"


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        (MISSING, None),
        (f"not {MISSING}", None),
        (f"{TRUE} and {MISSING}", None),
        (f"{MISSING} and {TRUE}", None),
        (f"{FALSE} and {MISSING}", False),
        (f"{MISSING} and {FALSE}", False),
        (f"{TRUE} or {MISSING}", True),
        (f"{MISSING} or {TRUE}", True),
        (f"{FALSE} or {MISSING}", None),
        (f"{MISSING} or {FALSE}", None),
        (f"{MISSING} and {MISSING}", None),
        (f"{MISSING} or {MISSING}", None),
        ("current_n + frequency > 0", None),
        ("-frequency < 0", None),
    ],
)
def test_what_is_missing_leaves_unknown_only_what_hangs_on_it(expression: str, holds: bool | None) -> None:
    assert judged(expression, current_n=30.0) is holds


@pytest.mark.parametrize(
    "expression",
    [
        "current_n / frequency > 1",
        "not current_n / frequency > 1",
        "current_n * 1e300 * 1e300 > 1",
        "0 / frequency == 0",
    ],
)
def test_what_cannot_be_calculated_is_missing(expression: str) -> None:
    assert judged(expression, current_n=30.0, frequency=0.0) is None


@given(st.dictionaries(st.sampled_from(sorted(UNITS)), st.floats(0.0, 1e6), max_size=6))
def test_a_breach_never_comes_from_missing_data(values: dict[str, float]) -> None:
    expression = "current_n > 5 and (voltage_l1_n < 200 or not frequency > 49) or thd_voltage_l1 / current_l1 > 3"
    if judged(expression, **values):
        neutral = values.get("current_n", 0.0) > 5
        low = values.get("voltage_l1_n", math.inf) < 200 or values.get("frequency", math.inf) <= 49
        distorted = values.get("thd_voltage_l1", 0.0) > 3 * values.get("current_l1", math.inf)
        assert (neutral and low) or distorted


@pytest.mark.parametrize("name", NAMES)
def test_every_quantity_and_every_number_has_its_name(name: str) -> None:
    seen = view({**HEALTHY, **dict.fromkeys(UNITS.keys() - HEALTHY.keys(), 7.0)})
    rule = Expression("mine", Settings(expression=f"{name} > -1e6"))
    condition = one(rule, seen)
    assert condition.breached is True
    assert told(condition).startswith(f"{name} > -1e6 ({name} = ")


def test_the_numbers_are_those_of_the_diagnosis() -> None:
    shown = numbers(view(HEALTHY).diagnosis)
    assert NUMBERS.keys() <= shown.keys()
    assert {name for name, value in shown.items() if isinstance(value, float)} <= NUMBERS.keys()
    assert judged(f"neutral_shift_v > {shown['neutral_shift_v'] - 0.01}", **HEALTHY) is True
    assert judged("earth_shift_v > 0", **HEALTHY) is None


BAD = [
    ("", "names no quantity"),
    ("1 > 2", "names no quantity"),
    ("current_n >", "it ends too early"),
    ("(current_n > 1", "it ends too early"),
    ("current_n > 1)", "')' at character 14 is unexpected"),
    ("25 < current_n < 50", "'<' at character 16 is unexpected"),
    ("current_n > 5 A", "A is no quantity"),
    ("curent_n > 1", "did you mean current_n"),
    ("u2 > 1", "u2 is no quantity"),
    ("current_n > 1 AND u2_percent < 1", "AND is no quantity and no number of the diagnosis; did you mean and"),
    ("current_n", "has a number where a condition belongs"),
    ("current_n and u2_percent < 1", "has a number where a condition belongs"),
    ("u2_percent < 1 or current_n", "has a number where a condition belongs"),
    ("not current_n", "has a number where a condition belongs"),
    ("(current_n > 1) + 1 > 2", "data type mismatch"),
    ("(current_n > 1) > 0", "data type mismatch"),
    ("(current_n > 1) == (u2_percent > 1)", "has a condition where a number belongs"),
    ("current_n > 1 and 1 > 2", "compares two plain numbers"),
    ("current_n > 1 / 0", "division by zero"),
    ("current_n > 1e999", "too large"),
    ("current_n > 007", "leading zeros"),
    ("9 ** 9 ** 9 > current_n", "'** 9 ** 9 ' at character 3 is not understood"),
    ("current_n // 2 > 1", "is not understood"),
    ("current_n > 1 << 999999999999", "is not understood"),
    ("current_n % 2 == 1", "is not understood"),
    ("current_n ^ 2 > 1", "is not understood"),
    ("current_n.real > 1", "'.real > 1' at character 10 is not understood"),
    ("current_n > 1 # why", "is not understood"),
    ("current_n == 'x'", "is not understood"),
    ("current_n =~ current_n", "is not understood"),
    ("[current_n] == [1]", "is not understood"),
    ("$now > current_n", "is not understood"),
    ("current_n > ٣", "is not understood"),
    ("max(current_n, 1) > 1", "is not understood"),
    ("abs(current_n) > 1", "abs is no quantity"),
    ("current_n > 1 if true else false", "if is no quantity"),
    ("inf > current_n", "inf is no quantity"),
    ("__import__ > current_n", "__import__ is no quantity"),
    ("(" * 99 + "current_n" + ")" * 99 + " > 1", f"{MOST_WORDS} at most"),
    ("not " * 3000 + "current_n > 1", f"{LONGEST} at most"),
    ("current_n > " + "1" * 10_000, f"{LONGEST} at most"),
]


@pytest.mark.parametrize(("expression", "message"), BAD, ids=[text[:24].strip() for text, _ in BAD])
def test_what_is_outside_the_language_is_refused_when_it_is_loaded(expression: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        check(expression)
    assert message in str(caught.value)


@given(st.text(max_size=60) | st.text("current_n>1 and()or-+*/.<=!", max_size=60))
def test_any_text_is_used_or_refused(text: str) -> None:
    try:
        holds = compiled(text)
    except ExpressionError:
        return
    assert holds(view({"current_n": 3.0})) in (True, False, None)


@pytest.mark.parametrize(
    "expression",
    [
        "not " * 90 + "current_n > 1",
        "current_n > " + "-" * 95 + "1",
        "current_n > " + "-" * 95 + "frequency",
        "current_n" + "+1" * 47 + " > 1",
        "(" * 40 + "current_n" + ")" * 40 + " > 1",
        " or ".join(["current_n > 1"] * 23),
    ],
)
def test_the_deepest_that_is_let_through_can_be_judged(expression: str) -> None:
    assert judged(expression, current_n=30.0, frequency=50.0) is not None


def test_names_are_found_once_each_in_their_order() -> None:
    assert named("u2_percent > 1 and current_n > u2_percent or not current_l1 > 2") == (
        "u2_percent",
        "current_n",
        "current_l1",
    )


def rule(expression: str = HOT) -> Expression:
    return Expression("hot_neutral", Settings(expression=expression, severity="high"))


def seen(current_n: float | None) -> View:
    return view(HEALTHY if current_n is None else {**HEALTHY, "current_n": current_n})


def test_it_is_breached_clear_or_unknown_without_hysteresis_and_without_limits() -> None:
    conditions = [one(rule(), seen(current_a)) for current_a in (30.0, 25.0, None)]
    assert [(c.breached, c.cleared) for c in conditions] == [(True, False), (False, True), (None, None)]
    assert [c.severity for c in conditions[:2]] == ["high", "high"]
    assert {(c.phase, c.value, c.limit, c.clear_limit, c.unit) for c in conditions} == {(None, None, None, None, None)}


def test_it_tells_the_condition_with_what_its_names_stand_for() -> None:
    condition = one(rule("current_n > 25\n  and u2_percent < 1"), seen(31.24))
    assert told(condition) == "current_n > 25 and u2_percent < 1 (current_n = 31.24 A, u2_percent = 0.2887 %)"


def test_a_missing_value_is_not_told() -> None:
    condition = one(rule("current_n > 25 or frequency < 49"), seen(31.24))
    assert told(condition) == "current_n > 25 or frequency < 49 (current_n = 31.24 A)"
