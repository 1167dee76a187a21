"""SIGHUP: the site file is read again while alerts, timers and connections go on."""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.broker import Subscriber, wait_until
from tests.service.plant import Plant, bodies, transitions
from tests.service.process import Daemon, daemon
from tests.service.site import HEALTHY, PHASE_LOST, bus, meter

pytestmark = pytest.mark.broker


def rewrite(config: Path, **keys: Any) -> None:
    """Change keys of a site file in one step, as an editor does."""
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    config.with_suffix(".new").write_text(yaml.safe_dump({**content, **keys}), encoding="utf-8")
    config.with_suffix(".new").replace(config)


def hang_up(life: Daemon) -> None:
    os.kill(life.process.pid, signal.SIGHUP)


def configuration(watching: Subscriber) -> dict[str, Any]:
    found: dict[str, Any] = bodies(watching, "plant/status")[-1]["configuration"]
    return found


def refused(watching: Subscriber, word: str) -> bool:
    return word in (configuration(watching)["refused"] or "")


def test_a_standing_alert_lives_through_a_reload(config: Path, meters: Plant, watching: Subscriber) -> None:
    with daemon(config) as life:
        wait_until(lambda: watching.payloads("points/main/state"), "the first state")
        meters.shown["incomer"] = PHASE_LOST
        wait_until(lambda: "main/phase_loss raised" in transitions(watching), "the alert")
        rewrite(config, language="zh")
        hang_up(life)
        wait_until(lambda: life.systemd.count("READY=1") == 2, "ready again")
        wait_until(lambda: "相" in bodies(watching, "points/main/state")[-1]["summary"], "words of the new language")
        meters.shown["incomer"] = HEALTHY
        wait_until(lambda: "main/phase_loss cleared" in transitions(watching), "the end of the alert")
        assert transitions(watching).count("main/phase_loss raised") == 1


def test_a_file_with_a_mistake_is_refused_and_the_one_in_force_goes_on(
    config: Path, meters: Plant, watching: Subscriber
) -> None:
    good = config.read_text(encoding="utf-8")
    with daemon(config) as life:
        for key, mistake in (("publish_interval_s", -1), ("site", "elsewhere"), ("buses", [])):
            rewrite(config, **{key: mistake})
            hang_up(life)
            wait_until(partial(refused, watching, key), f"the refusal of {key}")
            config.write_text(good, encoding="utf-8")
        meters.shown["incomer"] = PHASE_LOST
        wait_until(lambda: "main/phase_loss raised" in transitions(watching), "the alert")
        hang_up(life)
        wait_until(lambda: configuration(watching)["refused"] is None, "the file is good again")


def test_meters_come_and_go_with_a_reload_and_take_their_topics_with_them(
    config: Path, meters: Plant, watching: Subscriber
) -> None:
    with daemon(config) as life:
        wait_until(lambda: watching.payloads("points/main/state"), "the first state")
        rewrite(config, buses=[bus(meter("second"), url=meters.url("incomer"))])
        hang_up(life)
        wait_until(lambda: watching.payloads("points/second/state"), "the state of the new point")
        wait_until(lambda: watching.payloads("points/main/state")[-1] == b"", "the old point's topic is emptied")
        wait_until(lambda: watching.payloads("meters/incomer/availability")[-1] == b"", "and that of its meter")


def test_a_rule_that_is_switched_off_and_on_again_is_told_and_goes_on_with_its_numbers(
    config: Path, meters: Plant, watching: Subscriber
) -> None:
    rules = yaml.safe_load(config.read_text(encoding="utf-8"))["rules"]

    def events() -> list[dict[str, Any]]:
        """Return each event once: what a killed daemon had not seen acknowledged is delivered again."""
        return list({body["id"]: body for body in bodies(watching, "events/main/phase_loss")}.values())

    with daemon(config) as life:
        wait_until(lambda: watching.payloads("points/main/state"), "the first state")
        meters.shown["incomer"] = PHASE_LOST
        wait_until(lambda: len(events()) == 1, "the alert")
        rewrite(config, rules={**rules, "phase_loss": {"enabled": False}})
        hang_up(life)
        wait_until(lambda: len(events()) == 2, "its end")
        wait_until(lambda: watching.payloads("alerts/main/phase_loss")[-1] == b"", "its topic is emptied")
    with daemon(config) as life:  # the numbers outlive a restart, too
        wait_until(lambda: configuration(watching)["refused"] is None, "the daemon is back")
        rewrite(config, rules=rules)
        hang_up(life)
        wait_until(lambda: len(events()) == 3, "the alert again")
    raised, cleared, again = events()
    assert (cleared["state"], cleared["reason"]) == ("cleared", "no longer configured")
    assert [body["rev"] for body in (raised, cleared, again)] == [1, 2, 3]
    assert raised["alert_id"] == cleared["alert_id"] != again["alert_id"]
