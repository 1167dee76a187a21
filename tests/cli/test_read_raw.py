"""`read --raw`: what it prints is an entry that a profile can carry."""

from pathlib import Path

import yaml

from phasewatch.configuration.files import config_directory, load_profile
from phasewatch.meters.decode import example_problems
from phasewatch.meters.profile import Example
from phasewatch.simulator.device import Fault
from tests.cli.program import SITE, phasewatch, put_site, simulated, simulated_meter

LINE = "meter incomer: "


def examples_of(text: str) -> list[Example]:
    return [Example.model_validate(entry) for entry in yaml.safe_load(text)["examples"]]


def test_the_words_of_a_poll_are_an_example_that_the_profile_agrees_with(tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}) as server:
        answer = phasewatch("read", "--raw", "--config", put_site(tmp_path, SITE.format(url=server.url, meter="")))
        asked = {(request.pdu[1] << 8) + request.pdu[2] for request in server.requests}
    (example,) = examples_of(answer.out)
    profile = load_profile("eastron-sdm630")
    assert (answer.code, answer.err) == (0, "")
    assert example.words.keys() == asked
    assert example.values.keys() == profile.registers.keys()
    assert example_problems(profile.model_copy(update={"examples": (example,)})) == []


def test_the_dump_can_be_pasted_into_a_profile_that_then_loads(tmp_path: Path) -> None:
    with simulated({1: simulated_meter("carlogavazzi-em24-rs485")}) as server:
        text = SITE.format(url=server.url, meter="").replace("eastron-sdm630", "carlogavazzi-em24-rs485")
        dump = phasewatch("read", "--raw", "--config", put_site(tmp_path, text)).out
    shipped = (config_directory() / "meters" / "carlogavazzi-em24-rs485.yaml").read_text()
    own = tmp_path / "meters" / "carlogavazzi-em24-rs485.yaml"
    own.parent.mkdir()
    own.write_text(shipped.split("examples:\n")[0] + dump)
    profile = load_profile("carlogavazzi-em24-rs485", tmp_path)
    assert len(profile.examples) == 1
    assert profile.examples[0].values["voltage_l1_n"] is not None


def test_what_the_meter_refuses_is_not_in_the_example(tmp_path: Path) -> None:
    with simulated({1: simulated_meter("eastron-sdm230")}) as server:
        answer = phasewatch("read", "--raw", "--config", put_site(tmp_path, SITE.format(url=server.url, meter="")))
    (example,) = examples_of(answer.out)
    assert answer.code == 0
    assert "voltage_l1_n" in example.values
    assert "voltage_l1_l2" not in example.values


def test_the_words_are_told_to_machines(tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}) as server:
        file = put_site(tmp_path, SITE.format(url=server.url, meter=""))
        answer = phasewatch("read", "--raw", "--json", "--config", file)
    (entry,) = answer.json()
    assert (answer.code, entry["meter"], entry["profile"], entry["unit_id"]) == (0, "incomer", "eastron-sdm630", 1)
    assert entry["values"]["voltage_l1_n"] > 200.0


def test_a_meter_that_does_not_answer_has_no_example(tmp_path: Path) -> None:
    with simulated({1: simulated_meter()}) as server:
        server.faults[1] = Fault(silent=True)
        answer = phasewatch("read", "--raw", "--config", put_site(tmp_path, SITE.format(url=server.url, meter="")))
    assert (answer.code, answer.out.strip(), len(answer.lines)) == (1, "", 1)
    assert answer.lines[0].startswith(LINE)
