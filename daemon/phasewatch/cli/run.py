"""`phasewatch run`: the service under systemd or at a terminal."""

import asyncio
import faulthandler
import logging
from pathlib import Path

from phasewatch.adapters.journald import JournalHandler
from phasewatch.cli.outcome import InputError
from phasewatch.library import load_site
from phasewatch.service import Service, run_until_signalled


def run_site(path: Path) -> None:
    """Run the service of a site file until it is told to stop.

    Raises: LibraryError, InputError before anything is started.
    """
    loaded = load_site(path)
    logging.basicConfig(level=logging.INFO, handlers=[JournalHandler()])
    faulthandler.enable()  # the watchdog's SIGABRT then shows what every thread was doing
    try:
        service = Service(loaded)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: mqtt.password_file: {error}") from error
    for line in loaded.warnings:
        logging.getLogger("phasewatch").warning(line)
    asyncio.run(run_until_signalled(service))
