"""Why a line or an endpoint could not be opened, with the mend."""

import re
from pathlib import Path
from typing import Final

from phasewatch.commissioning.serial_ports import holder, obstacle
from phasewatch.meters.endpoint import Endpoint

_LOCKED: Final = re.compile(r"exclusively lock|\[Errno 16\]")
_SEE_ADDRESS: Final = "is the device on, its address right, and the network in between (ping {host})?"
_MENDS: Final = (
    (
        r"\[Errno 111\]",
        "{host} is there, and nothing listens at port {port}: see the port, and whether Modbus is on",
    ),
    (r"\[Errno -\d+\]", "no host is known as {host}: see its spelling, or write its IP address"),
    (r"no connection within|\[Errno 1(01|10|13)\]", f"{{host}} does not answer: {_SEE_ADDRESS}"),
    (
        r"the connection was lost",
        "{host} closes the connection: a gateway may serve one client only (stop the other), or speak another framing",
    ),
)


class Unreached(Exception):  # noqa: N818  (it says what happened)
    """Nothing could be asked; the text says why, and the mend."""


def mended(trouble: str, endpoint: Endpoint) -> str:
    """Return why an endpoint could not be reached, with the mend."""
    if endpoint.device is not None:
        return _of_port(trouble, Path(endpoint.device))
    for pattern, mend in _MENDS:
        if re.search(pattern, trouble):
            return f"{trouble}; {mend.format(host=endpoint.host, port=endpoint.port)}"
    return f"{trouble}; {_SEE_ADDRESS.format(host=endpoint.host)}"


def _of_port(trouble: str, device: Path) -> str:
    if (why := obstacle(device)) is not None:
        return why
    if _LOCKED.search(trouble):
        who = holder(device) or "another program (sudo fuser -v shows which)"
        return f"{device}: {who} has it open; stop that first, as with systemctl stop phasewatch"
    return f"{trouble}; is it a serial port, and can it do these settings?"
