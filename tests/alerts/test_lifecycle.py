from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.alerts.lifecycle import DUE, TABLE, VOID, Delays, Life, State, step
from phasewatch.rules.rule import Condition, Truth

LETTERS = {"B": Truth.BREACH, "c": Truth.CLEAR, "?": Truth.UNKNOWN}
STATES = {State.CLEAR: "-", State.PENDING: "p", State.ACTIVE: "A", State.CLEARING: "g"}
NEVER = Delays(on_s=1e9, off_s=1e9)
AT_ONCE = Delays(on_s=0.0, off_s=0.0)


def lived(timeline: str, delays: Delays, step_s: float = 1.0) -> str:
    """Return the state after each sample; a space in the timeline is a step without any sample."""
    life, found = Life(), ""
    for number, letter in enumerate(timeline):
        if letter != " ":
            life = step(life, LETTERS[letter], number * step_s, delays)
        found += STATES[life.state]
    return found


@pytest.mark.parametrize(("state", "truth"), list(product(State, (Truth.BREACH, Truth.CLEAR))))
def test_every_cell_of_the_table(state: State, truth: Truth) -> None:
    life = Life(state, held_s=0.0, polls=2, valid_at_s=0.0)
    assert step(life, truth, 1.0, NEVER).state is TABLE[state, truth]


@pytest.mark.parametrize("state", State)
def test_unknown_moves_nothing(state: State) -> None:
    life = Life(state, held_s=3.0, polls=4, valid_at_s=0.0)
    for at_s in (1.0, 1e6):
        after = step(life, Truth.UNKNOWN, at_s, AT_ONCE)
        assert (after.state, after.held_s, after.polls) == (state, 3.0, 4)


def test_only_states_with_a_timer_are_due_or_void() -> None:
    assert set(DUE) == set(VOID) == {State.PENDING, State.CLEARING}
    assert len(TABLE) == 8


@pytest.mark.parametrize(
    ("timeline", "delays", "states"),
    [
        ("cBBBBc", Delays(3, 0), "-pppA-"),
        ("cBBBcccc", Delays(3, 0), "-ppppp--"),
        ("BcBBBB", Delays(3, 0), "p-pppA"),
        ("B", AT_ONCE, "A"),
        ("BcB", AT_ONCE, "A-A"),
        ("BBB", Delays(0, 0, on_polls=3), "ppA"),
        ("BBcBBB", Delays(0, 0, on_polls=3), "pppp" + "AA"),
        ("BBcBBcBB", Delays(1, 0, on_polls=3), "pppp" + "A-pp"),
        ("BBcBBcBB", Delays(1, 5, on_polls=3), "pppp" + "AgAA"),
        ("BcBcBcBcBc", Delays(1, 0, on_polls=3), "p-" * 5),
        ("BccBccBccB", Delays(0, 0, on_polls=2), "p--" * 3 + "p"),
        ("BBBccc", Delays(0, 0, on_polls=5), "ppppp-"),
        ("BB?c?BBB", Delays(0, 0, on_polls=4), "ppppppp" + "A"),
        ("BBBB", Delays(2, 0, on_polls=4), "pppA"),
        ("Bccc", Delays(0, 2), "AggA"[:3] + "-"),
        ("BcBccc", Delays(0, 2), "AgAgg-"),
        ("B??BBB", Delays(2, 0), "ppppp" + "A"),
        ("B?B?B?B", Delays(2, 0), "ppppppp"),
        ("Bc?c?c", Delays(0, 2), "Aggggg"),
        ("Bc??", AT_ONCE, "A---"),
        ("????", AT_ONCE, "----"),
        ("B???", AT_ONCE, "AAAA"),
    ],
)
def test_timelines(timeline: str, delays: Delays, states: str) -> None:
    assert lived(timeline, delays) == states


@pytest.mark.parametrize(("gap", "state"), [(10, "A"), (11, "p")])
def test_a_long_gap_voids_a_half_run_timer(gap: int, state: str) -> None:
    delays = Delays(on_s=4, off_s=4, void_after_s=10)
    assert lived("B" + " " * (gap - 1) + "B", delays)[-1] == state


@pytest.mark.parametrize(("gap", "state"), [(10, "-"), (11, "g")])
def test_a_long_gap_voids_half_a_clearing(gap: int, state: str) -> None:
    delays = Delays(on_s=0, off_s=4, void_after_s=10)
    assert lived("Bc" + " " * (gap - 1) + "c", delays)[-1] == state


def test_a_long_gap_leaves_a_standing_alert_standing() -> None:
    assert lived("B" + " " * 500 + "B", Delays(0, 5, void_after_s=10))[-1] == "A"


def test_silence_raises_nothing_once_it_is_known_to_be_silence() -> None:
    delays = Delays(on_s=5, off_s=5, void_after_s=1000)
    assert lived("B" + "?" * 100 + "BBBBB", delays)[-1] == "p"
    assert lived("B" + "?" * 100 + "BBBBBB", delays)[-1] == "A"


truths = st.lists(st.tuples(st.sampled_from(list(Truth)), st.floats(0.05, 40.0)), max_size=60)
delays = st.builds(Delays, st.floats(0, 20), st.floats(0, 20), st.integers(1, 5), st.floats(5, 60))


@given(truths, delays)
def test_an_alert_is_raised_only_after_enough_valid_breach(samples: list[tuple[Truth, float]], waits: Delays) -> None:
    life, at_s = Life(), 0.0
    breach_s, polls, last_valid_s, frozen = 0.0, 0, None, False
    for truth, wait_s in samples:
        at_s += wait_s
        stood = life.standing
        life = step(life, truth, at_s, waits)
        if truth is Truth.UNKNOWN:
            frozen = True
            assert life.standing == stood
            continue
        counted = polls > 0 and not frozen and last_valid_s is not None
        passed_s = at_s - last_valid_s if counted and last_valid_s is not None else 0.0
        if truth is Truth.CLEAR:
            breach_s, polls = max(0.0, breach_s - passed_s), max(0, polls - 1)
            breach_s = breach_s if polls else 0.0
        else:
            breach_s, polls = breach_s + passed_s, polls + 1
        last_valid_s, frozen = at_s, False
        if life.standing and not stood:
            assert truth is Truth.BREACH
            assert breach_s >= waits.on_s - 1e-6
            assert polls >= waits.on_polls
        if stood and not life.standing:
            assert truth is Truth.CLEAR


@given(st.lists(st.floats(9.0, 11.0), min_size=2, max_size=80), st.integers(0, 3))
def test_inside_the_hysteresis_band_nothing_flaps(values: list[float], on_polls: int) -> None:
    life, changes = Life(), 0
    for at_s, value in enumerate(values):
        condition = Condition(value > 10.5, value <= 9.0)
        was = life.standing
        life = step(life, condition.truth(was), float(at_s), Delays(0, 0, on_polls + 1))
        changes += life.standing != was
    assert changes <= 1 or min(values) <= 9.0
