"""A meter behind its chain of models, on a fake bus."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from phasewatch.adapters.modbus.protocol import BusError, LinkDown, NoReply, Refused
from phasewatch.adapters.modbus.sunspec import ModelBus, ModelLost, bus_of
from phasewatch.configuration.files import load_profile
from phasewatch.meters.quantities import LN
from phasewatch.meters.sunspec import USUAL_ADDRESS
from phasewatch.simulator.device import chain
from tests.bus import FakeBus

INT = load_profile("sunspec-201-204-int")
WORDS = chain(INT, dict.fromkeys(LN, 230.0))
BLOCK = tuple(WORDS[USUAL_ADDRESS + n] for n in range(23))


def moved(words: dict[int, int], by: int) -> dict[int, int]:
    return {place + by: word for place, word in words.items()}


class Scene:
    """A device with these words, and the bus of its meter."""

    def __init__(self, words: dict[int, int] = WORDS) -> None:
        self.line = FakeBus({1: words})
        self.meter = ModelBus(self.line, INT)

    def read(self) -> tuple[int, ...]:
        return run(self.meter.read(3, 0, 23, 1))

    def lost(self, error: type[BusError] = ModelLost) -> str:
        with pytest.raises(error) as caught:
            self.read()
        return str(caught.value)

    def asked(self) -> list[tuple[int, int]]:
        """Return (address, count) of what was asked since the last time."""
        asked = [(request.address, request.count) for request in self.line.reads]
        self.line.reads.clear()
        return asked


def run(reading: Coroutine[Any, Any, tuple[int, ...]]) -> tuple[int, ...]:
    return asyncio.run(reading)


def test_the_chain_is_walked_once_and_the_block_read_with_its_header_each_time() -> None:
    scene = Scene()
    assert scene.read() == BLOCK
    assert scene.asked() == [(40000, 2), (40002, 2), (40069, 2), (40069, 23)]
    assert scene.read() == BLOCK
    assert scene.asked() == [(40069, 23)]


def test_a_device_that_begins_elsewhere_is_found_there() -> None:
    scene = Scene(moved(WORDS, 10000))
    assert scene.read() == BLOCK
    assert scene.asked()[:2] == [(40000, 2), (50000, 2)]


@pytest.mark.parametrize("by", [1, -1, 40])
def test_a_model_that_moved_is_no_sample_and_is_found_again(by: int) -> None:
    scene = Scene()
    scene.read()
    shifted = {place + by if place >= 40067 else place: word for place, word in WORDS.items()}
    shifted[40003] += by  # the length of the common model
    scene.line.units[1] = {**dict.fromkeys(range(40000, 40400), 0), **shifted}
    assert "at 40069 stood SunSpec model 203 of 105 words, now model" in scene.lost()
    assert scene.read() == BLOCK


def test_another_model_at_the_same_place_is_no_sample_and_is_then_read_as_what_it_is() -> None:
    scene = Scene()
    scene.read()
    scene.line.units[1] = chain(INT, {}, model=204)
    assert scene.lost() == (
        "unit 1: at 40069 stood SunSpec model 203 of 105 words, now model 204 of 105 words:"
        " the meter's map has changed; looking for it again"
    )
    assert scene.read()[:2] == (204, 105)


def test_a_device_that_became_another_is_no_sample_however_often_it_is_asked() -> None:
    scene = Scene()
    scene.read()
    scene.line.units[1] = {place: 230 for place in range(100)}
    assert scene.lost().endswith("SunSpec model 203 is no longer there; looking for it again")
    for _ in range(3):
        assert scene.lost() == ("unit 1: no SunSpec marker at 40000, 50000, 0; is SunSpec switched on in the device?")


def test_a_meter_that_falls_silent_is_looked_for_where_it_was() -> None:
    scene = Scene()
    scene.read()
    scene.asked()
    scene.line.silent(1)
    scene.lost(NoReply)
    scene.line.restore(1)
    assert scene.read() == BLOCK
    assert scene.asked() == [(40069, 23), (40069, 23)]


def test_a_silent_meter_costs_one_request_a_read() -> None:
    scene = Scene()
    scene.line.silent(1)
    for _ in range(4):
        scene.lost(NoReply)
    assert scene.asked() == [(40000, 2), (50000, 2), (0, 2), (40000, 2)]


def test_a_device_that_is_silent_where_it_has_nothing_is_found_after_some_reads() -> None:
    class Shy(FakeBus):
        async def read(self, function_code: int, address: int, count: int, unit_id: int) -> tuple[int, ...]:
            if address in (40000, 50000):
                raise NoReply("no answer")
            return await super().read(function_code, address, count, unit_id)

    meter = ModelBus(Shy({1: moved(WORDS, -40000)}), INT)
    for _ in range(2):
        with pytest.raises(NoReply):
            run(meter.read(3, 0, 23, 1))
    assert run(meter.read(3, 0, 23, 1)) == BLOCK


def test_a_silence_in_the_middle_of_the_chain_begins_the_walk_anew() -> None:
    scene = Scene()
    before = scene.line.read
    silences = iter([40069])

    async def read(function_code: int, address: int, count: int, unit_id: int) -> tuple[int, ...]:
        if address == 40069 and next(silences, None):
            raise NoReply("no answer")
        return await before(function_code, address, count, unit_id)

    scene.line.read = read  # type: ignore[method-assign]
    scene.lost(NoReply)
    assert scene.read() == BLOCK
    assert [address for address, _ in scene.asked()].count(50000) == 0


@pytest.mark.parametrize("code", [2, 3, 4])
def test_a_device_may_refuse_what_it_has_not_in_several_ways(code: int) -> None:
    scene = Scene({**moved(WORDS, 10000), 40000: 0, 40001: 0})
    scene.line.refuse(1, 40000, code)
    assert scene.read() == BLOCK


@pytest.mark.parametrize("code", [6, 10, 11])
def test_a_busy_device_or_gateway_is_not_taken_for_one_without_the_model(code: int) -> None:
    scene = Scene()
    scene.line.refuse(1, 40000, code)
    scene.lost(Refused)
    assert scene.asked() == [(40000, 2)]
    scene.line.restore(1)
    scene.read()
    scene.line.refuse(1, 40069, code)
    scene.lost(Refused)
    assert scene.meter.place is not None


def test_a_lost_line_is_told_as_such() -> None:
    scene = Scene()
    scene.line.link_down()
    scene.lost(LinkDown)


def test_a_read_that_leaves_out_the_header_is_refused() -> None:
    for address, count in ((2, 21), (0, 1)):
        with pytest.raises(ValueError, match="begins with its header"):
            run(Scene().meter.read(3, address, count, 1))


def test_closing_closes_the_line_and_other_meters_keep_theirs() -> None:
    scene = Scene()
    asyncio.run(scene.meter.close())
    assert scene.line.closed
    assert scene.meter.counts is scene.line.counts
    assert bus_of(scene.line, load_profile("eastron-sdm630")) is scene.line
