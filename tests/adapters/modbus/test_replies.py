"""A reply that does not fit is no sample, and never becomes the sample of a later request."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import pytest

from phasewatch.adapters.modbus.bus import open_bus
from phasewatch.adapters.modbus.protocol import BadReply, Bus, LinkDown, NoReply
from phasewatch.meters.endpoint import parse_url
from tests.modbus_server import (
    FRAMINGS,
    HANG_UP,
    LINES,
    Asked,
    Script,
    ScriptedMeter,
    honest,
    listening,
    words_at,
)

TIMEOUT_S = 0.3
PATIENCE_S = 5.0
"""Time-out where the right answer comes: however busy the machine."""

Answer = Callable[[Asked], bytes]


Scene = Callable[[Bus, ScriptedMeter], Awaitable[None]]


def on_a_bus(framing: str, where: Path, scene: Scene, timeout_s: float = TIMEOUT_S, gap_s: float = 0.0) -> None:
    on_buses(framing, where, {"": scene}, timeout_s, gap_s)


def on_buses(
    framing: str, where: Path, scenes: Mapping[str, Scene], timeout_s: float = TIMEOUT_S, gap_s: float = 0.0
) -> None:
    """Play all scenes at a time, each on its own bus; an error that only the event loop sees fails them too."""
    unseen: list[str] = []

    async def play(name: str, scene: Scene) -> None:
        meter, place = ScriptedMeter(framing), where / name
        place.mkdir(exist_ok=True)
        async with listening(meter, framing, place) as url:
            bus = open_bus(parse_url(url), timeout_s=timeout_s, gap_s=gap_s)
            try:
                await scene(bus, meter)
            except BaseException as error:
                error.add_note(f"{framing}: {name}")
                raise
            finally:
                await bus.close()

    async def play_all() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(str(context)))
        await asyncio.gather(*(play(name, scene) for name, scene in scenes.items()))

    asyncio.run(play_all())
    assert not unseen


async def reads_right(bus: Bus, address: int, count: int = 4, unit_id: int = 1) -> None:
    assert await bus.read(3, address, count, unit_id) == words_at(unit_id, address, count)


def _pdu_of(function_code: int, byte_count: int, rest: bytes) -> Answer:
    return lambda asked: asked.frame(bytes([function_code, byte_count]) + rest)


BAD: dict[str, Answer] = {
    "one word too few": lambda asked: asked.frame(asked.words(asked.count - 1)),
    "one word too many": lambda asked: asked.frame(asked.words(asked.count + 1)),
    "no words": _pdu_of(3, 0, b""),
    "an odd byte count": _pdu_of(3, 7, bytes(7)),
    "a byte count that lies": _pdu_of(3, 8, bytes(6)),
    "the other function's answer": _pdu_of(4, 8, bytes(8)),
    "the other function's exception": lambda asked: asked.frame(b"\x84\x02"),
    "an unknown function": _pdu_of(0x55, 8, bytes(8)),
    "an exception without a code": lambda asked: asked.frame(b"\x83"),
    "another unit's answer": lambda asked: asked.frame(asked.words(unit_id=2), unit_id=2),
    "another unit's exception": lambda asked: asked.frame(b"\x83\x02", unit_id=2),
    "a truncated frame": lambda asked: asked.honest()[:-3],
    "the head of a frame": lambda asked: asked.honest()[:3],
    "text of the web": lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "300 bytes of babble": lambda _: bytes(n * 7 & 0xFF for n in range(300)),
}
BAD_ON_TCP: dict[str, Answer] = {
    "transaction 0": lambda asked: asked.frame(asked.words(), transaction_id=0),
    "the transaction before": lambda asked: asked.frame(asked.words(), transaction_id=asked.transaction_id - 1),
    "another protocol": lambda asked: asked.honest()[:2] + b"\0\1" + asked.honest()[4:],
    "a length of 64 kB": lambda asked: asked.honest()[:4] + b"\xff\xff" + asked.honest()[6:],
    "a length of nothing": lambda asked: asked.honest()[:4] + b"\0\0" + asked.honest()[6:],
}
BAD_ON_LINES: dict[str, Answer] = {
    "a wrong CRC": lambda asked: asked.honest()[:-1] + bytes([asked.honest()[-1] ^ 1]),
    "a flipped bit": lambda asked: asked.honest()[:5] + bytes([asked.honest()[5] ^ 16]) + asked.honest()[6:],
    "noise": lambda _: b"\x01\x03",
}


def bad_answers(framing: str) -> dict[str, Answer]:
    return BAD | (BAD_ON_LINES if framing in LINES else BAD_ON_TCP)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_reply_that_does_not_fit_is_no_sample(framing: str, tmp_path: Path) -> None:
    def scene_of(answer: Answer) -> Scene:
        async def scene(bus: Bus, meter: ScriptedMeter) -> None:
            await reads_right(bus, 100)
            meter.script = lambda asked: [(0.0, answer(asked))]
            with pytest.raises(BadReply, match="unit 1, function 3, address 200, count 4: "):
                await bus.read(3, 200, 4, 1)
            meter.script = honest
            await reads_right(bus, 300)
            await reads_right(bus, 400)

        return scene

    on_buses(framing, tmp_path, {name: scene_of(answer) for name, answer in bad_answers(framing).items()})


def late_once(late_s: float) -> Script:
    """Answer the first request late and all in their order, as a meter does that works off one after the other."""
    due: list[float] = []

    def script(asked: Asked) -> Sequence[tuple[float, bytes]]:
        now = asyncio.get_running_loop().time()
        due.append(max(now, due[-1] + 0.01) if due else now + late_s)
        return [(due[-1] - now, asked.honest())]

    return script


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("cancelled", [False, True])
def test_a_late_reply_is_never_the_answer_to_a_later_request(framing: str, cancelled: bool, tmp_path: Path) -> None:
    async def scene(bus: Bus, meter: ScriptedMeter) -> None:
        await reads_right(bus, 50)
        meter.was_asked.clear()
        meter.script = late_once(1.2 * TIMEOUT_S)
        asking = asyncio.create_task(bus.read(3, 100, 4, 1))
        await meter.was_asked.wait()
        if cancelled:
            await asyncio.sleep(0.5 * TIMEOUT_S)
            asking.cancel()
        with pytest.raises((NoReply, asyncio.CancelledError)):
            await asking
        for address in (200, 300, 400):
            await reads_right(bus, address)

    on_a_bus(framing, tmp_path, scene)


@pytest.mark.parametrize("framing", LINES)
def test_a_reply_that_came_while_the_loop_was_held_up_is_heard_before_the_next_request(
    framing: str, tmp_path: Path
) -> None:
    gap_s = 0.2

    def hold_up_the_loop() -> None:
        time.sleep(1.2 * gap_s)

    async def scene(bus: Bus, meter: ScriptedMeter) -> None:
        await reads_right(bus, 100)
        asking = asyncio.create_task(reads_right(bus, 200))
        for _ in range(6):  # until it waits for the end of the gap
            await asyncio.sleep(0)
        hold_up_the_loop()
        await asyncio.sleep(0)
        meter.say(meter.asked[-1].honest())  # again; in the very turn in which the gap ends
        hold_up_the_loop()
        await asking

    on_a_bus(framing, tmp_path, scene, PATIENCE_S, gap_s)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("apart_s", [0.0, 0.001])
def test_a_reply_that_comes_twice_counts_once(framing: str, apart_s: float, tmp_path: Path) -> None:
    async def scene(bus: Bus, meter: ScriptedMeter) -> None:
        meter.script = lambda asked: [(0.0, asked.honest()), (apart_s, asked.honest())]
        for address in range(0, 250, 50):
            await reads_right(bus, address)

    on_a_bus(framing, tmp_path, scene, PATIENCE_S, gap_s=0.05 if framing in LINES else 0.0)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_reply_in_pieces_is_put_together(framing: str, tmp_path: Path) -> None:
    async def scene(bus: Bus, meter: ScriptedMeter) -> None:
        def in_pieces(asked: Asked) -> Sequence[tuple[float, bytes]]:
            whole = asked.honest()
            return [(0.004 * n, whole[n : n + 1]) for n in range(len(whole))]

        meter.script = in_pieces
        await reads_right(bus, 100, count=2)

    if framing != "udp":  # a datagram is whole or not there
        on_a_bus(framing, tmp_path, scene, timeout_s=PATIENCE_S)


NOISE: dict[str, Answer] = {
    "a zero": lambda _: b"\0",
    "two idle bytes": lambda _: b"\xff\xff",
    "the unit's own address": lambda _: b"\x01",
    "the head of a frame": lambda _: b"\x01\x03\x40",
    "the echo of the request": lambda asked: asked.raw,
    "noise and echo": lambda asked: b"\x01\x03\x08" + asked.raw,
    "another unit's frame": lambda asked: asked.frame(asked.words(unit_id=2), unit_id=2),
    "another frame with a wrong CRC": lambda asked: asked.frame(asked.words(60))[:-1] + b"\0",
    "400 bytes of babble": lambda _: bytes(n * 7 & 0xFF for n in range(400)),
}


@pytest.mark.parametrize("framing", LINES)
def test_the_frame_behind_noise_is_found(framing: str, tmp_path: Path) -> None:
    def scene_of(noise: Answer) -> Scene:
        async def scene(bus: Bus, meter: ScriptedMeter) -> None:
            for apart_s in (0.0, 0.002):
                meter.script = lambda asked, s=apart_s: [(0.0, noise(asked)), (s, asked.honest())]  # type: ignore[misc]
                for address, count in ((0, 2), (0x0300, 125), (0x4001, 1)):
                    await reads_right(bus, address, count)

        return scene

    on_buses(framing, tmp_path, {name: scene_of(noise) for name, noise in NOISE.items()}, timeout_s=PATIENCE_S)


@pytest.mark.parametrize("framing", LINES)
def test_an_echo_without_an_answer_is_no_reply(framing: str, tmp_path: Path) -> None:
    async def scene(bus: Bus, meter: ScriptedMeter) -> None:
        meter.script = lambda asked: [(0.0, asked.raw)]
        with pytest.raises(NoReply):
            await bus.read(3, 100, 4, 1)

    on_a_bus(framing, tmp_path, scene)


@pytest.mark.parametrize("framing", LINES)
def test_a_line_that_never_falls_silent_is_reported_and_recovers(framing: str, tmp_path: Path) -> None:
    async def scene(bus: Bus, meter: ScriptedMeter) -> None:
        meter.script = lambda _: [(0.01 * n, b"\x55\xaa") for n in range(120)]
        with pytest.raises(BadReply):
            await bus.read(3, 100, 4, 1)
        with pytest.raises(BadReply, match="does not fall silent"):
            await bus.read(3, 100, 4, 1)
        meter.script = honest
        await asyncio.sleep(0.6)
        await reads_right(bus, 200)

    on_a_bus(framing, tmp_path, scene)


@pytest.mark.parametrize("framing", ["tcp", "rtu+tcp"])
def test_a_peer_that_hangs_up_ends_the_request_at_once(framing: str, tmp_path: Path) -> None:
    async def scene(bus: Bus, meter: ScriptedMeter) -> None:
        meter.script = lambda _: [(0.0, HANG_UP)]
        asked_at = asyncio.get_running_loop().time()
        with pytest.raises(LinkDown, match="the connection was lost"):
            await bus.read(3, 100, 4, 1)
        assert asyncio.get_running_loop().time() - asked_at < 10

    on_a_bus(framing, tmp_path, scene, timeout_s=20.0)


@pytest.mark.parametrize("framing", ["tcp", "udp"])
def test_a_hundred_hostile_replies_neither_fool_nor_flood(
    framing: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answers = list(bad_answers(framing).values())

    async def scene(bus: Bus, meter: ScriptedMeter) -> None:
        for turn in range(100):
            bad = answers[turn % len(answers)]
            meter.script = lambda asked, bad=bad: [(0.0, bad(asked))]  # type: ignore[misc]
            with pytest.raises((BadReply, NoReply)):
                await bus.read(3, turn * 3, 4, 1)

    with caplog.at_level(logging.WARNING):
        on_a_bus(framing, tmp_path, scene, timeout_s=0.1)
    assert not caplog.records


def test_the_time_on_a_slow_line_comes_on_top_of_the_time_out(tmp_path: Path) -> None:
    async def scene() -> None:
        meter = ScriptedMeter("rtu")
        meter.script = lambda asked: [(0.2, asked.honest())]
        async with listening(meter, "rtu", tmp_path) as url:
            bus = open_bus(parse_url(re.sub("baudrate=.*", "baudrate=1200", url)), timeout_s=0.1)
            assert await bus.read(3, 0, 125, 1) == words_at(1, 0, 125)  # 263 characters: 2.2 s
            await bus.close()

    asyncio.run(scene())
