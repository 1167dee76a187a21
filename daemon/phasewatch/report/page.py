"""The report as one HTML page that needs nothing else: no script, no font, no address to load from."""

from collections.abc import Iterator
from typing import Final

from phasewatch.drawing.plot import zone
from phasewatch.drawing.svg import STYLE, Markup, element, escaped
from phasewatch.report.content import Material
from phasewatch.report.equipment import health, meters
from phasewatch.report.events import alerts, events
from phasewatch.report.html import facts, heading, listing, paragraph, section
from phasewatch.report.points import overview, points

_LAYOUT: Final = Markup(
    "<style>"
    ":root{color-scheme:light}"
    "body{font:14px/1.4 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:190mm;margin:0 auto;padding:4mm}"
    "h1{font-size:1.6em;margin:0}h2{font-size:1.25em;border-bottom:2px solid #1a1a1a;margin:1.6em 0 .5em}"
    "h3{font-size:1.1em;margin:1em 0 .3em}h4{font-size:1em;margin:.9em 0 .2em}p{margin:.3em 0}"
    "table{border-collapse:collapse;width:100%;margin:.3em 0;font-variant-numeric:tabular-nums}"
    "th,td{border-bottom:1px solid #bbb;padding:.15em .6em .15em 0;text-align:left;vertical-align:top}"
    "td:last-child,p,li,h1,h2,h3{overflow-wrap:anywhere}ul,ol{margin:.2em 0;padding-left:1.6em}"
    ".facts th{width:30%;font-weight:600}.pair .facts th{width:48%}.events{font-size:.85em}"
    ".events td:first-child{white-space:nowrap}.events td:last-child{width:50%}"
    "figure{margin:.4em 0}.pair{display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start}"
    ".pair>div{flex:1 1 300px;min-width:0}.pair>figure{flex:0 1 320px}"
    ".verdict{font-weight:600;border-left:5px solid #00694a;padding-left:.6em}.bad{border-color:#b3001b}"
    "p.bad{border-left:5px solid #b3001b;padding-left:.6em}"
    ".sign td{height:2.6em}.adviser{border:1px solid #1a1a1a;padding:.5em .8em;margin-top:1em}"
    "@page{size:A4;margin:12mm 14mm}"
    "@media print{body{padding:0;max-width:none;font-size:9pt;line-height:1.3}.point{break-before:page}"
    ".pair svg{width:70mm}"
    "tr,figure,.meter,.signature,h2+*,h4+*{break-inside:avoid}h2,h3,h4{break-after:avoid}"
    "thead{display:table-header-group}}"
    "</style>"
)
LANGUAGE_TAGS: Final = {"en": "en", "zh": "zh-Hans"}


def page(material: Material) -> str:
    """Return the report."""
    title = material.words["title"].format(site=material.loaded.site.site)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", escaped(title)),
        _LAYOUT,
        STYLE,
    )
    body = element("body", element("main", *_sections(material, title)))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang=LANGUAGE_TAGS.get(material.language, 'en'))}\n"


def _sections(material: Material, title: str) -> Iterator[Markup]:
    yield _cover(material, title)
    yield overview(material)
    yield alerts(material)
    yield points(material)
    yield events(material)
    yield meters(material)
    yield health(material)
    yield _signature(material)


def _cover(material: Material, title: str) -> Markup:
    words, site = material.words, material.loaded.site
    made = f"{material.at:%Y-%m-%d %H:%M:%S} {zone(material.at)}"
    return section(
        heading(title, 1),
        facts(
            (
                (words["site"], site.site),
                (words["made"], made),
                (words["version"], f"phasewatch {material.version}"),
                (words["basis"], words["basis_once" if material.status is None else "basis_daemon"]),
                (words["times"], zone(material.at)),
            )
        ),
        listing(list(material.missing)),
        paragraph(words["adviser"], "adviser"),
    )


def _signature(material: Material) -> Markup:
    words = material.words
    rows = ((words[key], "") for key in ("checked_by", "remarks", "place_and_date", "signed"))
    return section(
        heading(words["signature"]),
        element("div", facts(rows), class_="sign"),
        paragraph(words["adviser"], "adviser"),
        class_="signature",
    )
