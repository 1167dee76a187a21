"""A simulated meter, a real broker and a site file for the tests of the whole daemon."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Mosquitto, Subscriber, mosquitto, subscriber
from tests.service.plant import Plant, plant
from tests.service.site import bus, meter, site_dict


@pytest.fixture
def meters() -> Iterator[Plant]:
    with plant("incomer") as started:
        yield started


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker") as started:
        yield started


@pytest.fixture
def watching(broker: Mosquitto) -> Iterator[Subscriber]:
    with subscriber(broker.url) as listener:
        yield listener


@pytest.fixture
def config(tmp_path: Path, meters: Plant, broker: Mosquitto) -> Path:
    board = bus(meter("incomer", point="main"), url=meters.url("incomer"))
    content = site_dict(board, mqtt={"urls": [broker.url]}, state_dir=str(tmp_path / "state"))
    path = tmp_path / "site.yaml"
    path.write_text(json.dumps(content))  # JSON is YAML
    return path
