"""A disk that is full while alerts flow: what had no room is counted, everything else arrives, and it is said."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker import mosquitto, wait_until
from tests.faults.witness import witness

EVENTS = 1500


@pytest.mark.broker
@pytest.mark.parametrize("limit_kib", [100, 300, 1000])
def test_a_disk_that_is_full_loses_nothing_uncounted(tmp_path: Path, limit_kib: int) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with mosquitto(tmp_path / "broker", "max_queued_messages 0") as broker, witness(broker.port) as watching:
        command = [sys.executable, "-m", "tests.faults.full_disk", str(tmp_path), broker.url]
        command += [str(1024 * limit_kib), str(EVENTS)]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stderr
        status = json.loads(ended.stdout)
        wait_until(lambda: watching.count() + status["dropped"] >= EVENTS, f"{watching.count()} events, {status}")
        revs = [json.loads(payload)["rev"] for payload in dict.fromkeys(watching.events())]
        assert len(set(revs)) + status["dropped"] >= EVENTS
        newest = dict.fromkeys(revs)
        assert list(newest) == sorted(newest), "in order, over both numberings"
