"""The user's own condition over quantities and numbers of the diagnosis, such as `current_n > 25 and u2_percent < 1`.

rule-engine parses it and checks its types when the site file is loaded; what it accepted is then made into plain
functions, once. So a judgement is fast, and a missing quantity has a meaning that no library knows: unknown. Chosen by:

| library | types checked at load | one judgement | ready on | why, why not |
|---|---|---|---|---|
| rule-engine 5.1 | names, operands | 9 us (0.5 us as functions) | any: pure Python | `and or not`, stable, BSD-3 |
| common-expression-language 0.10 | no | 1.9 us | x86-64, ARM wheels | `&&`, `1` is no `1.0`, beta, 6 MB binary |
| cel-python 0.5 | no | 157 us | any, but re2 is C++ | beta, slow, six dependencies |
| simpleeval 1.0 | no: wrong names and types show at run time | 2.2 us | any | untyped |
| asteval 1.0 / numexpr 2.14 | no | 5 us / 2.8 us (numpy) | any / wheels | a language of statements / made for arrays |

Of the language only numbers, names, `+ - * /`, comparisons, `and`, `or`, `not` and brackets are let through: no calls,
attributes, strings, powers or shifts, so nothing in it can take long or see anything but the reading.
"""

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import lru_cache, partial
from math import isfinite
from operator import add, eq, ge, gt, le, lt, mul, ne, sub
from typing import Annotated, Any, Final

from pydantic import AfterValidator

from phasewatch.electrical.diagnosis import NUMBERS
from phasewatch.meters.quantities import UNITS
from phasewatch.rules.rule import UNKNOWN, Condition, RuleSettings, View

LONGEST: Final = 400
"""Characters of an expression."""
MOST_WORDS: Final = 100
"""Numbers, names and signs of an expression; it bounds how deep it can be nested."""

NAMES: Final = (*UNITS, *NUMBERS)
"""Everything an expression can name."""

Amount = Callable[[View], float | None]
"""A number of a view; None: missing."""
Holds = Callable[[View], bool | None]
"""A condition of a view; None: it hangs on what is missing."""

_WORD: Final = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>[<>=!]=|<(?!<)|>(?!>)|\*(?!\*)|/(?!/)|[-+()]))",
    re.ASCII,
)
_LOGIC: Final = ("and", "or", "not")


class ExpressionError(ValueError):
    """An expression that cannot be used; the message names what and where."""


def check(text: str) -> str:
    """Return the expression if it can be used. Raises: ExpressionError."""
    compiled(text)
    return text


class Settings(RuleSettings):
    """The condition, and how long it has to hold; an expression has no hysteresis of its own."""

    expression: Annotated[str, AfterValidator(check)]


