"""`latency`: from the poll that first sees a change of the registers to the message at a subscriber.

An alert that is raised three times within a minute is held as chattering, as it should be. So each alert of this bench
is raised once and cleared once: the frequency climbs a ladder of rules, one rung a change, and comes down again.
"""

import math
import time
from typing import Any, Final

from tests.bench.cases import HEALTHY, SDM630, Words, with_float, words
from tests.bench.child import Child
from tests.bench.figure import Figure, quantile, say
from tests.bench.stage import Subscriber, broker, meters, scratch, service, subscriber

GOAL_MS: Final = 25.0
LONE_INTERVAL_S: Final = 0.1
AT_A_TIME: Final = 10
"""Meters that change in one interval: far enough apart that none waits for another."""
SETTLE_S: Final = 5.0
"""After the service is connected: until then the first state of every point is on its way."""
RUNG_HZ: Final = 0.002
"""Small enough that no ladder leaves the band of the frequency rule."""


def latency(count: int, changes: int = 200, settle_s: float = SETTLE_S) -> list[Figure]:
    """Measure changes of the frequency on real frames: alerts raised, then cleared."""
    rungs = max(1, math.ceil(changes / count / 2))
    say(f"latency{count}: {changes} changes on {rungs} rules")
    with (
        scratch() as there,
        broker(there) as by,
        subscriber(by.url) as listening,
        meters(count, _states(rungs)) as (board, urls),
        service(urls, SDM630, there, by, interval_s=LONE_INTERVAL_S if count == 1 else 1.0, rules=_rules(rungs)),
    ):
        listening.wait_for_service()
        time.sleep(settle_s)
        late_ms = _changes(board, listening, count, rungs)[:changes]
    what = f"{count} meter(s), {by.name}, {rungs} rule(s) more: registers changed -> message"
    return [
        Figure(
            f"latency{count}", f"{what}, p50", "ms", quantile(late_ms, 0.5), min(late_ms), max(late_ms), len(late_ms)
        ),
        Figure(f"latency{count}", f"{what}, p99", "ms", quantile(late_ms, 0.99), samples=len(late_ms), goal=GOAL_MS),
    ]


def _rules(rungs: int) -> dict[str, Any]:
    at_once = {"on_delay_s": 0, "off_delay_s": 0, "on_polls": 1}
    return {
        f"rung_{n}": {"expression": f"frequency > {_hz(n) - RUNG_HZ / 2:.4f}", **at_once} for n in range(1, rungs + 1)
    }


def _states(rungs: int) -> dict[str, Words]:
    shown = words(HEALTHY, SDM630)
    return {str(n): with_float(shown, SDM630, "frequency", _hz(n)) for n in range(rungs + 1)}


def _hz(rung: int) -> float:
    return 50.0 + RUNG_HZ * rung


def _changes(board: Child, listening: Subscriber, count: int, rungs: int) -> list[float]:
    """Let every meter climb and come down, rung by rung; return how late each event came."""
    late_ms: list[float] = []
    step = max(1, count // AT_A_TIME)
    for before, after in [(n, n + 1) for n in range(rungs)] + [(n, n - 1) for n in range(rungs, 0, -1)]:
        for first in range(step):
            late_ms += _change(board, listening, range(first, count, step), str(after), f"rung_{max(before, after)}")
    return late_ms


def _change(board: Child, listening: Subscriber, places: range, state: str, rule: str) -> list[float]:
    """Let some meters change, and return how long after each change its event came."""
    for place in places:
        board.tell({"meter": place, "state": state})
    changed_s = {f"m{answer['meter']}": answer["at_s"] for answer in (board.hear() for _ in places)}
    came_s: dict[str, float] = {}
    while changed_s.keys() - came_s.keys():
        at_s, event = listening.next_event()
        if event["rule"] == rule and event["transition"] in ("raised", "cleared"):
            came_s[event["subject"]] = at_s
    return [1000.0 * (came_s[meter] - at_s) for meter, at_s in changed_s.items()]
