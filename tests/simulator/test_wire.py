import random
import time
from collections.abc import Callable
from itertools import pairwise
from threading import Event

import pytest

from phasewatch.simulator.serial_line import CHUNK_S, Wire

CHARACTER_S = 0.001
SILENCE_S = 0.0035
PATIENCE_S = 10.0


class End:
    """The end of a line: what came out, and when; set once so many characters did."""

    def __init__(self, size: int) -> None:
        self.chunks: list[tuple[float, bytes]] = []
        self.whole, self._size = Event(), size

    def take(self, characters: bytes) -> None:
        self.chunks.append((time.monotonic(), characters))
        if len(self.heard) >= self._size:
            self.whole.set()

    @property
    def heard(self) -> bytes:
        return b"".join(chunk for _, chunk in self.chunks)


def put_out(size: int, talk: Callable[[Wire, float], object], character_s: float = CHARACTER_S) -> tuple[float, End]:
    end = End(size)
    wire = Wire(character_s, SILENCE_S, end.take, random.Random(1))
    begun = time.monotonic() + 0.01
    talk(wire, begun)
    assert end.whole.wait(PATIENCE_S)
    wire.close()
    return begun, end


def test_no_character_is_there_before_its_time() -> None:
    begun, end = put_out(40, lambda wire, at: wire.say(bytes(range(40)), at))
    assert end.heard == bytes(range(40))
    come = 0
    for at, chunk in end.chunks:
        come += len(chunk)
        assert at >= begun + come * CHARACTER_S
    assert len(end.chunks) > 1
    assert all(later - earlier >= CHUNK_S - CHARACTER_S for (earlier, _), (later, _) in list(pairwise(end.chunks))[:-1])


def test_a_line_without_pace_puts_out_at_once() -> None:
    _, end = put_out(40, lambda wire, at: wire.say(bytes(40), at), character_s=0.0)
    assert [chunk for _, chunk in end.chunks] == [bytes(40)]


def test_two_that_speak_together_spoil_both_frames() -> None:
    def together(wire: Wire, at: float) -> None:
        wire.say(b"a" * 20, at)
        wire.say(b"b" * 20, at + 10 * CHARACTER_S)

    _, end = put_out(40, together)
    assert b"a" * 20 not in end.heard
    assert b"b" * 20 not in end.heard


def test_one_after_the_other_spoils_nothing() -> None:
    def in_turn(wire: Wire, at: float) -> None:
        wire.say(b"b" * 5, wire.say(b"a" * 5, at))

    assert put_out(10, in_turn)[1].heard == b"aaaaabbbbb"


@pytest.mark.parametrize(
    ("after_s", "carried"),
    [(-0.02, True), (-0.003, False), (0.0, False), (0.009, False), (0.0134, False), (0.0136, True)],
)
def test_a_request_is_heard_only_on_a_silent_line(after_s: float, carried: bool) -> None:
    def ask(wire: Wire, at: float) -> None:
        wire.say(bytes(10), at)
        assert wire.carries(at + after_s, 8) is carried

    put_out(10, ask)


def test_an_end_that_has_gone_ends_the_wire_quietly() -> None:
    def gone(_: bytes) -> None:
        raise OSError("gone")

    wire = Wire(CHARACTER_S, SILENCE_S, gone, random.Random(1))
    wire.say(b"a", time.monotonic())
    wire.close()
