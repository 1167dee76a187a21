import re
from collections.abc import Iterator
from string import Formatter
from typing import Any

import pytest

from phasewatch.configuration.files import load_messages
from phasewatch.electrical.causes import CONTRADICTION, EXPLANATIONS, UNJUDGED_EARTH
from phasewatch.electrical.diagnosis import Diagnosis, Verdict, diagnose
from phasewatch.electrical.explanation import Explained, explain, readings, volts
from phasewatch.electrical.supply import Supply
from phasewatch.meters.measuring_point import APART, CONTRADICTED, NOT_STEADY, SILENT, Contradiction
from phasewatch.meters.quantities import LL, LN, LPE, NPE
from tests.acceptance import A2, A3, A6, CASES, SEED, Case, thrice

LANGUAGES: dict[str, dict[str, Any]] = {language: load_messages(language) for language in ("en", "zh")}
EN = LANGUAGES["en"]


def codes(messages: dict[str, Any]) -> dict[str, set[str]]:
    """Return group/code -> placeholders."""
    flat = {
        f"{group}/{code}": text for group, texts in messages.items() if group != "language" for code, text in _of(texts)
    }
    return {
        code: {name for _, name, _, _ in Formatter().parse(text) if name is not None} for code, text in flat.items()
    }


def _of(texts: object) -> Iterator[tuple[str, str]]:
    yield from texts.items() if isinstance(texts, dict) else [("", str(texts))]


def test_both_languages_have_the_same_codes_and_placeholders() -> None:
    assert codes(LANGUAGES["en"]) == codes(LANGUAGES["zh"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_of_an_explanation_has_words(language: str) -> None:
    messages = LANGUAGES[language]
    assert set(messages["verdicts"]) == set(EXPLANATIONS)
    for group in ("causes", "cannot_tell", "next_steps"):
        explanations = (*EXPLANATIONS.values(), UNJUDGED_EARTH, CONTRADICTION)
        used = {code for explanation in explanations for code in getattr(explanation, group)}
        assert set(messages[group]) == used


def sentences(explained: Explained) -> tuple[str, ...]:
    return (
        explained.summary,
        *(text for _, text in explained.causes),
        *explained.cannot_tell,
        *explained.next_steps,
    )


def promised(text: str) -> bool:
    """Return whether a sentence promises a number, a name or a place and leaves it out."""
    return bool(re.search(r"(^|[\s（(，,：:])-+([\s).，,。）:]|$)|\{|\}|  |\bNone\b|nan|inf\b|\( ?\)| [.,;:]", text))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
@pytest.mark.parametrize("left", ["all", "no earth", "no line", "no direct", "phases only"])
def test_no_sentence_promises_what_it_does_not_say(language: str, case: Case, left: str) -> None:
    gone = {
        "all": (),
        "no earth": (*LPE, NPE),
        "no line": LL,
        "no direct": (NPE,),
        "phases only": (*LL, *LPE, NPE),
    }[left]
    values = {name: value for name, value in case.values.items() if name not in gone}
    for system in (None, "IT", "three_wire"):
        explained = explain(diagnose(values, Supply(system=system)), LANGUAGES[language])
        for text in sentences(explained):
            assert text
            assert not promised(text), text


FULL = {**A2.values, **dict(zip(LPE, A3.ln, strict=True))}
NEEDS_LINE = ("impossible_triangle", "scale_mismatch", "impossible_point", "supply_unbalance")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", EXPLANATIONS)
def test_every_verdict_has_words_with_full_data_and_with_none(language: str, code: str) -> None:
    for values in (FULL, dict(zip(LN, thrice(230.0), strict=True)), {}):
        picture = diagnose(values, Supply()).picture
        for phases in ((), ("L2",), ("L1", "L3")):
            explained = explain(Diagnosis(picture, Verdict(code, phases), Supply()), LANGUAGES[language])
            assert len(explained.causes) >= len(EXPLANATIONS[code].causes)
            if phases == ("L2",) and (values is FULL or (values and code not in NEEDS_LINE)):
                assert "{" not in "".join(sentences(explained))


def summary(values: dict[str, float], language: str = "en", supply: Supply | None = None) -> str:
    return explain(diagnose(values, supply or Supply()), LANGUAGES[language]).summary


def test_the_founding_case_in_words() -> None:
    told = summary(SEED.values)
    assert told.startswith("Not normal: the earth (PE) is pulled 30 V toward L1; neutral to earth is about 30 V.")
    assert "234/234/234 V: the supply and the neutral are normal" in told
    assert "208/254/254 V" in told
    assert "3.8 V more" in told
    in_chinese = summary(SEED.values, "zh")
    assert "不正常" in in_chinese
    assert "L1" in in_chinese
    assert "30 V" in in_chinese


def test_a_displaced_earth_does_not_make_a_bad_supply_normal() -> None:
    values = {**dict.fromkeys(LN, 180.0), **dict(zip(LPE, (160.0, 200.0, 200.0), strict=True))}
    assert "earth (PE) is pulled" in summary(values)
    assert "supply and the neutral are normal" not in summary(values)


def test_earth_that_is_measured_but_not_placed_is_not_called_unmeasured() -> None:
    values = {name: value for name, value in A6.values.items() if name != NPE}
    assert "not measured" not in summary(values)


def test_earth_that_is_not_measured_is_said() -> None:
    told = summary(dict.fromkeys(LN, 230.0))
    assert told == "Normal: the phases and the neutral stand where they belong. Earth: not measured."


def test_what_is_missing_is_named_and_nothing_else() -> None:
    told = summary({LN[0]: 230.0, LN[2]: 230.0})
    assert "L2-N" in told
    assert "L1-N" not in told


def test_a_direct_reading_that_differs_is_said() -> None:
    assert "The direct neutral-earth reading of 52 V is more than the 30 V" in summary({**SEED.values, NPE: 52.0})


def test_what_the_readings_do_not_resolve_is_said() -> None:
    assert "below what these readings resolve (2.9 V)" in summary({**dict.fromkeys(LN, 230.0), NPE: 1.0})


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.04, "0.0"), (9.94, "9.9"), (9.95, "10"), (30.27, "30"), (-10.94, "-11")]
)
def test_volts_are_told_as_finely_as_they_are_known(value: float | None, text: str) -> None:
    assert volts(value) == text


