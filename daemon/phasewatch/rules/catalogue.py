"""Every rule there is, by the name that site files, topics and documents use: one module of this package each."""

from collections.abc import Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final

from phasewatch import rules
from phasewatch.rules.rule import BuiltIn, BusRule, DaemonRule, MeterRule, PointRule, RuleSettings

_ABOUT_RULES: Final = frozenset(("catalogue", "user_rules"))
"""Modules that import this one."""


def _built_in() -> Iterator[type[BuiltIn[Any]]]:
    for found in iter_modules(rules.__path__):
        if found.name in _ABOUT_RULES:
            continue
        module = import_module(f"{rules.__name__}.{found.name}")
        for thing in vars(module).values():
            if isinstance(thing, type) and issubclass(thing, BuiltIn) and getattr(thing, "name", None) == found.name:
                yield thing


_BUILT_IN: Final = tuple(sorted(_built_in(), key=lambda rule: rule.rank))


POINT_RULES: Final = {rule.name: rule for rule in _BUILT_IN if issubclass(rule, PointRule)}
"""Rules of a point; a rule that explains others is before them."""
METER_RULES: Final = {rule.name: rule for rule in _BUILT_IN if issubclass(rule, MeterRule)}
BUS_RULES: Final = {rule.name: rule for rule in _BUILT_IN if issubclass(rule, BusRule)}
DAEMON_RULES: Final = {rule.name: rule for rule in _BUILT_IN if issubclass(rule, DaemonRule)}

_EVERY: Final[dict[str, type[BuiltIn[Any]]]] = {**POINT_RULES, **METER_RULES, **BUS_RULES, **DAEMON_RULES}

RULES: Final[dict[str, type[RuleSettings]]] = {name: rule.settings_model for name, rule in _EVERY.items()}
"""Every rule with its settings."""
BY_PHASE: Final = frozenset(name for name, rule in _EVERY.items() if rule.by_phase)
"""Rules with an alert for each phase."""
BY_VERDICT: Final = frozenset(name for name, rule in _EVERY.items() if rule.by_verdict)
"""Rules that breach only when the verdict is theirs: two of them never do at once."""
ROOT: Final = {code: name for name, rule in _EVERY.items() for code in rule.root_of}
"""Verdict code -> the rule that raises it."""


def _held(rule: type[BuiltIn[Any]], others: Iterable[type[BuiltIn[Any]]]) -> frozenset[str]:
    behind = (other for other in others if other.rank > rule.rank)
    return rule.holds | {other.name for other in behind if other.judges in rule.holds_judging}


HOLDS: Final = {name: held for name, rule in _EVERY.items() if (held := _held(rule, POINT_RULES.values()))}
"""Root rule -> the rules that its alert explains."""
