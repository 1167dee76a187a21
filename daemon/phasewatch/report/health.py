"""How the daemon fares: buses, delivery, storage, clock."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from phasewatch.drawing.markup import Markup
from phasewatch.report.elements import facts, heading, listing, paragraph, section, table
from phasewatch.report.material import Material, Payload, number


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
