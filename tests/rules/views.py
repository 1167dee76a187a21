"""Rules seen from outside: readings go in, truths come out."""

from collections.abc import Iterable, Mapping

from phasewatch.configuration.files import load_limits
from phasewatch.electrical.diagnosis import diagnose
from phasewatch.electrical.limits import Limits
from phasewatch.electrical.per_unit import History
from phasewatch.electrical.supply import Supply
from phasewatch.meters.quantities import LL, LN, LPE
from phasewatch.meters.reading import Reading
from phasewatch.rules.rule import Condition, Rule, Truth, View
from tests.timeline import START

EN50160 = load_limits("en50160")
BARE = Limits(id="bare", standard="none", title="limits nothing")
Live = tuple[bool, bool, bool]
ALL_LIVE: Live = (True, True, True)
HEARD = Reading("incomer", START, 0.0, dict.fromkeys(LN, 230.0))
MARKS = {Truth.BREACH: "B", Truth.CLEAR: "c", Truth.UNKNOWN: "?"}


def view(
    reading: Reading | Mapping[str, float],
    supply: Supply | None = None,
    limits: Limits = EN50160,
    live: Live = ALL_LIVE,
) -> View:
    """Return what a rule sees of a reading, or of values alone."""
    seen = reading if isinstance(reading, Reading) else Reading("main", START, 0.0, dict(reading))
    return View(seen, diagnose(seen.values, supply or Supply(), History(live)), limits, live)


def one(rule: Rule, seen: View) -> Condition:
    """Return the only condition of a rule."""
    return one_of(rule.judge(seen))


def one_of(conditions: Iterable[Condition]) -> Condition:
    (condition,) = conditions
    return condition


def truths(rule: Rule, readings: Iterable[Reading], supply: Supply | None = None, limits: Limits = EN50160) -> str:
    """Return one letter a reading: B breach, c clear, ? unknown; an alert stands from breach to clear, no delays."""
    active, letters = False, ""
    for reading in readings:
        truth = next(iter(rule.judge(view(reading, supply, limits)))).truth(active)
        active = active if truth is Truth.UNKNOWN else truth is Truth.BREACH
        letters += MARKS[truth]
    return letters


def full(
    ln: tuple[float, float, float],
    ll: tuple[float, float, float] | None = None,
    lpe: tuple[float, float, float] | None = None,
) -> dict[str, float]:
    """Return values by quantity."""
    values = dict(zip(LN, ln, strict=True))
    for names, three in ((LL, ll), (LPE, lpe)):
        values.update(zip(names, three or (), strict=False))
    return values
