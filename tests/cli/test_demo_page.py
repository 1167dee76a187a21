"""`demo --web`: an address that is none is refused, and the page is told once it is there."""

import socket

import pytest

from tests.broker import free_port
from tests.cli.program import phasewatch

WRONG = "must be host:port, as 127.0.0.1:8600, [::1]:8600 or 0.0.0.0:8600"


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("foo", f"foo: {WRONG}"),
        ("127.0.0.1:x", f"127.0.0.1:x: {WRONG}"),
        ("127.0.0.1:70000", f"127.0.0.1:70000: {WRONG}"),
        ("127.0.0.1:0", "127.0.0.1:0: needs a port from 1 to 65535"),
        ("192.0.2.1:8600", "192.0.2.1:8600: "),
    ],
)
def test_an_address_that_is_none_is_one_line(address: str, line: str) -> None:
    answer = phasewatch("demo", "--seconds", "1", "--web", address)
    assert (answer.code, answer.out, len(answer.lines)) == (2, "", 1)
    assert answer.err.startswith(f"--web {line}")


def test_a_port_in_use_is_one_line_and_no_page_is_promised() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        answer = phasewatch("demo", "--seconds", "1", "--web", address)
    assert (answer.code, answer.out, len(answer.lines)) == (2, "", 1)
    assert answer.err.startswith(f"--web {address}: ")
    assert answer.err.endswith("; another program listens there: choose another port\n")


def test_the_page_is_told_once_it_listens() -> None:
    address = f"127.0.0.1:{free_port()}"
    answer = phasewatch("demo", "--seconds", "3", "--web", address)
    (line,) = [line for line in answer.out.splitlines() if line.startswith("page: ")]
    assert line.startswith(f"page: http://{address}/ ; to acknowledge there, the token is ")
