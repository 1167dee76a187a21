"""The text that Prometheus scrapes."""

import subprocess
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from phasewatch.adapters.journal.types import LATENCY_BOUNDS_S, DeliveryStatus, Latency
from phasewatch.adapters.metrics import Measures, MeterMeasures, PointMeasures, expose
from phasewatch.adapters.modbus.protocol import LineCounts
from tests.peers.program import program
from tests.served import MEASURES

BARE = Measures("1.2.3", "plant", DeliveryStatus(), clock_synchronised=False)


def samples(measures: Measures) -> dict[tuple[Any, ...], float]:
    """Return every sample by its name and the values of its labels, which stand in the order of their names."""
    families = text_string_to_metric_families(expose(measures).decode())
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_every_measure_has_its_sample() -> None:
    found = samples(MEASURES)
    expected = {
        ("phasewatch_build_info", "plant", "1.2.3"): 1.0,
        ("phasewatch_polls_total", "board", "incomer"): 10.0,
        ("phasewatch_poll_failures_total", "board", "timeout", "incomer"): 2.0,
        ("phasewatch_overruns_total", "board", "incomer"): 1.0,
        ("phasewatch_poll_duration_seconds_sum", "board", "incomer"): 0.5,
        ("phasewatch_poll_duration_seconds_count", "board", "incomer"): 10.0,
        ("phasewatch_meter_online", "board", "incomer"): 1.0,
        ("phasewatch_bus_load_ratio", "board"): 0.42,
        ("phasewatch_point_voltage_volts", "main", "voltage_l1_n"): 230.1,
        ("phasewatch_point_neutral_shift_volts", "main"): 1.2,
        ("phasewatch_point_unbalance_ratio", "main"): 0.003,
        ("phasewatch_point_verdict", "main", "normal"): 1.0,
        ("phasewatch_alerts", "medium", "active"): 1.0,
        ("phasewatch_alerts", "high", "unknown"): 0.0,
        ("phasewatch_alerts_active",): 1.0,
        ("phasewatch_delivery_connected",): 1.0,
        ("phasewatch_outbox_rows",): 3.0,
        ("phasewatch_clock_synchronised",): 1.0,
    }
    assert {key: found.get(key) for key in expected} == expected


def test_what_is_missing_has_no_sample() -> None:
    found = samples(
        replace(
            BARE,
            meters=(MeterMeasures("board", "incomer"),),
            bus_loads={"board": None},
            points=(PointMeasures("main"),),
        )
    )
    assert found.pop(("phasewatch_point_fresh", "main")) == 0.0
    missing = ("point_", "meter_online", "bus_load_ratio", "line_", "poll_failures")
    assert [name for name, *_ in found if name.removeprefix("phasewatch_").startswith(missing)] == []
    assert found["phasewatch_polls_total", "board", "incomer"] == 0.0


def test_the_latency_is_a_histogram_that_counts_up() -> None:
    counts = tuple(range(len(LATENCY_BOUNDS_S)))
    found = samples(replace(BARE, delivery=DeliveryStatus(latency=Latency(counts, 12.5))))
    name = "phasewatch_delivery_latency_seconds"
    buckets = [value for key, value in found.items() if key[0] == f"{name}_bucket"]
    assert buckets == sorted(buckets)
    assert found[f"{name}_bucket", "0.01"] == 1.0
    assert found[f"{name}_bucket", "+Inf"] == found[f"{name}_count",] == sum(counts)
    assert found[f"{name}_sum",] == 12.5


def test_two_scrapes_share_nothing() -> None:
    expose(MEASURES)
    assert ("phasewatch_meter_online", "board", "incomer") not in samples(BARE)


@pytest.mark.peer
def test_promtool_has_nothing_to_complain_of() -> None:
    promtool = program("promtool", "prometheus")
    full = replace(MEASURES, lines={"board": LineCounts()})
    done = subprocess.run([promtool, "check", "metrics"], input=expose(full), capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
