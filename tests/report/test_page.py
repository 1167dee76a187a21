"""The page of a report: complete, safe, and of use with anything missing."""

import re
from pathlib import Path
from typing import Any

import pytest

from phasewatch.configuration.files import load_messages
from phasewatch.configuration.site import LoadedSite
from phasewatch.report.events import MOST_PLOTS, wanted_evidence
from phasewatch.report.page import page
from tests.acceptance import A2, SEED
from tests.report.told import ALERT, EVIDENCE, HOSTILE, STATUS, Page, material, point, site

LANGUAGES = ("en", "zh")
MESSAGES: dict[str, dict[str, Any]] = {language: load_messages(language) for language in LANGUAGES}


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedSite:
    return site(tmp_path)


def whole(loaded: LoadedSite) -> dict[str, Any]:
    return {
        "status": STATUS,
        "points": [point(loaded, SEED.values), point(loaded, A2.values, "workshop")],
        "alerts": [ALERT, {**ALERT, "alert_id": "old", "state": "cleared", "summary": "long gone"}],
        "events": [{**ALERT, "transition": "acknowledged"}, ALERT],
        "evidence": {ALERT["alert_id"]: EVIDENCE},
        "failures": {"workshop": "timed out"},
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_whole_report_can_be_read_and_needs_nothing_else(loaded: LoadedSite, language: str) -> None:
    text = page(material(loaded, language, **whole(loaded)))
    read = Page(text)
    assert read.loads_nothing()
    assert read.tags.count("svg") == 4
    assert read.tags.count("style") == 2
    assert set(re.findall(r"https?://[^\s\"<]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "{" not in read.text
    assert ("lang", {"en": "en", "zh": "zh-Hans"}[language]) in read.attributes


def test_it_says_what_there_is_to_say(loaded: LoadedSite) -> None:
    text = Page(page(material(loaded, **whole(loaded)))).text
    for words in (
        "Report on the voltages of plant",
        "2026-03-01 12:00:07 UTC",
        "phasewatch 1.2.3",
        "not a protective device",
        "Point main",
        "the earth (PE) is pulled 30 V toward L1",
        "Measure PE against an independent earth rod",
        "A leak here into a weak earth",
        "U L1–PE",
        "208.0 V",
        "I N missing: not available",
        "2026-03-01 12:00:06; incomplete; meters: incomer",
        "207 V",
        "IEC 61000-4-30 §5.4",
        "site file",
        "The neutral is open",
        "active; acknowledged; shelved until 2026-03-02 12:00:00",
        "30.27 (7.20) V",
        "main, Earth displacement, L1, 2026-03-01 11:58:07",
        "limit 7.2 V",
        "phases and PE on its neutral terminal: it measures phase to earth",
        "phases and neutral; inputs are on L2, L3, L1; voltage transformer 2",
        "every 5 s, each value averaged over 0.2 s",
        "No reading: timed out",
        "NOT synchronised: times may be wrong",
        "4 waiting, 1 dropped, 0 given up",
        "connection refused",
        "Signature",
    ):
        assert words in text, words
    assert "long gone" not in text


def test_the_words_are_those_of_the_language_of_the_report(loaded: LoadedSite) -> None:
    text = Page(page(material(loaded, "zh", **whole(loaded)))).text
    assert MESSAGES["zh"]["next_steps"]["measure_to_independent_rod"] in text
    assert MESSAGES["zh"]["report"]["adviser"] in text
    assert "测点 main" in text
    assert "pulled" not in text.replace(ALERT["summary"], "")  # an event is told as it was sent


@pytest.mark.parametrize("language", LANGUAGES)
def test_with_everything_missing_it_says_so(loaded: LoadedSite, language: str) -> None:
    words = MESSAGES[language]["report"]
    cases: tuple[dict[str, Any], ...] = (
        {},
        {"status": {}},
        {"status": STATUS, "points": [{"point": "main"}], "events": [{}], "alerts": []},
    )
    for more in cases:
        read = Page(page(material(loaded, language, **more)))
        assert read.loads_nothing()
        assert words["no_readings"] in read.text
        assert "None" not in read.text
    assert words["no_daemon"] in Page(page(material(loaded, language))).text


def test_hostile_names_stay_names(loaded: LoadedSite) -> None:
    evil = {**ALERT, "rule": HOSTILE, "subject": HOSTILE, "summary": HOSTILE, "severity": HOSTILE, "alert_id": HOSTILE}
    told = {
        **point(loaded, SEED.values),
        "summary": HOSTILE,
        "verdict": HOSTILE,
        "meters": [HOSTILE],
        "missing": {HOSTILE: HOSTILE},
    }
    status = {**STATUS, "storage": HOSTILE, "unserved": HOSTILE, "buses": {HOSTILE: {"failing": [HOSTILE]}}}
    evidence = {HOSTILE: {**EVIDENCE, "rule": HOSTILE, "subject": HOSTILE, "samples": {"t_s": [0.0], HOSTILE: [1.0]}}}
    more: dict[str, Any] = {
        "points": [told],
        "alerts": [evil],
        "events": [evil],
        "status": status,
        "evidence": evidence,
    }
    text = page(material(loaded, **more, failures={"incomer": HOSTILE}, missing=[HOSTILE]))
    read = Page(text)
    assert read.loads_nothing()
    assert "img" not in read.tags
    assert "\x00" not in text
    assert "<script>alert('x')</script>" in read.text


def test_evidence_of_half_a_kind_is_passed_over(loaded: LoadedSite) -> None:
    broken: tuple[dict[str, Any], ...] = (
        {},
        {**EVIDENCE, "at": "yesterday"},
        {**EVIDENCE, "samples": None},
        {**EVIDENCE, "samples": {"t_s": [1.0, 2.0], "voltage_l1_pe": [3.0]}},
    )
    for evidence in broken:
        more = {**whole(loaded), "evidence": {ALERT["alert_id"]: evidence}}
        assert Page(page(material(loaded, **more))).tags.count("svg") == 2


def test_the_neutral_impedance_is_told_where_it_is_learned(loaded: LoadedSite) -> None:
    learned = {"neutral_impedance": {"baseline_ohm": 0.12, "present_ohm": 0.134}}
    told = {**point(loaded, SEED.values), "learned": learned}
    text = Page(page(material(loaded, status=STATUS, points=[told]))).text
    assert "0.134 ohm now, 0.120 ohm usual here" in text


def test_a_verdict_that_took_history_is_told_in_the_words_of_the_daemon(loaded: LoadedSite) -> None:
    verdict = {"code": "two_phases_lost", "causes": [{"code": "x", "text": "Two fuses."}], "next_steps": ["Look."]}
    told = {**point(loaded, SEED.values), "verdict": "two_phases_lost", "summary": "Two phases are lost."}
    more: dict[str, Any] = {"status": STATUS, "points": [told], "alerts": [{**ALERT, "verdict": verdict}]}
    text = Page(page(material(loaded, **more))).text
    assert all(words in text for words in ("Two phases are lost.", "Two fuses.", "Look."))


def test_evidence_is_wanted_of_what_stands_first_and_not_without_end() -> None:
    old = [{"alert_id": f"e{place}", "transition": "raised"} for place in range(40)]
    standing = [{"alert_id": "now", "state": "active"}, {"alert_id": "gone", "state": "cleared"}]
    wanted = wanted_evidence(standing, [{"alert_id": "now", "transition": "raised"}, *old])
    assert wanted[:2] == ["now", "e0"]
    assert len(wanted) == MOST_PLOTS
    assert "gone" not in wanted
