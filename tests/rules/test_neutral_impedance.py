import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from phasewatch.electrical.diagnosis import Diagnosis, Verdict
from phasewatch.electrical.geometry import draw
from phasewatch.electrical.neutral_faults import NOTABLE_NEUTRAL
from phasewatch.electrical.supply import Supply, System
from phasewatch.meters.quantities import CURRENT_N, CURRENTS, LN
from phasewatch.meters.reading import Reading
from phasewatch.rules.neutral_impedance import BLOCK_S, NOT_JUDGED, NeutralImpedance, Settings
from phasewatch.rules.rule import Condition, View
from tests.acceptance import LOOSENING
from tests.feeder_weeks import DAY_S, NEUTRAL_OHM, weeks
from tests.rules.views import BARE, full, one, view
from tests.timeline import START

SHORT = Settings(learn_days=3.0)
NORMAL = Verdict("normal")


@dataclass
class Story:
    """What became of some days under the rule."""

    raised_s: float | None = None
    raised: Condition | None = None
    most_shift_v: float = 0.0
    """Until the alert, or over the whole story."""
    letters: list[str] = field(default_factory=list)


def live(
    seed: int,
    days: float,
    neutral: Callable[[float], float] = lambda _: NEUTRAL_OHM,
    without: tuple[str, ...] = (CURRENT_N,),
) -> Story:
    rule, story = NeutralImpedance(SHORT), Story()
    for at_s, values in weeks(seed, days, neutral):
        for name in without:
            del values[name]
        picture = draw(values)
        seen = View(Reading("main", START, at_s, values), Diagnosis(picture, NORMAL, Supply()), BARE)
        (condition,) = rule.judge(seen)
        story.letters.append("?" if condition.breached is None else "B" if condition.breached else "c")
        if condition.breached:
            story.raised_s, story.raised = at_s, condition
            break
        story.most_shift_v = max(story.most_shift_v, abs(picture.neutral or 0j))
    return story


def loosening(days: float, times: float) -> Callable[[float], float]:
    """Return a neutral that is sound for three days and then grows evenly to so many times its resistance."""
    return lambda at_s: NEUTRAL_OHM * (1.0 + (times - 1.0) * max(0.0, at_s / DAY_S - 3.0) / days)


@pytest.mark.parametrize(("seed", "without"), [(1, (CURRENT_N,)), (2, ()), (3, (CURRENT_N,)), (4, CURRENTS)])
def test_it_is_silent_over_ordinary_load(seed: int, without: tuple[str, ...]) -> None:
    story = live(seed, 12.0, without=without)
    assert story.raised is None
    assert "c" in story.letters
    assert story.letters.index("c") >= 3 * 1440


@pytest.mark.parametrize("without", [(CURRENT_N,), ()], ids=["no neutral current", "neutral current"])
def test_it_warns_of_a_loosening_neutral_long_before_any_limit_breaks(without: tuple[str, ...]) -> None:
    story = live(3, 9.0, loosening(6.0, 4.0), without)
    assert story.raised is not None
    assert story.raised_s is not None
    assert story.raised_s < 7.0 * DAY_S
    assert story.most_shift_v < 0.5 * NOTABLE_NEUTRAL * 230.0
    value, limit = story.raised.value, story.raised.limit
    assert value is not None
    assert limit is not None
    assert value > limit
    assert (story.raised.unit, story.raised.severity) == ("ohm", "medium")


@dataclass
class Series:
    """The acceptance case A4 over and over, ten readings a block."""

    rule: NeutralImpedance = field(default_factory=lambda: NeutralImpedance(Settings(learn_days=1.0)))
    now_s: float = 0.0

    def judge(self, blocks: int, times: float = 1.0) -> Condition:
        """Judge so many blocks, the slope made so many times larger; return the last condition."""
        condition = Condition(None, None)
        for step in range(blocks * 10 + 1):
            current_a, values, picture = A4_ROWS[step % 5]
            currents = dict(zip(CURRENTS, (0.0, current_a / times, 0.0), strict=True))
            reading = Reading("main", START, self.now_s, values | currents)
            self.now_s += BLOCK_S / 10.0
            (condition,) = self.rule.judge(View(reading, Diagnosis(picture, NORMAL, Supply()), BARE))
        return condition


A4_ROWS = [(current_a, full(ln, ll), draw(full(ln, ll))) for current_a, ln, ll, _, _ in LOOSENING]


def taught() -> Series:
    series = Series()
    series.judge(150)
    return series


def test_the_slope_of_the_acceptance_case_is_learned() -> None:
    condition = taught().judge(7)
    assert condition.value == pytest.approx(0.437, abs=0.002)
    assert condition.clear_limit == pytest.approx(0.437, abs=0.002)
    assert (condition.breached, condition.cleared) == (False, True)


def test_twice_the_slope_is_told_within_hours_and_is_over_when_it_is_mended() -> None:
    series = taught()
    assert series.judge(7, times=2.2).breached is False
    assert series.judge(12, times=2.2).breached is True
    assert series.judge(24).cleared is False
    assert series.judge(200).cleared is True


def test_it_is_unknown_while_it_learns() -> None:
    assert Series().judge(140).breached is None


def test_what_was_learned_survives_a_restart_and_a_standing_alert_stays_known() -> None:
    series = taught()
    series.judge(20, times=2.2)
    assert series.rule.changed
    kept = json.dumps(series.rule.state())
    assert len(kept) < 400
    again = Series()
    again.rule.restore(json.loads(kept))
    assert again.judge(0).breached is True


@pytest.mark.parametrize("state", [{}, {"baseline_ohm": 1}, {"baseline_ohm": "x", "sigma_ohm": [], "sum": None}])
def test_a_record_that_cannot_be_read_is_learned_anew(state: dict[str, object]) -> None:
    series = taught()
    series.rule.restore(state)
    assert series.judge(0).breached is None
    assert series.judge(150).breached is False


def test_without_load_for_a_day_nothing_is_known() -> None:
    rule = taught().rule
    reading = full((230.0, 231.0, 232.0), (400.0, 400.0, 400.0)) | dict.fromkeys(CURRENTS, 5.0)
    conditions = [
        one(rule, view(Reading("main", START + timedelta(seconds=s), 1e6 + s, reading))) for s in range(0, 100_000, 60)
    ]
    assert conditions[0].breached is False
    assert conditions[-1].breached is None


@pytest.mark.parametrize(
    "values",
    [
        full((230.0, 231.0, 232.0)),
        {LN[0]: 230.0, CURRENT_N: 3.0},
        full((0.3, 230.9, 230.9), (230.6, 400.0, 230.6)) | dict.fromkeys(CURRENTS, 5.0),
    ],
    ids=["no currents", "one phase", "a phase lost"],
)
def test_a_reading_that_says_nothing_is_unknown(values: dict[str, float]) -> None:
    assert one(taught().rule, view(values)).breached is None


@pytest.mark.parametrize("system", sorted(NOT_JUDGED))
def test_systems_without_a_middle_neutral_are_not_judged(system: System) -> None:
    assert list(NeutralImpedance(SHORT).judge(view(full((230.0, 230.0, 230.0)), Supply(system=system)))) == []


def test_no_value_is_ever_not_a_number() -> None:
    condition = taught().judge(3)
    assert all(math.isfinite(value) for value in (condition.value, condition.limit, condition.clear_limit) if value)
