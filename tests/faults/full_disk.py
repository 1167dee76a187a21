"""A delivery whose disk is full after so many bytes, in a process of its own: the limit holds for a whole process.

Usage: python -m tests.faults.full_disk DIRECTORY URL BYTES EVENTS
Says at the end how its status stood, as JSON.
"""

import json
import logging
import resource
import signal
import sys
from pathlib import Path

from phasewatch.adapters.journal.types import Bounds
from tests.faults.flow import config, flow


def main() -> None:
    """Commit events while the disk fills up, then see everything delivered."""
    directory, url, limit, events = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with flow(config(directory, url, bounds=Bounds(ballast_bytes=65536))) as flowing:
        flowing.commit(events)
        flowing.wait_until_drained()
        status = flowing.delivery.status
    print(json.dumps({"dropped": status.dropped, "degraded": status.degraded, "dead": status.dead_letters}))


if __name__ == "__main__":
    main()
