"""`pages`: 100 meters at one second, with and without five open pages, by turns: are polls later for them?"""

import time
from typing import Final

from tests.bench.cases import HEALTHY, SDM630, words
from tests.bench.child import Child
from tests.bench.figure import Figure, quantile, say, spread
from tests.bench.many_meters import Account, account_after, lateness_ms
from tests.bench.stage import broker, meters, scratch, service

PAGES: Final = 5
INTERVAL_S: Final = 1.0


def open_pages(
    count: int = 100, rounds: int = 4, window_s: float = 8.0, settle_s: float = 5.0, interval_s: float = INTERVAL_S
) -> list[Figure]:
    """Measure windows without and with open pages in turn."""
    without: list[Account] = []
    beside: list[Account] = []
    told = {"messages": [0], "pictures": [0]}
    with (
        scratch() as there,
        broker(there) as by,
        meters(count, {HEALTHY: words(HEALTHY, SDM630)}) as (_, urls),
        service(urls, SDM630, there, by, interval_s=interval_s) as running,
    ):
        time.sleep(settle_s)
        for turn in range(1, rounds + 1):
            say(f"pages: round {turn} of {rounds}")
            without.append(account_after(running, window_s))
            with Child("tests.bench.page_process", *_pages_of(there, count)) as pages:
                time.sleep(min(settle_s, 2.0))
                account_after(running, 0.0)
                beside.append(account_after(running, window_s))
                pages.tell("count")
                told = pages.hear()
    return [*_figures("no page", without), *_figures(f"{PAGES} pages", beside), *_told(told)]


def _pages_of(there: object, count: int) -> list[str]:
    return [f"{there}/state-{count}/control.sock", *(f"m{place % count}" for place in range(PAGES))]


def _figures(what: str, accounts: list[Account]) -> list[Figure]:
    late_ms = [value for account in accounts for value in lateness_ms([account])]
    cpu_percent = [100.0 * account["cpu_s"] / account["wall_s"] for account in accounts]
    return [
        Figure("pages", f"{what}: poll start, late p50", "ms", quantile(late_ms, 0.5), samples=len(late_ms)),
        Figure("pages", f"{what}: poll start, late p99", "ms", quantile(late_ms, 0.99), samples=len(late_ms)),
        spread("pages", f"{what}: CPU of one core", "%", cpu_percent),
        Figure("pages", f"{what}: overruns since the start", "", accounts[-1]["overruns"], goal=0.0),
    ]


def _told(told: dict[str, list[int]]) -> list[Figure]:
    return [
        Figure("pages", "messages a page got in the last round, fewest", "", min(told["messages"])),
        Figure("pages", "pictures a page got in the last round, fewest", "", min(told["pictures"])),
    ]