def test_readings_are_told_as_people_write_them() -> None:
    assert readings((208.0, 254.04, 230.96)) == "208/254/231"
    assert readings((0.3, 230.9, 1000.0)) == "0.3/230.9/1000"
    assert readings(None) == "-"


def test_an_open_neutral_may_be_an_open_pen_where_earth_is_not_seen() -> None:
    unseen = {name: value for name, value in A2.values.items() if name not in (*LPE, NPE)}
    may_be = explain(diagnose(unseen, Supply()), EN)
    assert [code for code, _ in may_be.causes] == ["neutral_open_upstream", "pen_open_upstream"]
    assert EN["cannot_tell"]["neutral_or_pen"] in may_be.cannot_tell
    is_not = explain(diagnose(A2.values, Supply()), EN)
    assert [code for code, _ in is_not.causes] == ["neutral_open_upstream"]
    assert EN["cannot_tell"]["neutral_or_pen"] not in is_not.cannot_tell


@pytest.mark.parametrize(("direct_v", "asked"), [(None, True), (2.0, True), (30.0, False), (52.0, False)])
def test_a_direct_reading_that_is_there_is_not_asked_for(direct_v: float | None, asked: bool) -> None:
    values = SEED.values if direct_v is None else {**SEED.values, NPE: direct_v}
    steps = explain(diagnose(values, Supply()), EN).next_steps
    assert any(step.startswith("Measure neutral to earth directly") for step in steps) is asked


