"""`meters100` and `meters1000`: the real service with many TCP meters at one second: does it keep up, at what cost?"""

import time
from typing import Any, Final

from tests.bench.cases import HEALTHY, ONE_BLOCK, SDM630, words
from tests.bench.child import Child
from tests.bench.figure import Figure, quantile, say, spread
from tests.bench.stage import broker, meters, scratch, service

INTERVAL_S: Final = 1.0
SETTLE_S: Final = 5.0
"""After the first poll of each meter, before the first window: connecting, and the first state of every point."""
KIB_PER_METER: Final = 100.0

Account = dict[str, Any]
"""See `service_process.Account`."""


def many_meters(count: int = 100, windows: int = 4, window_s: float = 5.0, settle_s: float = SETTLE_S) -> list[Figure]:
    """Measure meters that are read in one request, and as many that take three."""
    figures = []
    for profile_id, requests in ((ONE_BLOCK, 1), (SDM630, 3)):
        say(f"meters{count}: {profile_id}, {windows} windows of {window_s:g} s")
        lone = _accounts(1, profile_id, 1, min(window_s, settle_s), settle_s)
        accounts = _accounts(count, profile_id, windows, window_s, settle_s)
        what = f"{profile_id}, {requests} request(s)"
        figures += _figures(
            f"meters{count}", what, (accounts[-1]["rss_kib"] - lone[-1]["rss_kib"]) / (count - 1), accounts
        )
    return figures


def _accounts(count: int, profile_id: str, windows: int, window_s: float, settle_s: float) -> list[Account]:
    """Return one account of the service for each window."""
    states = {HEALTHY: words(HEALTHY, profile_id)}
    with (
        scratch() as there,
        broker(there) as by,
        meters(count, states) as (_, urls),
        service(urls, profile_id, there, by, interval_s=INTERVAL_S) as running,
    ):
        time.sleep(settle_s)
        _account(running)
        return [account_after(running, window_s) for _ in range(windows)]


def account_after(running: Child, window_s: float) -> Account:
    """Return what the service cost in a window from now on."""
    time.sleep(window_s)
    return _account(running)


def _account(running: Child) -> Account:
    running.tell("account")
    account: Account = running.hear()
    return account


def _figures(bench: str, what: str, meter_kib: float, accounts: list[Account]) -> list[Figure]:
    cpu_percent = [100.0 * account["cpu_s"] / account["wall_s"] for account in accounts]
    polls = sum(len(begun_s) for account in accounts for begun_s in account["begun_s"])
    late_ms = lateness_ms(accounts)
    overruns, failing = accounts[-1]["overruns"], accounts[-1]["failures"]
    return [
        Figure(bench, f"{what}: overruns since the start", "", overruns, samples=polls, goal=0.0),
        Figure(bench, f"{what}: meters failing at the end", "", failing, samples=polls, goal=0.0),
        spread(bench, f"{what}: CPU of one core", "%", cpu_percent, 100.0),
        Figure(bench, f"{what}: resident memory", "MiB", accounts[-1]["rss_kib"] / 1024.0),
        Figure(bench, f"{what}: memory per meter", "KiB", meter_kib, goal=KIB_PER_METER),
        Figure(bench, f"{what}: poll start, late p50", "ms", quantile(late_ms, 0.5), samples=polls),
        Figure(bench, f"{what}: poll start, late p99", "ms", quantile(late_ms, 0.99), samples=polls),
    ]


def lateness_ms(accounts: list[Account]) -> list[float]:
    """Return how late each poll began, behind the grid on which its meter was ever most punctual."""
    late_ms: list[float] = []
    for per_meter in zip(*(account["begun_s"] for account in accounts), strict=True):
        begun_s = [moment_s for window in per_meter for moment_s in window]
        if not begun_s:
            continue
        first_s = begun_s[0]
        beside_s = [moment_s - first_s - INTERVAL_S * round((moment_s - first_s) / INTERVAL_S) for moment_s in begun_s]
        late_ms += [1000.0 * (one_s - min(beside_s)) for one_s in beside_s]
    return late_ms
