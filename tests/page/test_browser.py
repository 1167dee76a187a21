"""The page in a real browser."""

from pathlib import Path

import pytest

from tests.browser import ENTER, ESCAPE, TAB, Browser, leave
from tests.page_daemon import CRITICAL, HEALTHY, LEAKING, UNBALANCE, FakePage, page_served
from tests.served import TOKEN, until

pytestmark = pytest.mark.browser

PHONE = (360, 800)


def test_it_shows_what_stands_what_is_read_and_what_that_means(page: Browser) -> None:
    page.sees("3.10 % (limit 2.00 %)", "#alerts")
    page.sees("EN 50160:2010 4.2.4", "#alerts")
    page.sees("the earth (PE) is pulled", ".told")
    page.sees("208.0", ".numbers")
    page.sees("An insulation fault or leak on L1", ".causes")
    page.sees("Measure neutral to earth directly", ".next")
    page.sees("A missing N-PE bond", ".cannot")
    page.sees("raised · Voltage unbalance", "#events")
    page.sees("pump", "#system")
    assert page.run("return document.querySelectorAll('.picture svg').length") == 1
    assert page.complaints() == []


def test_a_picture_has_the_look_that_its_style_sheet_gives_it(page: Browser) -> None:
    page.sees("magnified", ".picture")
    stroke = "return getComputedStyle(document.querySelector('.picture .l1')).stroke"
    assert page.run(stroke) not in ("none", "")
    assert page.run("return getComputedStyle(document.querySelector('.picture path')).fill") == "none"


def test_a_change_is_seen_without_asking(page: Browser, daemon: FakePage) -> None:
    page.sees("208.0", ".numbers")
    daemon.show("main", HEALTHY)
    page.sees("Normal", ".told")
    page.sees("230.6", ".numbers")
    page.sees("✓", ".point summary")
    until(lambda: "An insulation fault" not in page.text(".causes"))
    assert page.complaints() == []


def test_a_new_critical_alert_comes_first_and_is_announced(page: Browser, daemon: FakePage) -> None:
    daemon.alert(CRITICAL)
    page.sees("Earth displacement", "#alert-list li:first-child")
    assert "Earth displaced by 30 V" in page.run("return document.querySelector('#news[role=alert]').textContent")
    assert page.run("return document.title") == "(2) plant – phasewatch"
    daemon.alert({**CRITICAL, "rev": 2, "state": "cleared", "transition": "cleared"})
    until(lambda: "Earth displacement" not in page.text("#alert-list"))


def test_an_older_revision_of_an_alert_changes_nothing(page: Browser, daemon: FakePage) -> None:
    daemon.alert({**UNBALANCE, "rev": 5, "value": 4.0})
    page.sees("4.00 %", "#alert-list")
    daemon.alert({**UNBALANCE, "rev": 4, "value": 2.5})
    daemon.alert(CRITICAL)
    page.sees("Earth displacement", "#alert-list")
    assert "4.00 %" in page.text("#alert-list")


def test_severity_is_told_by_word_and_by_shape(page: Browser, daemon: FakePage) -> None:
    daemon.alert(CRITICAL)
    page.sees("◆ CRITICAL", "#alert-list")
    assert "■ MEDIUM" in page.text("#alert-list")


def test_what_is_suppressed_or_shelved_stands_aside(page: Browser, daemon: FakePage) -> None:
    daemon.alert({**UNBALANCE, "rev": 2, "suppressed_by": CRITICAL["alert_id"], "transition": "suppressed"})
    page.sees("No alert stands.", "#alerts")
    page.click("#aside summary")
    page.sees("explained by", "#aside")


# With the keyboard alone


def reach(page: Browser, part: str) -> None:
    """Press Tab until something has the focus."""
    for _ in range(40):
        page.press(TAB)
        if part in page.focused():
            return
    raise AssertionError(f"Tab does not reach {part}")


def test_tab_reaches_acknowledge_and_enter_acknowledges(page: Browser, daemon: FakePage) -> None:
    page.sees("Acknowledge", "#alert-list")
    reach(page, "acknowledge")
    ring = page.run("const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth]")
    assert ring == ["solid", "3px"]
    page.press(ENTER)
    until(lambda: "who" in page.focused())
    page.press("Anna" + TAB + TOKEN + ENTER)
    until(lambda: bool(daemon.told))
    body = {"alert_id": UNBALANCE["alert_id"], "by": "Anna", "reason": None}
    assert daemon.told == [("acknowledge", body)]
    until(lambda: not page.run("return document.querySelector('dialog').open"))
    daemon.alert({**UNBALANCE, "rev": 2, "acknowledged": True, "transition": "acknowledged", "by": "Anna"})
    page.sees("acknowledged", "#alert-list")

    daemon.alert(CRITICAL)  # name and token are not asked for again
    page.sees("Earth displacement", "#alert-list")
    reach(page, "acknowledge")
    page.press(ENTER)
    until(lambda: page.run("return document.querySelector('dialog').open"))
    page.press(ENTER)
    until(lambda: len(daemon.told) == 2)
    assert daemon.told[1][1]["by"] == "Anna"


