"""The parts of a running daemon; a reload exchanges some of them."""

from dataclasses import dataclass, field
from datetime import datetime

from phasewatch.adapters.mqtt.delivery import Delivery
from phasewatch.alerts.site_monitor import SiteMonitor
from phasewatch.configuration.site import LoadedSite
from phasewatch.polling import BusPoller


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
