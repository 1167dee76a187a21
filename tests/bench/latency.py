"""`latency`: from the poll that first sees a change of the registers to the message at a subscriber."""

import time
from typing import Any, Final

from tests.bench.cases import HEALTHY, OPEN_NEUTRAL, SDM630, words
from tests.bench.child import Child
from tests.bench.figure import Figure, quantile, say
from tests.bench.stage import Subscriber, broker, meters, scratch, service, subscriber

GOAL_MS: Final = 25.0
RULES: Final[dict[str, Any]] = {"neutral_displacement": {"on_delay_s": 0, "off_delay_s": 0, "on_polls": 1}}
LONE_INTERVAL_S: Final = 0.1
AT_A_TIME: Final = 10
"""Meters that change in one interval: far enough apart that none waits for another."""
SETTLE_S: Final = 5.0
"""After the service is connected: until then the first state of every point is on its way."""


def latency(count: int, changes: int = 200, settle_s: float = SETTLE_S) -> list[Figure]:
    """Measure changes between healthy and an open neutral: alerts raised and cleared by turns."""
    say(f"latency{count}: {changes} changes")
    states = {case: words(case, SDM630) for case in (HEALTHY, OPEN_NEUTRAL)}
    interval_s = LONE_INTERVAL_S if count == 1 else 1.0
    with (
        scratch() as there,
        broker(there) as by,
        subscriber(by.url) as listening,
        meters(count, states) as (board, urls),
        service(urls, SDM630, there, by, interval_s=interval_s, rules=RULES),
    ):
        listening.wait_for_service()
        time.sleep(settle_s)
        late_ms = _changes(board, listening, count, changes)
    what = f"{count} meter(s), {by.name}: registers changed -> message"
    return [
        Figure(f"latency{count}", f"{what}, p50", "ms", quantile(late_ms, 0.5), min(late_ms), max(late_ms), changes),
        Figure(f"latency{count}", f"{what}, p99", "ms", quantile(late_ms, 0.99), samples=changes, goal=GOAL_MS),
    ]


def _changes(board: Child, listening: Subscriber, count: int, changes: int) -> list[float]:
    late_ms: list[float] = []
    case = OPEN_NEUTRAL
    while len(late_ms) < changes:
        places = range(0, count, max(1, count // AT_A_TIME))[: changes - len(late_ms)]
        late_ms += _change(board, listening, places, case)
        case = HEALTHY if case == OPEN_NEUTRAL else OPEN_NEUTRAL
    return late_ms


def _change(board: Child, listening: Subscriber, places: range, case: str) -> list[float]:
    """Let some meters change, and return how long after each change its event came."""
    for place in places:
        board.tell({"meter": place, "state": case})
    seen_s = {f"m{told['meter']}": told["at_s"] for told in (board.hear() for _ in places)}
    came_s: dict[str, float] = {}
    while seen_s.keys() - came_s.keys():
        at_s, event = listening.next_event()
        if event["rule"] == "neutral_displacement" and event["transition"] in ("raised", "cleared"):
            came_s[event["subject"]] = at_s
    return [1000.0 * (came_s[meter] - changed_s) for meter, changed_s in seen_s.items()]
