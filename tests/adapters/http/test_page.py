"""The routes of the page: its files, and what they ask for."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import pytest

from phasewatch.adapters.http.page import KINDS, assets
from phasewatch.adapters.http.stream import ALERT_KEYS
from phasewatch.electrical.causes import EXPLANATIONS
from phasewatch.meters.quantities import LN
from tests.page_daemon import LEAKING, UNBALANCE, WORDS, FakePage, page_served
from tests.served import asked

ALERT_ID = str(UNBALANCE["alert_id"])
BUDGET_BYTES = 150 * 1024


@pytest.fixture
def daemon() -> FakePage:
    return FakePage(readings=LEAKING)


@pytest.fixture
def path(tmp_path: Path, daemon: FakePage) -> Iterator[Path]:
    with page_served(tmp_path / "s", daemon):
        yield tmp_path / "s"


def files_of_the_page(path: Path) -> list[str]:
    """Return the addresses of everything that the page loads: its links, and what its modules import."""
    index = asked(path, "/").body.decode()
    found = re.findall(r'(?:href|src)="(/assets/[^"]+)"', index)
    for address in found:
        if address.endswith(".js"):
            imported = re.findall(r'from "\./([^"]+)"', asked(path, address).body.decode())
            found += [f"/assets/{name}" for name in imported if f"/assets/{name}" not in found]
    return found


def test_everything_that_the_page_loads_is_there_and_nothing_else(path: Path) -> None:
    loaded = files_of_the_page(path)
    assert {asked(path, address).code for address in loaded} == {200}
    assert {address.removeprefix("/assets/") for address in loaded} == set(assets()) - {"index.html"}


def test_the_page_names_no_other_place() -> None:
    for name, asset in assets().items():
        text = asset.content.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.", text), name


def test_the_page_has_no_style_or_script_inside() -> None:
    index = assets()["index.html"].content.decode()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", index)


def test_the_page_and_its_first_questions_keep_the_budget(path: Path) -> None:
    first = ["/", *files_of_the_page(path), "/api/words", "/api/events?brief&limit=20", "/api/points"]
    first += [f"/api/points/main/{what}" for what in ("state", "picture.svg", "explanation")]
    assert sum(len(asked(path, address).body) for address in first) < BUDGET_BYTES


def test_a_file_is_sent_again_only_when_it_has_changed(path: Path) -> None:
    first = asked(path, "/assets/page.css")
    again = asked(path, "/assets/page.css", If_None_Match=first.headers["etag"])
    assert (again.code, again.body) == (304, b"")
    assert asked(path, "/assets/page.css", If_None_Match='"other"').body == first.body


def test_a_file_is_packed_for_those_who_take_it_so(path: Path) -> None:
    packed = asked(path, "/assets/page.css", Accept_Encoding="gzip, br")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == asked(path, "/assets/page.css").body


@pytest.mark.parametrize("name", ["other.js", "..%2Fpage.py", "%2e%2e%2f%2e%2e%2fservice.py"])
def test_no_other_file_is_served(path: Path, name: str) -> None:
    assert asked(path, f"/assets/{name}").code == 404


# Words


def words_that_the_page_uses() -> set[str]:
    """Return the keys of words in the scripts and in the page; those put together are held elsewhere."""
    scripts = "".join(asset.content.decode() for name, asset in assets().items() if name.endswith((".js", ".html")))
    return set(re.findall(r'word\("(\w+)"', scripts)) | set(re.findall(r'data-word="(\w+)"', scripts))


@pytest.mark.parametrize("language", WORDS)
def test_every_word_of_the_page_is_there(language: str) -> None:
    known = {key for group in ("page", "report", "labels") for key in WORDS[language][group]}  # type: ignore[attr-defined]
    assert words_that_the_page_uses() <= known


@pytest.mark.parametrize("language", WORDS)
def test_every_verdict_has_a_short_name(language: str) -> None:
    names = {key for key in WORDS[language]["page"] if key.startswith("verdict_")}  # type: ignore[attr-defined]
    assert names == {f"verdict_{code}" for code in EXPLANATIONS}


def test_words_come_in_the_language_asked_for_or_in_that_of_the_site(path: Path) -> None:
    found = {query: asked(path, f"/api/words{query}").json["language"] for query in ("", "?lang=zh", "?lang=tlh")}
    assert found == {"": "en", "?lang=zh": "zh", "?lang=tlh": "en"}


# Drawings


@pytest.mark.parametrize(
    "address",
    [
        "/api/points/main/picture.svg?lang=zh",
        *(f"/api/points/main/trend.svg?span={span}&of={kind}" for span in ("hour", "day") for kind in KINDS),
        f"/api/evidence/{quote(ALERT_ID)}.svg?ahead=480",
    ],
)
def test_a_drawing_needs_no_style_that_the_policy_forbids(path: Path, daemon: FakePage, address: str) -> None:
    daemon.history.reading("main", 89_990.0, {LN[0]: 230.0})
    said = asked(path, address)
    assert (said.code, said.headers["content-type"]) == (200, "image/svg+xml")
    ElementTree.fromstring(said.body)
    assert not re.search(rb"<style|\sstyle=|<script|\son[a-z]+=", said.body)


def test_times_of_a_plot_are_those_of_who_looks(path: Path) -> None:
    plots = {
        ahead: asked(path, f"/api/evidence/{ALERT_ID}.svg?ahead={ahead}").body.decode() for ahead in ("480", "-90")
    }
    assert "UTC+08:00" in plots["480"]
    assert "UTC-01:30" in plots["-90"]


def test_evidence_names_the_plots_that_are_worth_it(path: Path) -> None:
    found = asked(path, f"/api/evidence/{ALERT_ID}").json
    assert (found["kinds"], len(found["samples"]["offset_s"])) == (["lines"], 121)


def test_evidence_that_is_not_there_is_not_found(path: Path) -> None:
    assert [asked(path, f"/api/evidence/other{end}").code for end in ("", ".svg")] == [404, 404]


# Points and events


def test_the_meaning_of_a_point_comes_in_the_language_asked_for(path: Path) -> None:
    told = asked(path, "/api/points/main/explanation?lang=zh").json
    assert told["verdict"] == "earth_displaced"
    assert all(re.search("[一-鿿]", text) for text in (told["summary"], told["causes"][0]["text"], *told["next_steps"]))


@pytest.mark.parametrize("what", ["state", "explanation", "picture.svg", "trend", "trend.svg"])
def test_a_point_that_is_not_there_is_not_found(path: Path, what: str) -> None:
    assert asked(path, f"/api/points/other/{what}").code == 404


@pytest.mark.parametrize("query", ["span=week", "of=colours"])
def test_a_trend_of_something_else_is_refused_with_what_there_is(path: Path, query: str) -> None:
    said = asked(path, f"/api/points/main/trend.svg?{query}")
    assert said.code == 400
    assert "one of" in said.json["error"]


def places(path: Path, query: str) -> list[int]:
    return [event["place"] for event in asked(path, f"/api/events{query}").json["events"]]


def test_events_come_newest_first_and_page_by_page(path: Path) -> None:
    assert [places(path, query) for query in ("", "?limit=2", "?limit=2&before=2")] == [[3, 2, 1], [3, 2], [1]]


@pytest.mark.parametrize("query", ["limit=-1", "limit=many", "before=1.5", "before=" + 40 * "9"])
def test_a_number_that_is_none_is_refused(path: Path, query: str) -> None:
    assert asked(path, f"/api/events?{query}").code == 400


def test_the_page_gets_only_what_it_shows_of_an_event(path: Path, daemon: FakePage) -> None:
    daemon.events_now = [{**daemon.events_now[0], "verdict": {"code": "x"}}]
    whole, brief = (asked(path, f"/api/events{query}").json["events"][0] for query in ("", "?brief"))
    assert "verdict" in whole
    assert set(brief) <= {*ALERT_KEYS, "place"}
