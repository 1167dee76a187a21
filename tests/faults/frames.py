"""Hostile and random answers through the whole decode path: framers, the judging of answers, the decoder.

Usage: python -m tests.faults.frames [--count 1000000] [--seed 1] [--json]
Every register holds a word that follows from its address, so a word from a wrong answer shows. What cannot be told
from bytes alone is left out: TCP has no checksum, and a late RTU answer of the same length (the bus waits it out).
"""

import argparse
import json
import math
import random
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from phasewatch.adapters.modbus.connection import Listener
from phasewatch.adapters.modbus.line_statistics import LineStatistics
from phasewatch.adapters.modbus.protocol import BadReply, BusError, words_of
from phasewatch.configuration.files import load_profile
from phasewatch.meters.decode import Decoder
from phasewatch.meters.framing import MBAP, RTU, Request, mbap_frame, rtu_frame
from tests.service.site import SDM630

TRANSACTION: Final = 0x1234


def word_at(address: int) -> int:
    """Return what the register at an address holds."""
    return (address * 40503 + 12345) & 0xFFFF


def answer(request: Request) -> bytes:
    """Return the right PDU."""
    places = range(request.address, request.address + request.count)
    return struct.pack(f">BB{request.count}H", request.function_code, 2 * request.count, *map(word_at, places))


class Wire(NamedTuple):
    """One framing: how a PDU is wrapped, and a listener to it."""

    name: str
    wrap: Callable[[int, int, bytes], bytes]
    """(unit id, transaction id, PDU) -> frame"""
    listener: Callable[[], Listener]
    checked: bool
    """Whether a checksum guards every bit."""


WIRES: Final = (
    Wire(
        "rtu",
        lambda unit, _, pdu: rtu_frame(unit, pdu),
        lambda: Listener(RTU, LineStatistics(RTU.wholes), lambda: 0.0),
        True,
    ),
    Wire("tcp", mbap_frame, lambda: Listener(MBAP, LineStatistics(MBAP.wholes), lambda: 0.0), False),
)

Make = Callable[[random.Random, Wire, Request], bytes]


def _right(_chance: random.Random, wire: Wire, request: Request) -> bytes:
    return wire.wrap(request.unit_id, TRANSACTION, answer(request))


def _behind_noise(chance: random.Random, wire: Wire, request: Request) -> bytes:
    noise = chance.randbytes(chance.randrange(1, 30))
    if not wire.checked:  # on TCP what comes before is whole frames of other transactions
        noise = wire.wrap(chance.randrange(256), chance.randrange(0x1234), noise)
    return noise + _right(chance, wire, request)


def _other_unit(chance: random.Random, wire: Wire, request: Request) -> bytes:
    unit = (request.unit_id + chance.randrange(1, 256)) % 256
    return wire.wrap(unit, TRANSACTION, answer(replace(request, address=chance.randrange(60000))))


def _other_transaction(chance: random.Random, wire: Wire, request: Request) -> bytes:
    late = replace(request, address=chance.randrange(60000), count=request.count)
    late = replace(late, count=request.count + 1) if wire.checked else late
    return wire.wrap(request.unit_id, (TRANSACTION + chance.randrange(1, 65535)) & 0xFFFF, answer(late))


def _other_count(chance: random.Random, wire: Wire, request: Request) -> bytes:
    count = chance.choice([n for n in range(126) if n != request.count])
    other = replace(request, address=chance.randrange(60000))
    places = range(other.address, other.address + count)
    pdu = struct.pack(f">BB{count}H", request.function_code, 2 * count, *map(word_at, places))
    return wire.wrap(request.unit_id, TRANSACTION, pdu)


def _wrong_size(chance: random.Random, wire: Wire, request: Request) -> bytes:
    pdu = bytearray(answer(request))
    pdu[1] = chance.choice([size for size in range(256) if size != 2 * request.count])
    return wire.wrap(request.unit_id, TRANSACTION, bytes(pdu))


def _other_function(chance: random.Random, wire: Wire, request: Request) -> bytes:
    pdu = bytearray(answer(request))
    pdu[0] = chance.choice([code for code in range(256) if code != request.function_code])
    return wire.wrap(request.unit_id, TRANSACTION, bytes(pdu))


def _exception(chance: random.Random, wire: Wire, request: Request) -> bytes:
    code = chance.choice((request.function_code, 3, 4, 6, 16)) | 0x80
    return wire.wrap(request.unit_id, TRANSACTION, bytes([code, chance.randrange(256)])[: chance.choice((1, 2, 2, 2))])


def _cut_short(chance: random.Random, wire: Wire, request: Request) -> bytes:
    whole = _right(chance, wire, request)
    return whole[: chance.randrange(len(whole))]


