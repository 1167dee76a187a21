"""The task of a bus, on a fake bus in turned time."""

from itertools import pairwise

import pytest

from phasewatch.meters.quantities import CURRENT_N, FREQUENCY, LL, LN
from phasewatch.service.poller import LAST_PROBE_S
from tests.polled import LINE, PHASE, TIMEOUT_S, VOLTAGE_WORDS, Scene, played
from tests.service.site import HEALTHY
from tests.service.turned_time import run_turned


def test_a_meter_is_polled_at_its_rate_without_drift() -> None:
    scene = played(lambda s: s.line.slow(1, 0.15), 1000.5)
    assert scene.line.polls_s(1) == [float(n) for n in range(1001)]
    assert scene.poller.meters[0].overruns == 0


def test_a_short_interval_does_not_drift_either() -> None:
    assert played(100.05, interval_s=0.1).line.polls_s(1) == pytest.approx([n / 10 for n in range(1001)])


def test_a_reading_carries_the_values_and_the_moment_they_were_complete() -> None:
    scene = played(lambda s: s.line.slow(1, 0.1), 0.9)
    (reading,) = scene.heard.readings
    assert (reading.source, reading.missing) == ("m1", {})
    assert reading.monotonic_s == pytest.approx(1000.3)
    assert reading.values[LN[0]] == pytest.approx(HEALTHY[LN[0]])
    assert reading.values[LL[2]] == pytest.approx(HEALTHY[LL[2]])


def test_overruns_are_counted_and_never_queued() -> None:
    scene = played(lambda s: s.line.slow(1, 1.25), 10.0, lambda s: s.line.restore(1), 10.4)
    # Three requests take 3.75 s: each poll costs the next three; the one at 8 s is quick from 10 s on.
    assert scene.line.polls_s(1) == [0.0, 4.0, 8.0, *(float(n) for n in range(11, 21))]
    assert scene.poller.meters[0].overruns == 8


def test_polls_that_a_dead_meter_costs_itself_are_no_overruns() -> None:
    """They would say that the bus is overloaded, where only one meter is silent."""
    scene = played(lambda s: s.line.die(1), 100.0, interval_s=0.1)
    assert scene.poller.meters[0].failures > 3
    assert scene.poller.meters[0].overruns == 0


def test_each_meter_is_polled_at_its_own_phase_of_the_interval() -> None:
    scene = played(3.0, phases_s=(0.0, 0.25, 0.5))
    for unit_id, phase_s in ((1, 0.0), (2, 0.25), (3, 0.5)):
        assert scene.line.polls_s(unit_id)[:3] == [phase_s, 1 + phase_s, 2 + phase_s]


def test_a_bus_has_tried_once_every_meter_was_asked_whatever_came_of_it() -> None:
    async def play() -> list[bool]:
        scene = Scene((0.0, 0.5))
        scene.line.die(2)
        told: list[bool] = []
        await scene.run(0.7, lambda: told.append(scene.poller.tried.is_set()), 0.5)
        return [*told, scene.poller.tried.is_set()]

    assert run_turned(play()) == [False, True]


def test_a_meter_is_probed_rarely_only_after_three_failures_and_five_seconds() -> None:
    quick = played(lambda s: s.line.die(1), 4.9, interval_s=0.6)
    assert quick.poller.meters[0].failures > 3
    assert not quick.poller.meters[0].offline
    slow = played(lambda s: s.line.die(1), 19.0, interval_s=10.0)
    assert slow.poller.meters[0].failures == 2
    assert not slow.poller.meters[0].offline


def test_a_dead_meter_is_probed_by_one_request_from_two_to_sixty_seconds_apart() -> None:
    scene = played(lambda s: s.line.die(1), 600.0)
    began = [at for at, _, _ in scene.line.asked_s]
    assert {address for _, _, address in scene.line.asked_s} == {PHASE}
    assert set(scene.line.counts_from(10.0)) == {VOLTAGE_WORDS}
    gaps = [round(b - a - TIMEOUT_S, 3) for a, b in pairwise(began)]
    backed_off = gaps[gaps.index(2.0) :]
    assert backed_off[:6] == [2.0, 4.0, 8.0, 16.0, 32.0, LAST_PROBE_S]
    assert set(backed_off[6:]) == {LAST_PROBE_S}
    assert gaps[: gaps.index(2.0)] == [0.5] * 5
    assert not scene.heard.readings
    assert len(scene.heard.failures) == len(began)


def test_a_dead_meter_costs_the_others_no_more_than_its_slot() -> None:
    scene = played(lambda s: s.line.die(1), 300.9, phases_s=(0.0, 0.0, 0.5))
    for unit_id, phase_s in ((2, 0.0), (3, 0.5)):
        polls = scene.line.polls_s(unit_id)
        assert len(polls) == 301
        late = [at - n - phase_s for n, at in enumerate(polls)]
        assert max(late) <= TIMEOUT_S + 1e-6
        assert sum(one > 0.001 for one in late) <= 15  # the first seconds and one probe a minute
        assert scene.poller.meters[unit_id - 1].overruns == 0


def test_a_meter_comes_back_by_itself_and_is_polled_at_its_rate_again() -> None:
    scene = played(lambda s: s.line.die(1), 100.0, lambda s: s.line.restore(1), 100.0)
    polls = scene.line.polls_s(1)
    back = next(place for place, (a, b) in enumerate(pairwise(polls)) if a > 100 and round(b - a, 6) == 1.0)
    assert polls[back] < 100.0 + LAST_PROBE_S + 1.0
    assert {round(b - a, 6) for a, b in pairwise(polls[back:])} == {1.0}
    assert scene.poller.meters[0].failures == 0
    assert not scene.poller.meters[0].offline
    assert len(scene.heard.readings) == len(polls) - back


