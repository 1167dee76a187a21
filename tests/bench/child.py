"""A process of the bench, told and heard in JSON lines; it ends when it is told no more."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final, Self

from tests.bench.figure import say

ROOT: Final = Path(__file__).resolve().parents[2]
"""Of the checkout: where `tests` can be imported."""
STOP_S: Final = 15.0
HEAR_S: Final = 900.0
"""A process that says nothing for so long hangs, and is killed."""


class Child:
    """One process."""

    def __init__(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        self._process = subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._module = module

    def tell(self, message: Any) -> None:
        """Send one message."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        """Wait for the next message. Raises: ChildProcessError if the process ends or hangs instead."""
        assert self._process.stdout is not None
        patience = threading.Timer(HEAR_S, self._process.kill)
        patience.start()
        try:
            line = self._process.stdout.readline()
        finally:
            patience.cancel()
        if not line:
            raise ChildProcessError(f"{self._module} ended with status {self._process.wait()}")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            say(f"{self._module} does not stop: killed")
            self._process.kill()
            self._process.wait()
        finally:
            assert self._process.stdout is not None
            self._process.stdout.close()
