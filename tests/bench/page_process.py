"""Pages that are open: each follows a point, and draws its picture again when something came, at most once a second.

Usage: python -m tests.bench.page_process SOCKET POINT [POINT ...]; ends with its standard input.
"""

import json
import socket
import sys
import threading
import time
from pathlib import Path


class Page:
    """One open page."""

    def __init__(self, place: Path, point: str) -> None:
        self._place, self._point = place, point
        self.messages, self.pictures = 0, 0
        threading.Thread(target=self._follow, daemon=True).start()
        threading.Thread(target=self._draw, daemon=True).start()

    def _follow(self) -> None:
        with self._ask(f"/api/stream?follow={self._point}") as stream:
            while told := stream.recv(65536):
                self.messages += told.count(b"\nevent:") + told.startswith(b"event:")

    def _draw(self) -> None:
        seen = 0
        while True:
            time.sleep(1.0)
            if self.messages > seen:
                seen = self.messages
                with self._ask(f"/api/points/{self._point}/picture.svg", "close") as picture:
                    while picture.recv(65536):
                        pass
                self.pictures += 1

    def _ask(self, path: str, connection: str = "keep-alive") -> socket.socket:
        asking = socket.socket(socket.AF_UNIX)
        asking.connect(str(self._place))
        asking.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n".encode())
        return asking


def main() -> None:
    """Keep the pages open; each line of standard input is answered with what they got so far."""
    pages = [Page(Path(sys.argv[1]), point) for point in sys.argv[2:]]
    for _ in sys.stdin:
        counts = {"messages": [page.messages for page in pages], "pictures": [page.pictures for page in pages]}
        sys.stdout.write(json.dumps(counts) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
