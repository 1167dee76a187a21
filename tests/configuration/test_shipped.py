"""What stands in config/: the example shows every setting with its true default, and everything there can be used."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from phasewatch.cli.simulate import read_scenario
from phasewatch.configuration.files import config_directory, read_yaml
from phasewatch.configuration.site import load_site
from phasewatch.meters.profile import Block, Example, Mark, Profile, Register, Serial, SunSpec
from phasewatch.rules.catalogue import RULES
from phasewatch.rules.rule import RuleSettings
from phasewatch.settings import (
    BusSettings,
    MeterSettings,
    MqttSettings,
    PointSettings,
    Site,
    SupplySettings,
    WebhookSettings,
    WebSettings,
)

CONFIG = config_directory()
EXAMPLE = CONFIG / "site.example.yaml"

WRITTEN: Any = read_yaml(EXAMPLE)
BUS = WRITTEN["buses"][0]
SECTIONS: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (Site, WRITTEN),
    (SupplySettings, WRITTEN["supply"]),
    (BusSettings, BUS),
    (MeterSettings, BUS["meters"][0]),
    (MqttSettings, WRITTEN["mqtt"]),
    (WebSettings, WRITTEN["web"]),
    (WebhookSettings, WRITTEN["webhooks"][0]),
    (PointSettings, next(iter(WRITTEN["points"].values()))),
]


@pytest.mark.parametrize(("model", "written"), SECTIONS, ids=[model.__name__ for model, _ in SECTIONS])
def test_the_example_shows_every_setting(model: type[BaseModel], written: dict[str, Any]) -> None:
    assert set(model.model_fields) == set(written)


@pytest.mark.parametrize(("model", "written"), SECTIONS, ids=[model.__name__ for model, _ in SECTIONS])
def test_the_example_shows_true_defaults(model: type[BaseModel], written: dict[str, Any]) -> None:
    given = model.model_validate(written)
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if not field.is_required() and default is not None and name not in ("rules", "points", "supply", "webhooks"):
            assert getattr(given, name) == default, name


def test_the_example_shows_every_rule() -> None:
    assert set(WRITTEN["rules"]) == {*RULES, "hot_neutral"}


def test_the_example_shows_what_each_rule_has_of_its_own() -> None:
    for name, settings in RULES.items():
        own = set(settings.model_fields) - set(RuleSettings.model_fields)
        assert own <= set(WRITTEN["rules"][name]), name


@pytest.mark.parametrize("name", RULES)
def test_the_example_shows_the_true_defaults_of_a_rule(name: str) -> None:
    site = load_site(EXAMPLE).site
    given, default = getattr(site.rules, name).model_dump(), RULES[name]().model_dump()
    for key in WRITTEN["rules"][name]:
        if default[key] is not None:  # None: the limit preset's
            assert given[key] == default[key], key


def test_the_example_names_what_every_rule_can_be_told() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    (comment,) = [line.partition("#")[2] for line in text.splitlines() if line.startswith("rules:")]
    assert all(name in comment for name in RuleSettings.model_fields)


@pytest.mark.parametrize("file", [EXAMPLE, CONFIG / "demo.yaml"], ids=lambda file: file.name)
def test_a_shipped_site_can_be_used_as_it_stands(file: Path) -> None:
    assert load_site(file).warnings == ()


@pytest.mark.parametrize("file", sorted((CONFIG / "scenarios").glob("*.yaml")), ids=lambda file: file.name)
def test_a_shipped_scenario_can_be_played(file: Path) -> None:
    assert read_scenario(file).name == file.stem


def test_the_template_of_a_profile_names_every_key() -> None:
    text = (CONFIG / "meters" / "generic.yaml").read_text(encoding="utf-8")
    keys = {name for part in (Profile, Mark, Register, Block, Serial, Example, SunSpec) for name in part.model_fields}
    assert {key for key in keys if f"{key}:" not in text} == set()
