"""The meters of a site, by what the site file and the profiles say of them.

How the daemon fares: buses, delivery, storage, clock.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from phasewatch.drawing.svg import Markup, joined
from phasewatch.meters.profile import ASSUMED_ACCURACY_PERCENT, Profile
from phasewatch.meters.quantities import CURRENTS, FREQUENCY, LL, LN, LPE, NPE, PHASES, phase_name
from phasewatch.report.content import Material, Payload, number
from phasewatch.report.html import facts, heading, listing, paragraph, section, table
from phasewatch.settings import BusSettings, MeterSettings

_GROUPS = {"L–N": LN, "L–L": LL, "L–PE": LPE, "N–PE": (NPE,), "I": CURRENTS, "f": (FREQUENCY,)}


def meters(material: Material) -> Markup:
    """Return the section of the meters."""
    words = material.words
    listed = [_meter(material, bus, meter) for bus, meter in material.loaded.site.meters()]
    return section(heading(words["meters"]), joined(listed))


def _meter(material: Material, bus: BusSettings, meter: MeterSettings) -> Markup:
    failure = material.failures.get(meter.name)
    words = material.words
    trouble = [] if failure is None else [paragraph(words["no_reading"].format(reason=failure), "bad")]
    return section(heading(meter.name, 3), *trouble, facts(_facts(material, bus, meter)), class_="meter")


def _facts(material: Material, bus: BusSettings, meter: MeterSettings) -> Iterator[tuple[str, str]]:
    words, profile = material.words, material.loaded.profile_of(meter)
    yield words["model"], f"{profile.maker} {', '.join(profile.models)} ({profile.id})"
    yield words["profile_source"], "; ".join(profile.sources)
    yield words["accuracy"], _accuracy(profile, words)
    yield words["sees"], ", ".join(_seen(profile, meter)) or "-"
    yield words["wiring"], _wiring(meter, words)
    yield words["polled"], words["every"].format(seconds=f"{meter.interval_s:g}", window=_window(profile, words))
    yield words["bus"], f"{bus.name}: {bus.url}, {words['unit_id']} {material.loaded.unit_id_of(meter)}"
    yield words["point"], meter.point_name


def _accuracy(profile: Profile, words: Mapping[str, str]) -> str:
    if profile.accuracy_percent is None:
        return words["accuracy_assumed"].format(percent=f"{ASSUMED_ACCURACY_PERCENT:g}")
    return words["of_reading"].format(percent=f"{profile.accuracy_percent:g}")


def _seen(profile: Profile, meter: MeterSettings) -> Iterator[str]:
    registers = profile.registers.keys() - set(meter.ignore)
    yield from (name for name, quantities in _GROUPS.items() if any(one in registers for one in quantities))


def _wiring(meter: MeterSettings, words: Mapping[str, str]) -> str:
    parts = [words[f"wiring_{meter.wiring}"]]
    if meter.phases != PHASES:
        parts.append(words["inputs_on"].format(phases=", ".join(map(phase_name, meter.phases))))
    if meter.vt_ratio != 1.0:
        parts.append(words["vt_ratio"].format(ratio=f"{meter.vt_ratio:g}"))
    return "; ".join(parts)


def _window(profile: Profile, words: Mapping[str, str]) -> str:
    if profile.window_s is None:
        return words["window_unknown"]
    return words["window"].format(seconds=f"{profile.window_s:g}")


def health(material: Material) -> Markup:
    """Return the section of buses and delivery."""
    words, status = material.words, material.status
    if status is None:
        return section(heading(words["health"]), paragraph(words["no_daemon"]))
    heads = (words["bus"], words["meters"], words["polls"], words["failed"], words["overruns"], words["load"])
    buses: Mapping[str, Payload] = status.get("buses") or {}
    return section(
        heading(words["health"]),
        table((*heads, words["failing"]), (_bus(name, bus) for name, bus in buses.items())),
        facts(_daemon(material, status)),
        listing([str(status[key]) for key in ("unserved",) if status.get(key)]),
    )


def _bus(name: str, bus: Payload) -> Sequence[str]:
    polls, failures = bus.get("polls"), bus.get("failures")
    failed = 100.0 * failures / polls if polls and failures is not None else None
    counted = (str(bus.get(key, "-")) for key in ("meters", "polls"))
    shares = f"{number(failed)} %", str(bus.get("overruns", "-")), f"{number(bus.get('load_percent'))} %"
    return name, *counted, *shares, ", ".join(map(str, bus.get("failing") or ())) or "-"


def _daemon(material: Material, status: Payload) -> Iterator[tuple[str, str]]:
    words = material.words
    outbox: Mapping[str, Any] = status.get("outbox") or {}
    delivery: Mapping[str, Any] = status.get("delivery") or {}
    yield words["running_since"], material.moment(status.get("since"))
    yield words["clock"], words["clock_sync" if status.get("clock") == "sync" else "clock_unsync"]
    yield words["storage"], words["good"] if status.get("storage") == "good" else str(status.get("storage") or "-")
    if delivery:
        yield words["broker"], _broker(delivery, words)
    counts = {key: outbox.get(key, "-") for key in ("depth", "dropped", "dead_letters")}
    yield words["outbox"], words["outbox_counts"].format(**counts)
    if outbox.get("last_error"):
        yield words["last_error"], str(outbox["last_error"])


def _broker(delivery: Mapping[str, Any], words: Mapping[str, str]) -> str:
    return words["connected" if delivery.get("connected") else "not_connected"].format(url=delivery.get("url") or "-")
