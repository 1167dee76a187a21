"""The parts of a running daemon, how its buses and its delivery are opened, and how its tasks are ended."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from phasewatch.adapters.journal.types import DeliveryConfig, WebhookConfig
from phasewatch.adapters.modbus.bus import open_bus
from phasewatch.adapters.modbus.protocol import Bus
from phasewatch.alerts.site_monitor import SiteMonitor
from phasewatch.configuration.site import LoadedSite
from phasewatch.service.delivery import Delivery
from phasewatch.service.poller import BusPoller
from phasewatch.settings import BusSettings, WebhookSettings


@dataclass(slots=True)
class Configuration:
    """Which site file is in force."""

    since: datetime
    """When it was taken over."""
    refused: str | None = None
    """Why the file as it is now was refused; None while the file in force is the newest one."""
    refused_at: datetime | None = None


@dataclass(slots=True)
class Running:
    """What a daemon consists of at this moment."""

    loaded: LoadedSite
    watch: SiteMonitor
    delivery: Delivery
    started: datetime
    configuration: Configuration
    pollers: list[BusPoller] = field(default_factory=list)
    begun_s: float = 0.0
    """Monotonic clock at the start."""
    unserved: str | None = None
    """Why the control socket or the page cannot be reached; None while they can."""


def open_real_bus(loaded: LoadedSite, bus: BusSettings) -> Bus:
    """Open the bus of the site file, with the silence that each of its meters needs."""
    gaps_s = {loaded.unit_id_of(meter): loaded.profile_of(meter).gap_ms / 1000.0 for meter in bus.meters}
    return open_bus(
        bus.endpoint,
        timeout_s=bus.timeout_s,
        gap_s=bus.gap_ms / 1000.0,
        unit_gap_s=bus.unit_gap_ms / 1000.0,
        gaps_s=gaps_s,
    )


def delivery_config(loaded: LoadedSite) -> DeliveryConfig:
    """Return the brokers, webhooks and credentials of a site.

    Raises: OSError, UnicodeDecodeError when the password file cannot be read; SecretFileError.
    """
    mqtt = loaded.site.mqtt
    return DeliveryConfig(
        site=loaded.site.site,
        directory=loaded.site.state_dir,
        urls=mqtt.urls,
        username=mqtt.username,
        password=mqtt.secret(),
        ca_file=mqtt.ca_file,
        client_cert_file=mqtt.client_cert_file,
        client_key_file=mqtt.client_key_file,
        webhooks=tuple(_webhook(place, settings) for place, settings in enumerate(loaded.site.webhooks)),
    )


class SecretFileError(Exception):
    """The key of a webhook cannot be read; the text names its setting, the file and the reason."""


def _webhook(place: int, settings: WebhookSettings) -> WebhookConfig:
    try:
        secret = settings.secret()
    except (OSError, UnicodeDecodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise SecretFileError(f"webhooks[{place}].secret_file: {settings.secret_file}: {reason}") from error
    return WebhookConfig(
        name=settings.name,
        url=settings.url,
        secret=secret,
        ca_file=settings.ca_file,
        min_severity=settings.min_severity,
        timeout_s=settings.timeout_s,
    )


END_S: Final = 5.0
CANCELS: Final = 50
"""Times that a task is cancelled within END_S."""


def wake(loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> None:
    """Have the loop do something soon; called in another thread, where the loop may have ended."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(work)


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended.

    Once is not enough: in Python 3.11 `asyncio.wait_for` drops a cancellation that comes together with its result.
    """
    tasks = tuple(tasks)
    for _ in range(CANCELS):
        waiting = [task for task in tasks if not task.done()]
        if not waiting:
            break
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=END_S / CANCELS)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # seen already, or of no use any more
