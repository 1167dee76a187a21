"""The whole service with a webhook: what the receiver gets, and what everybody else sees of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phasewatch.adapters.metrics import expose
from phasewatch.configuration.site import LoadedSite
from tests.broker import Mosquitto, mosquitto, subscriber, wait_until
from tests.cli.program import SITE, ended, put_site, started
from tests.http_receiver import SECRET, Answer, HttpReceiver, http_receiver, verified
from tests.schema_faults import fault
from tests.service.plant import Plant, bodies, plant, running, transitions
from tests.service.site import PHASE_LOST, QUICK_RULES, bus, meter, site

QUICK_REFUSAL = {**QUICK_RULES, "delivery_rejected": {"on_delay_s": 0, "off_delay_s": 0}}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker") as started_broker:
        yield started_broker


@pytest.fixture
def meters() -> Iterator[Plant]:
    with plant("incomer") as shown:
        yield shown


def one_meter(directory: Path, url: str, broker: Mosquitto, receiver: HttpReceiver) -> LoadedSite:
    secret = directory / "key"
    secret.write_bytes(SECRET + b"\n")
    secret.chmod(0o600)
    keys: dict[str, Any] = {
        "mqtt": {"urls": [broker.url]},
        "state_dir": str(directory / "state"),
        "webhooks": [{"name": "erp", "url": receiver.url, "secret_file": str(secret)}],
        "rules": QUICK_REFUSAL,
    }
    return site(bus(meter("incomer", point="main"), url=url), **keys)


@pytest.mark.broker
def test_a_receiver_gets_the_events_of_mqtt_and_the_heartbeat_shows_both(
    tmp_path: Path, broker: Mosquitto, meters: Plant
) -> None:
    with (
        http_receiver() as receiver,
        subscriber(broker.url) as watching,
        running(one_meter(tmp_path, meters.url("incomer"), broker, receiver)) as service,
    ):
        wait_until(lambda: watching.payloads("/points/main/state"), "a first reading")
        meters.shown["incomer"] = PHASE_LOST
        wait_until(lambda: "main/phase_loss raised" in transitions(watching), "the alert over MQTT")
        wait_until(lambda: len(receiver.accepted) == len(watching.payloads("/events/")), "the same at the webhook")
        wait_until(lambda: all(sink.outbox_depth == 0 for sink in service.service.delivery.status.sinks))
        heartbeat = service.service.operations.heartbeat()
        metrics = expose(service.service.operations.measures()).decode()
    assert [request.body for request in receiver.accepted] == watching.payloads("/events/")
    assert all(verified(request) for request in receiver.accepted)
    assert fault("status", heartbeat) is None
    assert [(sink["name"], sink["kind"], sink["connected"]) for sink in heartbeat["sinks"]] == [
        ("mqtt", "mqtt", True),
        ("erp", "webhook", True),
    ]
    assert f'phasewatch_sink_delivered_total{{kind="webhook",sink="erp"}} {len(receiver.accepted)}.0' in metrics
    assert 'phasewatch_sink_connected{kind="mqtt",sink="mqtt"} 1.0' in metrics


@pytest.mark.broker
def test_a_receiver_that_refuses_is_an_alert_over_mqtt(tmp_path: Path, broker: Mosquitto, meters: Plant) -> None:
    with http_receiver() as receiver, subscriber(broker.url) as watching:
        receiver.answer = lambda request: Answer(401, body=b"unknown signature")
        with running(one_meter(tmp_path, meters.url("incomer"), broker, receiver)):
            wait_until(lambda: watching.payloads("/points/main/state"), "a first reading")
            meters.shown["incomer"] = PHASE_LOST
            wait_until(lambda: "_daemon/delivery_rejected raised" in transitions(watching), "the alert")
        refused = next(body for body in bodies(watching, "/events/_daemon/") if body["rule"] == "delivery_rejected")
    assert "webhook erp: HTTP 401" in refused["summary"]
    assert "unknown signature" in json.dumps(refused)


def test_a_key_that_cannot_be_read_starts_nothing(tmp_path: Path) -> None:
    text = SITE.format(url="tcp://127.0.0.1:1", meter="")
    hook = f"webhooks: [{{name: erp, url: 'https://h/', secret_file: {tmp_path}/none}}]\n"
    answer = ended(started("run", "--config", put_site(tmp_path, f"{text}state_dir: {tmp_path}/state\n{hook}")))
    reason = f"webhooks[0].secret_file: {tmp_path}/none: No such file or directory"
    assert (answer.code, answer.out, answer.err) == (2, "", f"{tmp_path}/site.yaml: {reason}\n")
    assert not (tmp_path / "state").exists()