def _bits_turned(chance: random.Random, wire: Wire, request: Request) -> bytes:
    frame = bytearray(_right(chance, wire, request))
    # Three bits at most: so many every CRC-16 of this length finds. On TCP only the header can be found wrong.
    places = chance.sample(range(8 * (len(frame) if wire.checked else 9)), chance.randrange(1, 4))
    for place in places:
        frame[place // 8] ^= 1 << place % 8
    return bytes(frame)


def _noise(chance: random.Random, _wire: Wire, _request: Request) -> bytes:
    return chance.randbytes(chance.randrange(300))


def _text(chance: random.Random, _wire: Wire, _request: Request) -> bytes:
    return chance.choice((b"HTTP/1.1 400 Bad Request\r\n\r\n", b"login: ", b"\0" * 300, b"\xff" * 300))


RIGHT: Final[Mapping[str, Make]] = {"right": _right, "right behind noise": _behind_noise}
WRONG: Final[Mapping[str, Make]] = {
    "of another unit": _other_unit,
    "of another request": _other_transaction,
    "of another count": _other_count,
    "of a wrong size": _wrong_size,
    "of another function": _other_function,
    "an exception": _exception,
    "cut short": _cut_short,
    "bits turned over": _bits_turned,
    "noise": _noise,
    "text": _text,
}


class Result(NamedTuple):
    """What became of the frames."""

    frames: int
    accepted: int
    refused: int
    """No answer found, or found to be none."""
    wrong_words: int
    """Answers that were accepted with words that the meter does not hold."""
    rights_missed: int
    """Right answers that were not accepted."""
    other_errors: dict[str, int]
    """Errors that are not ours by name."""
    values: int
    """Values that the decoder made of random words."""
    values_not_finite: int
    seconds: float

    @property
    def sound(self) -> bool:
        return not (self.wrong_words or self.rights_missed or self.other_errors or self.values_not_finite)


def hear(wire: Wire, request: Request, heard: bytes, chance: random.Random) -> tuple[int, ...]:
    """Return the words that the daemon would take from bytes that come in pieces. Raises: BusError."""
    listener = wire.listener()
    listener.listen_for(request)
    start = 0
    while start < len(heard):
        size = chance.randrange(1, 1 + len(heard))
        if frame := listener.hear(heard[start : start + size], TRANSACTION):
            return words_of(request, frame.unit_id, frame.pdu)
        start += size
    blame = listener.blame(request)
    raise BadReply("nothing" if blame is None else blame.text)


def run(count: int, seed: int, *, talk: bool = False) -> Result:
    """Let so many answers come in."""
    chance, kinds = random.Random(seed), [*RIGHT.items(), *WRONG.items()]
    decode = Decoder(load_profile(SDM630), 230.0, None)
    tally: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    begun_s = time.monotonic()
    for number in range(count):
        wire, (kind, make) = WIRES[number % 2], kinds[(number // 2) % len(kinds)]
        request = Request(wire.name, chance.choice((3, 4)), chance.randrange(60000), chance.randrange(1, 40), 1)
        try:
            _one(wire, request, kind, make, chance, tally)
        except Exception as error:  # whatever it is, it is the finding
            errors[f"{kind} on {wire.name}: {error!r}"] += 1
        if number % 20 == 0:
            _decode(decode, chance, tally, errors)
        if talk and number % 100_000 == 99_999:
            print(f"{number + 1} of {count} frames", file=sys.stderr, flush=True)
    return Result(
        frames=count,
        accepted=tally["accepted"],
        refused=tally["refused"],
        wrong_words=tally["wrong"],
        rights_missed=tally["missed"],
        other_errors=dict(errors),
        values=tally["values"],
        values_not_finite=tally["not finite"],
        seconds=round(time.monotonic() - begun_s, 1),
    )


def _one(wire: Wire, request: Request, kind: str, make: Make, chance: random.Random, tally: Counter[str]) -> None:
    right = answer(request)[2:]
    try:
        words = hear(wire, request, make(chance, wire, request), chance)
    except BusError:
        tally["refused"] += 1
        tally["missed"] += kind in RIGHT
        return
    tally["accepted"] += 1
    tally["wrong"] += struct.pack(f">{len(words)}H", *words) != right


def _decode(decode: Decoder, chance: random.Random, tally: Counter[str], errors: Counter[str]) -> None:
    words = {place: chance.choice((0, 0xFFFF, 0x7FC0, chance.randrange(65536))) for place in range(400)}
    try:
        values, _missing = decode(words)
    except Exception as error:
        errors[f"decoder: {error!r}"] += 1
        return
    tally["values"] += len(values)
    tally["not finite"] += sum(not math.isfinite(value) for value in values.values())


def main() -> int:
    """Run and report; exit status 1 when a wrong value was accepted or anything raised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", dest="as_json")
    asked = parser.parse_args()
    result = run(asked.count, asked.seed, talk=True)
    shown = result._asdict() | {"sound": result.sound}
    print(json.dumps(shown) if asked.as_json else "\n".join(f"{name}: {value}" for name, value in shown.items()))
    return 0 if result.sound else 1


if __name__ == "__main__":
    sys.exit(main())
