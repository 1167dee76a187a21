// What happened, newest first, and on demand the readings around an onset.

import { what } from "./alerts.js";
import { byId, draw, keep, make, remark, say } from "./elements.js";
import { on } from "./live.js";
import { ahead, language, moment, word } from "./words.js";

const AT_ONCE = 20;
const SOON_MS = 1000; // by then the journal has it

const events = new Map(); // place -> event
let soon = 0;

on("hello", latest);
on("alert", () => { clearTimeout(soon); soon = setTimeout(latest, SOON_MS); });

async function latest() { await load(""); }

async function load(before) {
  const answer = await fetch(`/api/events?brief&limit=${AT_ONCE}${before}`).catch(() => null);
  if (!answer?.ok) return;
  const found = (await answer.json()).events;
  // Places of a journal that was begun anew tell nothing about those that are shown.
  if (!before && found.length && !found.some((event) => events.has(event.place))) events.clear();
  for (const event of found) events.set(event.place, event);
  if (before || events.size <= AT_ONCE) byId("older").hidden = found.length < AT_ONCE;
  show();
}

export function show() {
  const shown = [...events.values()].sort((a, b) => b.place - a.place);
  keep(byId("event-list"), shown, (event) => String(event.place), create, update);
  byId("no-events").hidden = shown.length > 0;
}

byId("older").addEventListener("click", () => load(`&before=${Math.min(...events.keys())}`));

function create(event) {
  const details = make("details", { class: "event" },
    make("summary", {}, make("time", { datetime: event.at }), " ", make("span", { class: "mark", "aria-hidden": "true" }), " ",
      make("span", { class: "head" })),
    make("p", { class: "summary" }), make("p", { class: "by" }), make("div", { class: "evidence" }));
  details.addEventListener("toggle", () => { if (details.open) evidence(details, event); });
  return make("li", {}, details);
}

function update(element, event) {
  const part = (name) => element.querySelector(`.${name}`);
  say(element.querySelector("time"), moment(event.at));
  remark(part("mark"), event.state === "cleared" ? "good" : event.severity);
  const change = word(`transition_${event.transition}`);
  say(part("head"), `${word(`severity_${event.severity}`)} · ${change} · ${what(event)}`);
  say(part("summary"), event.summary ?? "");
  const by = event.by ? word("by_whom", { by: event.by }) : "";
  say(part("by"), [by, event.reason].filter(Boolean).join(" "));
}

async function evidence(details, event) {
  const place = details.querySelector(".evidence");
  const id = encodeURIComponent(event.alert_id);
  const answer = await fetch(`/api/evidence/${id}`).catch(() => null);
  if (!answer?.ok) {
    place.replaceChildren(make("p", {}, word(answer?.status === 404 ? "no_evidence" : "not_reached")));
    return;
  }
  const found = await answer.json();
  const figures = found.kinds.map((kind) => [kind, make("figure", { class: "plot" })]);
  place.replaceChildren(make("h4", {}, word("evidence")), ...figures.map(([, figure]) => figure));
  if (!found.complete) place.append(make("p", {}, word("evidence_cut")));
  for (const [kind, figure] of figures)
    await draw(figure, `/api/evidence/${id}.svg?of=${kind}&lang=${language()}&ahead=${ahead()}`).catch(() => {});
}
