"""How the page looks: its languages, its colours, its sizes."""

import pytest

from tests.browser import Browser
from tests.page_daemon import CRITICAL, LEAKING, FakePage

pytestmark = pytest.mark.browser

PHONE, DESK, NARROW = (360, 800), (1280, 900), (320, 640)


def test_the_language_can_be_switched_and_is_remembered(page: Browser) -> None:
    page.sees("An insulation fault", ".causes")
    page.click("[data-language=zh]")
    page.sees("当前告警", "#alerts")
    page.sees("电压不平衡", "#alerts")
    page.sees("绝缘", ".causes")
    assert page.run("return document.documentElement.lang") == "zh-Hans"
    page.run("location.reload()")
    page.sees("实时", "#live")
    page.click("[data-language=en]")
    page.sees("Active alerts", "#alerts")
    assert page.complaints() == []


CONTRAST = """
const channels = (text) => text.match(/[\\d.]+/g).map(Number);
const shine = ([r, g, b]) => {
  const part = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const under = (element) => {
  for (; element; element = element.parentElement) {
    const found = channels(getComputedStyle(element).backgroundColor);
    if (found.length < 4 || found[3] > 0) return found;
  }
  return matchMedia('(prefers-color-scheme: dark)').matches ? [0, 0, 0] : [255, 255, 255];
};
const poor = [];
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement;
  if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
  const style = getComputedStyle(element);
  const ink = shine(channels(element.ownerSVGElement ? style.fill : style.color)), paper = shine(under(element));
  const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  if (ratio < 4.5) poor.push([texts.currentNode.data.trim(), element.className.baseVal ?? element.className, ratio]);
}
return poor;
"""


@pytest.mark.parametrize("state", ["live", "stale", "offline"])
def test_every_text_stands_out_from_its_ground(page: Browser, daemon: FakePage, state: str) -> None:
    for severity in ("critical", "high", "low"):
        kept = {**CRITICAL, "alert_id": f"plant-abc-main-{severity}-1", "severity": severity}
        daemon.alert(kept)
    page.sees("LOW", "#alert-list")
    page.run("document.querySelector('.point').scrollIntoView()")  # what is not in view is not drawn
    page.sees("magnified", ".picture")
    if state == "stale":
        daemon.show("main", LEAKING, age_s=42.0)
        page.sees("no data for", ".point")
    if state == "offline":
        page.run("document.body.classList.add('offline')")
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    page.sees("onset", ".evidence")
    page.run("document.querySelector('dialog').showModal()")
    for scheme in ("light", "dark"):
        page.look(*PHONE, scheme)
        dark = page.run("return getComputedStyle(document.body).backgroundColor")
        assert (dark == "rgb(28, 28, 28)") is (scheme == "dark")
        assert page.run(CONTRAST) == [], scheme
    page.run("document.querySelector('dialog').close()")


def test_nothing_is_wider_than_the_window(page: Browser) -> None:
    page.sees("magnified", ".picture")
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    page.sees("onset", ".evidence")
    for size in (NARROW, PHONE, DESK):
        page.look(*size)
        assert page.run("return [innerWidth, document.documentElement.scrollWidth <= innerWidth]") == [size[0], True]