class Expression:
    """One rule of the user's own, under the name that the site file gives it."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings
        self._holds = compiled(settings.expression)
        self._used = tuple((word, _amount_of(word), _unit(word)) for word in named(settings.expression))
        self._clear = (Condition(False, True, severity=settings.severity or "medium"),)

    def judge(self, view: View) -> tuple[Condition, ...]:
        """Return the one condition of the point; unknown where it hangs on what is missing."""
        holds = self._holds(view)
        if holds is None:
            return (UNKNOWN,)
        if not holds:
            return self._clear
        return (Condition(True, False, severity=self.settings.severity or "medium", detail=partial(self._told, view)),)

    def _told(self, view: View) -> str:
        """Return the expression with what its names stand for now."""
        values = ((name, amount(view), unit) for name, amount, unit in self._used)
        told = (f"{name} = {value:.4g} {unit}" for name, value, unit in values if value is not None)
        return f"{' '.join(self.settings.expression.split())} ({', '.join(told)})"


@lru_cache(maxsize=512)
def compiled(text: str) -> Holds:
    """Return what judges an expression. Raises: ExpressionError."""
    if not named(text):
        raise ExpressionError(f"names no quantity; such as {', '.join(NAMES[:3])} or u2_percent")
    return _condition(_parsed(text))


def named(text: str) -> tuple[str, ...]:
    """Return the names in an expression, each once. Raises: ExpressionError for anything outside the language."""
    if len(text) > LONGEST:
        raise ExpressionError(f"has {len(text)} characters; {LONGEST} at most")
    words = list(_words(text))
    if len(words) > MOST_WORDS:
        raise ExpressionError(f"has {len(words)} words and signs; {MOST_WORDS} at most")
    names = [word for kind, word in words if kind == "name" and word not in _LOGIC]
    for name in names:
        if name not in NAMES:
            near = get_close_matches(name.lower(), (*NAMES, *_LOGIC), n=3)
            remedy = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(NAMES)}"
            raise ExpressionError(f"{name} is no quantity and no number of the diagnosis; {remedy}")
    return tuple(dict.fromkeys(names))


def _words(text: str) -> Iterator[tuple[str, str]]:
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _WORD.match(text, place)
        if match is None:
            there = text[place:].lstrip()
            raise ExpressionError(
                f"{there[:10]!r} at character {end - len(there.rstrip()) + 1} is not understood; there are numbers,"
                " names, + - * /, < <= > >= == !=, and, or, not, and round brackets"
            )
        yield str(match.lastgroup), match[str(match.lastgroup)]
        place = match.end()


def _parsed(text: str) -> Any:
    """Return the root of the checked syntax tree."""
    import rule_engine  # here, because a site without expressions need not wait 0.3 s for its tables

    types = dict.fromkeys(NAMES, rule_engine.DataType.FLOAT)
    context = rule_engine.Context(type_resolver=types, default_timezone="utc")
    try:
        return rule_engine.Rule(text, context=context).statement.expression
    except rule_engine.errors.RuleSyntaxError as error:
        token = error.token
        where = (
            "it ends too early" if token is None else f"{token.value!r} at character {token.lexpos + 1} is unexpected"
        )
        raise ExpressionError(f"{where}; write it as current_n > 25 and u2_percent < 1") from error
    except rule_engine.errors.EngineError as error:
        raise ExpressionError(
            f"{error.message}; numbers are compared with numbers, conditions joined by and, or, not"
        ) from error


def _condition(node: Any) -> Holds:
    """Return the function of a node that says yes or no. Raises: ExpressionError for one that is a number."""
    kind, sign = type(node).__name__, getattr(node, "type", None)
    if kind == "LogicExpression":
        left, right = _condition(node.left), _condition(node.right)
        return _both(left, right) if sign == "and" else _either(left, right)
    if kind == "UnaryExpression" and sign == "not":
        return _not(_condition(node.right))
    if sign in _COMPARISONS:
        return _compared(_COMPARISONS[sign], _amount(node.left), _amount(node.right))
    raise ExpressionError(
        "has a number where a condition belongs; compare it, as current_n > 25"
        if kind != "BooleanExpression"
        else "compares two plain numbers; compare a quantity"
    )


def _amount(node: Any) -> Amount:
    """Return the function of a node that is a number. Raises: ExpressionError for one that is a condition."""
    kind, sign = type(node).__name__, getattr(node, "type", None)
    if kind == "FloatExpression":
        return _constant(float(node.value))
    if kind == "SymbolExpression":
        return _amount_of(node.name)
    if kind == "UnaryExpression" and sign == "uminus":
        return _calculated(sub, _constant(0.0), _amount(node.right))
    if sign in _ARITHMETIC:
        return _calculated(_ARITHMETIC[sign], _amount(node.left), _amount(node.right))
    raise ExpressionError("has a condition where a number belongs; join conditions by and, or, not")


def _amount_of(name: str) -> Amount:
    if name in NUMBERS:
        number = NUMBERS[name]
        return lambda view: number(view.diagnosis)
    return lambda view: view.reading.values.get(name)


def _constant(value: float) -> Amount:
    if not isfinite(value):
        raise ExpressionError("has a number too large to calculate with")
    return lambda _view: value


def _calculated(calculate: Callable[[float, float], float | None], left: Amount, right: Amount) -> Amount:
    def amount(view: View) -> float | None:
        a, b = left(view), right(view)
        if a is None or b is None:
            return None
        value = calculate(a, b)
        return value if value is not None and isfinite(value) else None

    return amount


def _divided(a: float, b: float) -> float | None:
    return a / b if b else None


def _compared(compare: Callable[[float, float], bool], left: Amount, right: Amount) -> Holds:
    def holds(view: View) -> bool | None:
        a, b = left(view), right(view)
        return None if a is None or b is None else compare(a, b)

    return holds


def _both(left: Holds, right: Holds) -> Holds:
    """Return `and`: false as soon as one side is, whatever the other is missing."""

    def holds(view: View) -> bool | None:
        a = left(view)
        if a is False:
            return False
        b = right(view)
        return b if a or b is False else None

    return holds


def _either(left: Holds, right: Holds) -> Holds:
    """Return `or`: true as soon as one side is, whatever the other is missing."""

    def holds(view: View) -> bool | None:
        a = left(view)
        if a:
            return True
        b = right(view)
        return b if a is False or b else None

    return holds


def _not(side: Holds) -> Holds:
    def holds(view: View) -> bool | None:
        a = side(view)
        return None if a is None else not a

    return holds


def _unit(name: str) -> str:
    if name in UNITS:
        return UNITS[name]
    return {"v": "V", "percent": "%", "deg": "°"}[name.rpartition("_")[2]]


_COMPARISONS: Final[dict[str | None, Callable[[float, float], bool]]] = {
    "lt": lt,
    "le": le,
    "gt": gt,
    "ge": ge,
    "eq": eq,
    "ne": ne,
}
_ARITHMETIC: Final[dict[str | None, Callable[[float, float], float | None]]] = {
    "add": add,
    "sub": sub,
    "mul": mul,
    "tdiv": _divided,
}
