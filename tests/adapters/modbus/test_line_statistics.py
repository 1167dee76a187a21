"""What a bus counts beside its answers, on real frames."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from phasewatch.adapters.modbus.bus import open_bus
from phasewatch.adapters.modbus.line_statistics import RECENT, LineStatistics
from phasewatch.adapters.modbus.protocol import BadReply, Bus, BusError
from phasewatch.meters.endpoint import parse_url
from phasewatch.meters.framing import MBAP, RTU, Request, Whole, mbap_frame, rtu_frame, wholes_mbap, wholes_rtu
from tests.modbus_server import FRAMINGS, LINES, Asked, Script, ScriptedMeter, honest, listening, words_at

PATIENCE_S = 5.0
ASKED = rtu_frame(9, bytes.fromhex("04 0000 0002"))
"""What another master sends."""
REPLY = rtu_frame(9, bytes.fromhex("04 04 0102 0304"))
"""And what it is answered."""
REQUEST = Request("rtu:///dev/a", 3, 0, 2, 1)
ANSWER = rtu_frame(1, bytes.fromhex("03 04 0000 0000"))

Scene = Callable[[ScriptedMeter, Bus], Awaitable[None]]


def with_meter(framing: str, where: Path, script: Script, scene: Scene, timeout_s: float = PATIENCE_S) -> None:
    async def play() -> None:
        meter = ScriptedMeter(framing)
        meter.script = script
        async with listening(meter, framing, where) as url:
            bus = open_bus(parse_url(url), timeout_s=timeout_s)
            await scene(meter, bus)
            await bus.close()

    asyncio.run(play())


@pytest.mark.parametrize("framing", FRAMINGS)
def test_two_answers_to_one_request_are_counted(framing: str, tmp_path: Path) -> None:
    async def scene(meter: ScriptedMeter, bus: Bus) -> None:
        for address in (0, 10, 20):
            assert await bus.read(3, address, 2, 1) == words_at(1, address, 2)
            await asyncio.sleep(0.05)
        assert bus.counts.second_replies == {1: 3}
        assert (bus.counts.answers, bus.counts.foreign_replies, bus.counts.late_replies) == (3, {}, {})

    with_meter(framing, tmp_path, lambda asked: [(0.0, asked.honest()), (0.01, asked.honest())], scene)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_an_answer_of_another_unit_is_foreign(framing: str, tmp_path: Path) -> None:
    async def scene(meter: ScriptedMeter, bus: Bus) -> None:
        with pytest.raises(BusError, match="unit 9 answered"):
            await bus.read(3, 0, 2, 1)
        assert (bus.counts.foreign_replies, bus.counts.crc_errors, bus.counts.timeouts) == ({9: 1}, 0, 0)

    with_meter(framing, tmp_path, lambda asked: [(0.0, asked.frame(asked.words(), unit_id=9))], scene, 0.2)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_an_answer_of_another_function_is_foreign(framing: str, tmp_path: Path) -> None:
    def script(asked: Asked) -> list[tuple[float, bytes]]:
        return [(0.0, asked.frame(b"\4" + asked.words()[1:]))]

    async def scene(meter: ScriptedMeter, bus: Bus) -> None:
        with pytest.raises(BusError, match="function 4"):
            await bus.read(3, 0, 2, 1)
        assert (bus.counts.foreign_replies, bus.counts.answers) == ({1: 1}, 0)

    with_meter(framing, tmp_path, script, scene)


@pytest.mark.parametrize("framing", LINES)
def test_an_answer_after_its_time_is_late(framing: str, tmp_path: Path) -> None:
    async def scene(meter: ScriptedMeter, bus: Bus) -> None:
        with pytest.raises(BusError):
            await bus.read(3, 0, 2, 1)
        meter.script = honest
        assert await bus.read(3, 4, 2, 1) == words_at(1, 4, 2)
        assert (bus.counts.timeouts, bus.counts.late_replies, bus.counts.crc_errors) == (1, {1: 1}, 0)

    with_meter(framing, tmp_path, lambda asked: [(0.4, asked.honest())], scene, 0.2)


@pytest.mark.parametrize("framing", LINES)
def test_another_master_is_told_by_its_requests(framing: str, tmp_path: Path) -> None:
    async def scene(meter: ScriptedMeter, bus: Bus) -> None:
        await bus.read(3, 0, 2, 1)
        meter.say(ASKED + REPLY)
        await asyncio.sleep(0.05)
        await bus.read(3, 0, 2, 1)
        counts = bus.counts
        assert (counts.foreign_requests, counts.foreign_replies, counts.second_replies) == (1, {9: 1}, {})
        assert counts.unsolicited_bytes == len(ASKED + REPLY)

    with_meter(framing, tmp_path, honest, scene)


@pytest.mark.parametrize("framing", LINES)
def test_echo_and_an_answer_are_all_right(framing: str, tmp_path: Path) -> None:
    async def scene(meter: ScriptedMeter, bus: Bus) -> None:
        await bus.read(3, 0, 2, 1)
        assert bus.counts.unsolicited_bytes == 0
        meter.script = lambda asked: [(0.0, asked.raw)]
        with pytest.raises(BusError):
            await bus.read(3, 0, 2, 1)
        assert (bus.counts.timeouts, bus.counts.unsolicited_bytes) == (1, 0)

    with_meter(framing, tmp_path, lambda asked: [(0.0, asked.raw + asked.honest())], scene, 0.3)


def test_whole_frames_are_found_between_noise() -> None:
    write = rtu_frame(3, bytes.fromhex("06 0001 0002"))
    refusal = rtu_frame(4, bytes.fromhex("83 02"))
    found = list(wholes_rtu(b"\1\2\3" + ASKED + REPLY + b"\xff" + write + refusal + REPLY[:-1]))
    assert [(one.unit_id, one.pdu[0], one.asks) for one in found] == [
        (9, 4, True), (9, 4, False), (3, 6, True), (4, 0x83, False)
    ]  # fmt: skip
    assert list(wholes_rtu(bytes(range(256)))) == []


def test_whole_tcp_frames_are_found_up_to_the_first_that_is_none() -> None:
    frame = mbap_frame(1, 7, ANSWER[1:-2])
    assert [one.transaction_id for one in wholes_mbap(frame + frame + b"\0\1\1\1\0\6" + frame)] == [7, 7]
    assert list(wholes_mbap(frame[:-1])) == []


def test_the_reply_to_another_master_is_no_second_answer_even_of_the_unit_asked_last() -> None:
    tally = LineStatistics(RTU.wholes)
    tally.asked()
    tally.came(REQUEST, 0)
    tally.stray(rtu_frame(1, REQUEST.pdu) + ANSWER)
    assert (tally.counts.foreign_requests, tally.counts.foreign_replies, tally.counts.second_replies) == (1, {1: 1}, {})


def test_an_answer_whose_end_comes_after_the_time_is_late_and_not_damaged() -> None:
    tally = LineStatistics(RTU.wholes)
    tally.asked()
    tally.missed(REQUEST, ANSWER[:4])
    tally.stray(ANSWER[4:])
    assert (tally.counts.late_replies, tally.counts.crc_errors) == ({1: 1}, 0)


def test_every_answer_of_a_meter_that_is_late_is_late_and_none_is_a_second_one() -> None:
    tally = LineStatistics(RTU.wholes)
    for _ in range(3):
        tally.asked()
        tally.missed(REQUEST, b"")
    tally.asked()
    tally.came(REQUEST, 0)  # by the first of them: nothing tells it from the answer
    tally.stray(ANSWER * 3)
    assert (tally.counts.late_replies, tally.counts.second_replies, tally.counts.foreign_replies) == ({1: 3}, {}, {})


def test_the_late_answer_to_another_request_is_late_and_the_right_one_behind_it_too() -> None:
    tally, other = LineStatistics(RTU.wholes), Request("rtu:///dev/a", 3, 0, 6, 1)
    tally.asked()
    tally.missed(REQUEST, b"")
    tally.asked()
    tally.came(other, 0)
    tally.ended(BadReply("other length"), Whole(1, ANSWER[1:-2], 0, asks=False))
    tally.stray(rtu_frame(1, bytes((3, 12, *range(12)))))
    assert (tally.counts.late_replies, tally.counts.second_replies, tally.counts.foreign_replies) == ({1: 2}, {}, {})


def test_an_answer_that_nobody_awaits_any_more_is_foreign() -> None:
    tally = LineStatistics(RTU.wholes)
    tally.asked()
    tally.missed(REQUEST, b"")
    for _ in range(RECENT + 1):
        tally.asked()
    tally.stray(ANSWER)
    assert (tally.counts.late_replies, tally.counts.foreign_replies) == ({}, {1: 1})


def test_an_old_tcp_answer_on_a_new_connection_is_late() -> None:
    tally = LineStatistics(MBAP.wholes)
    tally.asked()
    tally.missed(REQUEST, b"")
    tally.stray(mbap_frame(1, 5, ANSWER[1:-2]))
    assert (tally.counts.late_replies, tally.counts.foreign_replies) == ({1: 1}, {})


def test_counts_can_be_compared_with_earlier_ones() -> None:
    tally = LineStatistics(RTU.wholes)
    before = tally.counts.copy()
    tally.asked()
    tally.stray(ASKED)
    tally.stray(REPLY)
    assert before.requests == 0
    since = tally.counts.since(before)
    assert (since.requests, since.foreign_requests, since.foreign_replies) == (1, 1, {9: 1})
    assert tally.counts.since(tally.counts.copy()).foreign_replies == {}
