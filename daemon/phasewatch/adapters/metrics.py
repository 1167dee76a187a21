"""The metrics of the daemon, as Prometheus reads them. What is missing has no sample, and neither has what is old."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, product
from math import isfinite
from typing import Final, get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from phasewatch.adapters.journal.types import LATENCY_BOUNDS_S, DeliveryStatus, Latency, SinkStatus
from phasewatch.adapters.modbus.protocol import LineCounts
from phasewatch.alerts.statistics import Counts
from phasewatch.electrical.severity import Severity

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


@dataclass(frozen=True, slots=True)
class MeterMeasures:
    """One meter, since the daemon began."""

    bus: str
    meter: str
    polls: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    """By kind: timeout, exception, framing, link_down."""
    overruns: int = 0
    busy_s: float = 0.0
    """Time that its polls took."""
    online: bool | None = None
    """None: not known yet."""


@dataclass(frozen=True, slots=True)
class PointMeasures:
    """One point, as its last reading shows it; empty when that is old."""

    point: str
    voltages_v: Mapping[str, float] = field(default_factory=dict)
    """By quantity."""
    neutral_shift_v: float | None = None
    earth_shift_v: float | None = None
    unbalance_ratio: float | None = None
    """Negative to positive sequence, per unit."""
    verdict: str | None = None

    @property
    def fresh(self) -> bool:
        """Whether there is a reading that is not old."""
        return self.verdict is not None


@dataclass(frozen=True, slots=True)
class Measures:
    """Everything at one moment."""

    version: str
    site: str
    delivery: DeliveryStatus
    clock_synchronised: bool | None
    """None: nothing tells."""
    meters: Sequence[MeterMeasures] = ()
    bus_loads: Mapping[str, float | None] = field(default_factory=dict)
    """By bus: the share of the time that polls took, lately."""
    lines: Mapping[str, LineCounts] = field(default_factory=dict)
    """By bus."""
    points: Sequence[PointMeasures] = ()
    alerts: Counts = field(default_factory=Counts)


def expose(measures: Measures) -> bytes:
    """Return the text that a scrape gets."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(measures))
    return generate_latest(registry)