def test_shelving_has_an_end_and_escape_does_nothing(page: Browser, daemon: FakePage) -> None:
    page.sees("Shelve", "#alert-list")
    page.run("sessionStorage.clear(); localStorage.clear()")
    reach(page, "shelve")
    page.press(ENTER)
    until(lambda: "who" in page.focused())
    page.press(ESCAPE)
    until(lambda: "shelve" in page.focused())
    assert daemon.told == []
    page.press(ENTER)
    until(lambda: "who" in page.focused())
    page.press("Anna" + TAB + TOKEN + ENTER)
    until(lambda: bool(daemon.told))
    verb, body = daemon.told[0]
    assert (verb, body["by"]) == ("shelve", "Anna")
    assert body["until"].endswith("Z")


def test_a_wrong_token_is_asked_for_again(page: Browser, daemon: FakePage) -> None:
    page.run("sessionStorage.clear(); localStorage.clear()")
    page.click("#alert-list .acknowledge")
    page.press("Anna" + TAB + "wrong" + ENTER)
    page.sees("web.token_file names", "#refused")
    assert daemon.told == []
    until(lambda: "token" in page.focused())
    page.run("document.querySelector('#token').select()")
    page.press(TOKEN + ENTER)
    until(lambda: bool(daemon.told))
    assert any("401" in line for line in page.complaints())


def test_tab_goes_through_the_whole_page_and_leaves_it(page: Browser) -> None:
    page.sees("208.0", ".numbers")
    found = []
    for _ in range(60):
        page.press(TAB)
        found.append(page.focused())
        if found[-1] in ("BODY", "HTML") or found[0] in found[1:]:
            break
    assert len(found) < 60, found
    assert any("acknowledge" in place for place in found)
    assert any("SUMMARY" in place for place in found)


# Old is not live


def test_old_readings_are_marked_with_their_age(page: Browser, daemon: FakePage) -> None:
    page.sees("208.0", ".numbers")
    daemon.show("main", LEAKING, age_s=42.0)
    page.sees("no data for 4", ".point summary")
    page.sees("do not rely on them", ".inside .old")
    daemon.show("main", LEAKING)
    until(lambda: "no data" not in page.text(".point summary"))


def test_a_daemon_that_is_gone_is_told_and_its_return_too(window: Browser, tmp_path: Path, daemon: FakePage) -> None:
    with page_served(tmp_path / "s", daemon) as first:
        port = first.port
        window.look(*PHONE)
        window.open(f"http://127.0.0.1:{port}/")
        window.sees("208.0", ".numbers")
    window.sees("Not connected since", "#offline")
    window.sees("not connected", "#live")
    window.sees("old values", ".point summary")
    daemon.readings["main"] = HEALTHY
    with page_served(tmp_path / "again", daemon, f"127.0.0.1:{port}"):
        window.sees("live", "#live", patience_s=40.0)
        window.sees("230.6", ".numbers")
        assert window.run("return document.querySelector('#offline').hidden")
    leave(window)


# Many points


def test_a_hundred_points_are_a_list_and_only_what_is_open_is_asked_for(window: Browser, tmp_path: Path) -> None:
    names = [f"point-{number:03}" for number in range(100)]
    daemon = FakePage(*names)
    daemon.readings["point-042"] = LEAKING
    with page_served(tmp_path / "s", daemon) as server:
        window.look(*PHONE)
        window.open(f"http://127.0.0.1:{server.port}/")
        window.sees("point-099", "#points")
        fetched = (
            "return performance.getEntriesByType('resource').filter((e) => e.name.includes('/api/points/')).length"
        )
        assert window.run(fetched) == 0
        window.click("#faulty")
        until(lambda: window.run("return document.querySelectorAll('.point').length") == 1)
        window.click(".point summary")
        window.sees("An insulation fault", ".causes")
        assert window.run(fetched) == 2
        assert window.complaints() == []
        leave(window)
