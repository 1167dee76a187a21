"""Opens what a site file names outside: its buses, and the way to its brokers."""

from phasewatch.adapters.journal.types import DeliveryConfig
from phasewatch.adapters.modbus.bus import Bus, open_bus
from phasewatch.configuration.site import LoadedSite
from phasewatch.settings import BusSettings


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
    """Return where and as whom this site publishes.

    Raises: OSError, UnicodeDecodeError when the password file cannot be read.
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
    )
