"""`phasewatch run`: the service under systemd or at a terminal."""

import asyncio
import faulthandler
import logging
from pathlib import Path

from phasewatch.adapters.journal.sqlite import JournalTakenError
from phasewatch.adapters.systemd import JournalHandler
from phasewatch.configuration.errors import InputError
from phasewatch.configuration.site import load_site
from phasewatch.service.build import load_percent, overloads
from phasewatch.service.service import Service, run_until_signalled
from phasewatch.service.state import SecretFileError


def run_site(path: Path) -> None:
    """Run the service of a site file until it is told to stop.

    Raises: ConfigurationError, InputError before anything is started.
    """
    loaded = load_site(path)
    logging.basicConfig(level=logging.INFO, handlers=[JournalHandler()])
    faulthandler.enable()  # the watchdog's SIGABRT then shows what every thread was doing
    try:
        service = Service(loaded)
    except JournalTakenError as error:
        raise InputError(str(error)) from error
    except SecretFileError as error:
        raise InputError(f"{path}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise InputError(f"{path}: mqtt.password_file: {loaded.site.mqtt.password_file}: {reason}") from error
    loads = [
        load_percent(bus, (meter.plan for meter in poller.meters))
        for bus, poller in zip(loaded.site.buses, service.pollers, strict=True)
    ]
    for line in (*loaded.warnings, *overloads(loaded, loads)):
        logging.getLogger("phasewatch").warning(line)
    asyncio.run(run_until_signalled(service))
