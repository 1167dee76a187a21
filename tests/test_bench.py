"""Every measurement runs; what it measures decides nothing here."""

import json
import math
import sys
from collections.abc import Callable

import pytest

from tests.bench import __main__ as bench
from tests.bench.bus_time import bus_time
from tests.bench.figure import Figure, quantile, spread
from tests.bench.journal import journal
from tests.bench.latency import latency
from tests.bench.many_meters import lateness_ms, many_meters
from tests.bench.open_pages import open_pages
from tests.bench.poll import poll
from tests.bench.pure import pure
from tests.bench.sick_meters import sick_meters
from tests.bench.startup import startup

SMALLEST: dict[str, Callable[[], list[Figure]]] = {
    "poll": lambda: poll(rounds=1, polls=2),
    "pure": lambda: pure(rounds=1, readings=2),
    "meters": lambda: many_meters(2, windows=1, window_s=1.1, settle_s=0.1),
    "pages": lambda: open_pages(5, rounds=1, window_s=0.5, settle_s=0.1, interval_s=0.2),
    "latency": lambda: latency(1, changes=4, settle_s=0.0),
    "journal": lambda: journal(rounds=1, events=20),
    "startup": lambda: startup(rounds=1),
    "bus_time": lambda: bus_time((2,), (115200,), (1.0,), round_s=0.05),
    "sick_meters": lambda: sick_meters(count=3, turnaround_ms=1.0, time_s=0.4, dead=2, slow=3),
}


@pytest.mark.parametrize("name", SMALLEST)
def test_each_measurement_runs_once(name: str) -> None:
    figures = SMALLEST[name]()
    assert figures
    assert all(math.isfinite(figure.value) for figure in figures)


def test_a_spread_is_the_median_between_its_ends() -> None:
    figure = spread("some", "thing", "us", [3.0, 1.0, 8.0], goal=2.0)
    assert (figure.value, figure.low, figure.high, figure.samples, figure.met) == (3.0, 1.0, 8.0, 3, False)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.5, 51.0), (0.99, 100.0), (1.0, 100.0)])
def test_a_quantile_is_one_of_the_samples(share: float, expected: float) -> None:
    assert quantile([float(n) for n in range(100, 0, -1)], share) == expected


def test_lateness_is_told_against_the_most_punctual_poll_of_each_meter() -> None:
    accounts = [{"begun_s": [[10.0, 11.002], [10.5]]}, {"begun_s": [[12.001], [11.5, 12.5]]}]
    assert lateness_ms(accounts) == pytest.approx([0.0, 2.0, 1.0, 0.0, 0.0, 0.0])


def test_what_is_asked_for_is_printed_as_one_object(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(bench.BENCHES, "pure", SMALLEST["pure"])
    bench.main(["--json", "pure"])
    printed = json.loads(capsys.readouterr().out)
    assert printed["machine"]["python"].endswith(
        f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    )
    assert {figure["bench"] for figure in printed["figures"]} == {"pure"}


def test_an_unknown_measurement_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        bench.main(["speed"])
    assert end.value.code == 2
    assert "no such measurement: speed; there are poll" in capsys.readouterr().err


def test_a_measurement_that_fails_is_named_and_costs_the_others_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> list[Figure]:
        raise OSError("no broker")

    monkeypatch.setitem(bench.BENCHES, "latency1", broken)
    monkeypatch.setitem(bench.BENCHES, "pure", SMALLEST["pure"])
    with pytest.raises(SystemExit, match="could not be measured: latency1"):
        bench.main(["--json", "latency1", "pure"])
    printed = capsys.readouterr()
    assert {figure["bench"] for figure in json.loads(printed.out)["figures"]} == {"pure"}
    assert "latency1: could not be measured: OSError('no broker')" in printed.err