def test_a_meter_that_answers_its_probe_is_read_in_full_at_once() -> None:
    scene = played(lambda s: s.line.die(1), 100.0, lambda s: s.line.restore(1), LAST_PROBE_S)
    back_s = next(at for at, _, address in scene.line.asked_s if address == LINE)
    assert scene.line.counts_from(back_s)[0] == VOLTAGE_WORDS
    assert scene.heard.readings[0].monotonic_s == pytest.approx(1000.0 + back_s)
    assert scene.heard.readings[0].missing == {}


def test_a_probe_asks_for_a_voltage_that_the_meter_has() -> None:
    scene = played(lambda s: s.line.refuse(1, PHASE), 5.5, lambda s: s.line.die(1), 60.0)
    probes = {(read.address, read.count) for read in scene.line.reads[-3:]}
    assert probes == {(PHASE + VOLTAGE_WORDS, VOLTAGE_WORDS)}


def test_a_meter_that_answers_only_whole_blocks_is_probed_by_one() -> None:
    def answers_whole_blocks(scene: Scene) -> None:
        scene.line.restore(1)
        scene.line.least_words = 10

    scene = played(lambda s: s.line.die(1), 60.0, answers_whole_blocks, 200.0)
    assert scene.heard.readings[-1].missing == {}
    assert scene.heard.failures[-1][1].endswith("refused with exception 2 (illegal data address)")
    assert scene.line.counts_from(60.0).count(VOLTAGE_WORDS) == 1


def test_a_failed_read_is_no_sample() -> None:
    scene = played(2.5, lambda s: s.line.silent(1), 3.0, lambda s: s.line.restore(1), 3.0)
    assert [round(reading.monotonic_s - 1000.0) for reading in scene.heard.readings] == [0, 1, 2, 6, 7, 8]
    assert len(scene.heard.failures) == 3
    assert "no answer" in scene.heard.failures[0][1]


def test_a_second_request_that_fails_leaves_no_partial_sample() -> None:
    scene = played(lambda s: s.line.refuse(1, LINE, 6), 3.5)
    assert scene.heard.readings == []
    assert [name for name, _ in scene.heard.failures] == ["m1"] * 4
    assert [address for _, _, address in scene.line.asked_s] == [PHASE, LINE] * 4


def test_a_block_that_is_refused_is_split_and_the_split_is_remembered() -> None:
    """The gap between the registers is what this meter does not have: its registers still are all read."""
    scene = played(lambda s: s.line.refuse(1, 230), 5.5)
    whole = [request for request in scene.line.reads if request.address == LINE and request.count > 30]
    assert len(whole) == 1
    assert scene.heard.readings[-1].missing == {}
    assert len(scene.heard.readings) == 6
    assert scene.heard.failures == []


def test_the_poll_that_is_split_has_no_values_from_the_refused_block() -> None:
    scene = played(lambda s: s.line.refuse(1, 230), 1.5)
    first, second = scene.heard.readings
    assert first.missing.keys() >= {*LL, CURRENT_N}
    assert first.values.keys() >= {*LN, FREQUENCY}
    assert second.missing == {}


def test_a_register_that_is_refused_alone_is_missing_from_then_on_and_the_others_are_read() -> None:
    scene = played(lambda s: s.line.refuse(1, 224), 3.5, lambda s: s.line.reads.clear(), 100.0)
    last = scene.heard.readings[-1]
    assert last.missing == {CURRENT_N: "the meter has no such register"}
    assert last.values.keys() >= {*LN, *LL, FREQUENCY}
    assert not any(request.address <= 224 < request.address + request.count for request in scene.line.reads)
    assert scene.heard.failures == []


def test_a_meter_that_refuses_every_address_gives_no_sample_and_comes_back_whole() -> None:
    """A gateway without its meter may say so with an illegal data address."""
    scene = played(lambda s: s.line.refuse_all(1), 300.0, lambda s: s.line.restore(1), 70.0)
    assert scene.heard.readings
    assert scene.heard.readings[0].monotonic_s > 1300.0
    assert scene.heard.readings[-1].missing == {}
    assert len(scene.heard.failures) < 30


def test_asking_once_ends_with_a_meter_that_refuses_everything() -> None:
    async def play() -> Scene:
        scene = Scene()
        scene.line.refuse_all(1)
        await scene.poller.poll_each()
        return scene

    scene = run_turned(play())
    assert scene.heard.readings == []
    assert scene.heard.failures


def test_asking_once_splits_at_once() -> None:
    async def play() -> Scene:
        scene = Scene((0.0, 0.0))
        scene.line.refuse(1, 224)
        await scene.poller.poll_each()
        return scene

    scene = run_turned(play())
    newest = {reading.source: reading for reading in scene.heard.readings}
    assert newest["m1"].missing.keys() == {CURRENT_N}
    assert newest["m2"].missing == {}


def test_progress_shows_while_the_bus_waits_for_a_long_interval() -> None:
    async def play() -> float:
        scene = Scene(interval_s=600.0)
        await scene.run(500.0)
        return 1500.0 - scene.poller.turned_s

    assert run_turned(play()) <= 1.0


def test_what_is_not_asked_for_is_neither_value_nor_missing() -> None:
    reading = played(0.5, ignore=[CURRENT_N, *LL]).heard.readings[0]
    assert not {CURRENT_N, *LL} & (reading.values.keys() | reading.missing.keys())


def test_closing_lets_go_of_the_line() -> None:
    async def play() -> bool:
        scene = Scene()
        await scene.poller.close()
        return scene.line.closed

    assert run_turned(play())