class _Snapshot(Collector):
    """One moment, as a collector of a registry of its own."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        for family in (_build, _polling, _lines, _points, _alerts, _delivery):
            yield from family(self._measures)


Sample = tuple[tuple[str, ...], float | None]


def _gauge(name: str, text: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    family = GaugeMetricFamily(f"phasewatch_{name}", text, labels=labels)
    for values, value in samples:
        if value is not None:
            family.add_metric(values, value)
    return family


def _counter(name: str, text: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    family = CounterMetricFamily(f"phasewatch_{name}", text, labels=labels)
    for values, value in samples:
        if value is not None:
            family.add_metric(values, value)
    return family


def _build(measures: Measures) -> Iterator[Metric]:
    build = [((measures.version, measures.site), 1.0)]
    yield _gauge("build_info", "The version that runs, and its site; always 1.", ("version", "site"), build)
    synchronised = measures.clock_synchronised
    clock = [((), None if synchronised is None else float(synchronised))]
    yield _gauge("clock_synchronised", "Whether something keeps this machine's clock right.", (), clock)


def _polling(measures: Measures) -> Iterator[Metric]:
    meters, place = measures.meters, ("bus", "meter")

    def each(value: Callable[[MeterMeasures], float | None]) -> list[Sample]:
        return [((meter.bus, meter.meter), value(meter)) for meter in meters]

    yield _counter("polls", "Polls made, whatever came of them.", place, each(lambda m: m.polls))
    failures = [((m.bus, m.meter, kind), float(count)) for m in meters for kind, count in m.failures.items()]
    yield _counter("poll_failures", "Polls that brought no sample, by kind.", (*place, "kind"), failures)
    yield _counter("overruns", "Polls left out, for earlier ones took too long.", place, each(lambda m: m.overruns))
    duration = SummaryMetricFamily("phasewatch_poll_duration_seconds", "Time that polls took.", labels=place)
    for meter in meters:
        duration.add_metric((meter.bus, meter.meter), meter.polls, meter.busy_s)
    yield duration
    online = each(lambda m: None if m.online is None else float(m.online))
    yield _gauge("meter_online", "Whether the meter answers.", place, online)
    loads = [((bus,), load) for bus, load in measures.bus_loads.items()]
    yield _gauge("bus_load_ratio", "Share of the time that polls take of a bus.", ("bus",), loads)


def _lines(measures: Measures) -> Iterator[Metric]:
    counts: dict[str, tuple[str, Callable[[LineCounts], int]]] = {
        "line_crc_errors": ("Requests on which only damaged bytes came back.", lambda line: line.crc_errors),
        "line_unsolicited_bytes": ("Bytes that belong to no answer in time.", lambda line: line.unsolicited_bytes),
        "line_foreign_requests": ("Requests of another master.", lambda line: line.foreign_requests),
        "line_foreign_replies": ("Replies to what was not asked.", lambda line: line.foreign_replies.total()),
        "line_late_replies": ("Replies after the time-out.", lambda line: line.late_replies.total()),
        "line_second_replies": ("Replies to what had its answer.", lambda line: line.second_replies.total()),
    }
    for name, (text, count) in counts.items():
        yield _counter(name, text, ("bus",), [((bus,), count(line)) for bus, line in measures.lines.items()])


def _points(measures: Measures) -> Iterator[Metric]:
    points = measures.points

    def each(value: Callable[[PointMeasures], float | None]) -> list[Sample]:
        return [((point.point,), value(point)) for point in points]

    fresh = each(lambda p: float(p.fresh))
    yield _gauge("point_fresh", "Whether the point has a reading that is not old.", ("point",), fresh)
    volts = [((p.point, quantity), value) for p in points for quantity, value in p.voltages_v.items()]
    yield _gauge("point_voltage_volts", "Voltages as last read.", ("point", "quantity"), volts)
    neutral, earth = each(lambda p: p.neutral_shift_v), each(lambda p: p.earth_shift_v)
    yield _gauge("point_neutral_shift_volts", "Neutral to the centre of the phases.", ("point",), neutral)
    yield _gauge("point_earth_shift_volts", "Earth to the centre of the phases.", ("point",), earth)
    unbalance = each(lambda p: p.unbalance_ratio)
    yield _gauge("point_unbalance_ratio", "Negative to positive sequence voltage.", ("point",), unbalance)
    verdicts = [((p.point, p.verdict), 1.0) for p in points if p.verdict is not None]
    yield _gauge("point_verdict", "1 for the verdict that holds now.", ("point", "verdict"), verdicts)


def _alerts(measures: Measures) -> Iterator[Metric]:
    counts = measures.alerts
    found: dict[tuple[str, str], int] = {(one, state): many for (one, state), many in counts.by_state.items()}
    kinds = product(get_args(Severity), ("active", "unknown"))  # 0 too: a series that vanishes alarms nobody
    by_state: list[Sample] = [(kind, float(found.get(kind, 0))) for kind in kinds]
    yield _gauge("alerts", "Alerts that stand.", ("severity", "state"), by_state)
    single = {
        "alerts_active": ("Alerts that stand, and are neither shelved nor explained by others.", counts.active),
        "alerts_unacknowledged": ("Of the active ones.", counts.unacknowledged),
        "alerts_shelved": ("Alerts that operators have shelved, whether they stand or not.", counts.shelved),
        "alerts_suppressed": ("Alerts that stand and are explained by another one.", counts.suppressed),
        "alerts_chattering": ("Alerts that come and go too fast to act on.", counts.chattering),
        "alerts_standing": ("Alerts that have been active for more than a day.", counts.standing_24h),
        "alerts_raised_10min": ("Alerts raised in the last ten minutes.", counts.raised_10min),
    }
    for name, (text, value) in single.items():
        yield _gauge(name, text, (), [((), float(value))])


def _delivery(measures: Measures) -> Iterator[Metric]:
    delivery = measures.delivery
    gauges = {
        "delivery_connected": ("Whether a broker is connected.", delivery.connected),
        "journal_degraded": ("Whether the journal is only in memory.", delivery.degraded is not None),
        "outbox_rows": ("Messages that wait, for all outputs.", delivery.outbox_depth),
        "outbox_stranded_rows": ("Messages on a failed disk that memory could not take.", delivery.stranded),
    }
    counters = {
        "outbox_dropped": ("Events given up before they were delivered; counts on over restarts.", delivery.dropped),
        "dead_letters": ("Messages that no broker will ever take; counts on over restarts.", delivery.dead_letters),
        "delivered": ("Messages that a broker has acknowledged.", delivery.delivered),
        "delivery_refused": ("Times that a broker has refused a message.", delivery.refused),
        "delivery_connects": ("Connections to a broker.", delivery.connects),
    }
    for name, (text, value) in gauges.items():
        yield _gauge(name, text, (), [((), float(value))])
    for name, (text, value) in counters.items():
        yield _counter(name, text, (), [((), float(value))])
    yield _histogram(delivery.latency)
    yield from _sinks(delivery.sinks)


def _sinks(sinks: Sequence[SinkStatus]) -> Iterator[Metric]:
    def each(value: Callable[[SinkStatus], float]) -> list[Sample]:
        return [((sink.name, sink.kind), float(value(sink))) for sink in sinks]

    labels = ("sink", "kind")
    yield _gauge("sink_connected", "Whether the receiver takes events.", labels, each(lambda s: s.connected))
    yield _gauge("sink_outbox_rows", "Messages that wait for the output.", labels, each(lambda s: s.outbox_depth))
    yield _counter("sink_delivered", "Messages that the receiver accepted.", labels, each(lambda s: s.delivered))
    dropped = "Events given up before the receiver took them; counts on over restarts."
    yield _counter("sink_dropped", dropped, labels, each(lambda s: s.dropped))


def _histogram(latency: Latency) -> Metric:
    text = "From the journal to the broker's acknowledgement."
    family = HistogramMetricFamily("phasewatch_delivery_latency_seconds", text)
    bounds = [f"{bound:g}" if isfinite(bound) else "+Inf" for bound in LATENCY_BOUNDS_S]
    family.add_metric((), list(zip(bounds, accumulate(latency.counts), strict=True)), latency.sum_s)
    return family