@pytest.mark.parametrize("system", ["three_wire", "split_phase", "single_phase"])
def test_what_is_not_judged_is_not_said_to_be_where_it_belongs(system: Any) -> None:
    told = summary(SEED.values, supply=Supply(system=system))
    assert told.startswith("Normal")
    assert "the earth stand" not in told
    assert "more than that explains" not in told


def test_a_supply_of_another_nominal_voltage_is_named() -> None:
    told = summary(dict.fromkeys(LN, 120.0))
    assert "fit a nominal voltage of 120 V" in told
    assert "nominal" not in summary(dict.fromkeys(LN, 200.0))


def test_a_direct_reading_above_five_volts_is_told_though_no_cause_is_named() -> None:
    assert "Neutral to earth reads 8.0 V: in health" in summary({**dict.fromkeys(LN, 230.0), NPE: 8.0})
    assert "in health" not in summary({**dict.fromkeys(LN, 230.0), NPE: 4.0})


UNJUDGED = (NOT_STEADY, APART, SILENT, CONTRADICTED)
PHASES_ONLY = dict.fromkeys(LN, 230.0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_not_to_judge_has_words(language: str) -> None:
    assert set(LANGUAGES[language]["unjudged"]) == set(UNJUDGED)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", UNJUDGED)
@pytest.mark.parametrize("earth", [LPE, (NPE,)])
def test_an_earth_that_is_not_judged_is_not_called_unmeasured(
    language: str, reason: str, earth: tuple[str, ...]
) -> None:
    messages = LANGUAGES[language]
    told = explain(diagnose(PHASES_ONLY, Supply(), unjudged=dict.fromkeys(earth, reason)), messages)
    assert messages["unjudged"][reason] in told.summary
    assert messages["facts"]["earth_not_measured"] not in told.summary
    assert messages["cannot_tell"]["earth_not_judged"] in told.cannot_tell
    assert not any(promised(text) for text in sentences(told))


def test_it_says_that_the_meters_do_not_stand_still_together_yet() -> None:
    told = explain(diagnose(PHASES_ONLY, Supply(), unjudged=dict.fromkeys(LPE, NOT_STEADY)), EN)
    words = "Earth: not judged, the readings of its meters do not stand still together yet."
    assert told.summary.endswith(words)


def test_what_is_not_wired_stays_not_measured() -> None:
    told = explain(diagnose(PHASES_ONLY, Supply(), unjudged={}), EN)
    assert told.summary.endswith("Earth: not measured.")
    assert EN["cannot_tell"]["earth_not_judged"] not in told.cannot_tell


def test_an_earth_that_is_judged_all_the_same_is_told() -> None:
    told = explain(diagnose({**PHASES_ONLY, NPE: 1.0}, Supply(), unjudged=dict.fromkeys(LPE, APART)), EN)
    assert "not judged" not in told.summary
    assert EN["cannot_tell"]["earth_not_judged"] not in told.cannot_tell


def test_phases_that_are_not_judged_are_told_with_their_reason() -> None:
    diagnosis = diagnose({LN[0]: 230.0}, Supply(), unjudged=dict.fromkeys(LN[1:], NOT_STEADY))
    assert "do not stand still together yet" in explain(diagnosis, EN).summary


CLASH = Contradiction(LL[0], "main", 235.0, "earth", 399.0)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("l2_v", [230.0, 0.0])
def test_a_contradiction_names_the_meters_and_what_they_say(language: str, l2_v: float) -> None:
    told = explain(diagnose({**PHASES_ONLY, LN[1]: l2_v}, Supply(), contradiction=CLASH), LANGUAGES[language])
    for words in ("main", "235", "earth", "399", "L1-L2"):
        assert told.summary.count(words) == 1, words
    assert LANGUAGES[language]["cannot_tell"]["which_meter"] in told.cannot_tell
    assert not any(promised(text) for text in sentences(told))
