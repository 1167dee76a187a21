// The points: a line of each, and of those that are open the picture, the numbers and what they mean.

import { byId, draw, items, keep, make, remark, say } from "./elements.js";
import { connected, follow, on } from "./live.js";
import { fill as fillNumbers } from "./numbers.js";
import { ahead, language, moment, span, verdictName, word } from "./words.js";

const FEW = 3; // so many are open from the start
const MANY = 8; // from here on there is something to find
const AGAIN_MS = 1000;

const points = new Map(); // name -> what is known of it
const seen = new Set(); // names of open points in view
let order = [];

const inView = new IntersectionObserver((changes) => {
  for (const { target, isIntersecting } of changes) {
    const name = target.dataset.key;
    if (isIntersecting && target.open) seen.add(name);
    else seen.delete(name);
  }
  followSoon();
}, { rootMargin: "100px" });

let soon = 0;
function followSoon() {
  clearTimeout(soon);
  soon = setTimeout(() => follow([...seen]), 250);
}

on("hello", (whole) => {
  const first = order.length === 0;
  order = whole.points.map((brief) => brief.point);
  for (const name of [...points.keys()]) if (!order.includes(name)) points.delete(name);
  take(whole.points);
  byId("find").hidden = order.length < MANY;
  show();
  for (const state of whole.states) takeState(state);
  if (first && order.length <= FEW) for (const element of byId("point-list").children) element.open = true;
});

on("points", (briefs) => { take(briefs); show(); });
on("point", takeState);
on("connection", () => { for (const [name] of points) showAge(name); });

function take(briefs) {
  for (const brief of briefs) {
    const point = known(brief.point);
    point.brief = brief;
    point.briefAt = performance.now();
  }
}

function known(name) {
  if (!points.has(name)) points.set(name, { brief: { point: name }, briefAt: 0, drawnAt: 0 });
  return points.get(name);
}

function takeState(state) {
  const point = known(state.point);
  const volts = ["l1", "l2", "l3"].map((phase) => state.readings?.[`voltage_${phase}_n`]).filter(Number.isFinite);
  const line = { quality: state.quality ?? null, verdict: state.verdict, severity: state.picture?.severity ?? null };
  if (volts.length) Object.assign(line, { low_v: Math.round(Math.min(...volts)), high_v: Math.round(Math.max(...volts)) });
  Object.assign(point, { state, stateAt: performance.now(), brief: { ...point.brief, ...line } });
  const element = elementOf(state.point);
  if (element) showState(element, point);
}

const elementOf = (name) => [...byId("point-list").children].find((element) => element.dataset.key === name);

export function show() {
  const wanted = byId("filter").value.trim().toLowerCase();
  const faulty = byId("faulty").checked;
  const listed = order.filter((name) => name.includes(wanted) && (!faulty || signOf(points.get(name)) !== "good"));
  keep(byId("point-list"), listed, (name) => name, create, (element, name) => {
    const point = points.get(name);
    showLine(element, point);
    if (point.state) showState(element, point);
  });
}

export function renew() {
  for (const point of points.values()) point.told = point.drawn = null;
  for (const element of byId("point-list").children) label(element);
  show();
}

byId("filter").addEventListener("input", show);
byId("faulty").addEventListener("change", show);

// One point

function create(name) {
  const part = (tag, className, ...children) => make(tag, { class: className }, ...children);
  const element = make("details", { class: "point" },
    make("summary", {}, part("span", "mark"), " ", make("strong", {}, name), " ", part("span", "verdict-name"), " ",
      part("span", "volts"), " ", part("span", "age")),
    part("div", "inside",
      part("p", "old"),
      part("p", "told"),
      part("div", "pair", part("figure", "picture"), part("div", "numbers")),
      part("div", "means",
        part("h4", "causes-title"), part("ol", "causes"),
        part("h4", "next-title"), part("ol", "next"),
        part("h4", "cannot-title"), part("ul", "cannot")),
      make("details", { class: "trends" }, part("summary", "trends-title"),
        part("p", "buttons spans",
          make("button", { type: "button", "data-span": "hour", "aria-pressed": "true" }),
          make("button", { type: "button", "data-span": "day", "aria-pressed": "false" })),
        part("figure", "voltages"), part("figure", "shifts"))));
  element.querySelector(".mark").setAttribute("aria-hidden", "true");
  element.addEventListener("toggle", () => {
    inView.unobserve(element); // observed anew it tells at once whether it is in view
    seen.delete(name);
    if (element.open) inView.observe(element);
    followSoon();
  });
  const trends = element.querySelector(".trends");
  trends.addEventListener("toggle", () => { if (trends.open) drawTrends(element, name); });
  for (const button of element.querySelectorAll("[data-span]")) {
    button.addEventListener("click", () => {
      for (const other of element.querySelectorAll("[data-span]"))
        other.setAttribute("aria-pressed", String(other === button));
      drawTrends(element, name);
    });
  }
  label(element);
  return element;
}

function label(element) {
  const words = { "causes-title": "causes", "cannot-title": "cannot_tell", "next-title": "next_steps", "trends-title": "trends" };
  for (const [name, key] of Object.entries(words)) say(element.querySelector(`.${name}`), word(key));
  for (const button of element.querySelectorAll("[data-span]")) say(button, word(`span_${button.dataset.span}`));
}

function signOf({ brief }) {
  if (!brief.verdict) return "none";
  if (brief.quality === "stale") return "stale";
  return brief.severity ?? (brief.verdict === "normal" ? "good" : "low");
}

function showLine(element, point) {
  const { brief } = point;
  const sign = signOf(point);
  remark(element.querySelector(".mark"), sign);
  element.classList.toggle("stale", sign === "stale");
  say(element.querySelector(".verdict-name"), verdictName(brief.verdict));
  const range = brief.low_v === brief.high_v ? `${brief.low_v}` : `${brief.low_v}–${brief.high_v}`;
  say(element.querySelector(".volts"), brief.low_v == null ? "" : `${range} V`);
  showAge(brief.point, element);
}

/** Seconds since the readings were made, as far as this page can know. */
function ageOf(point) {
  if (point.state?.age_s != null) return point.state.age_s + (performance.now() - point.stateAt) / 1000;
  if (point.brief.age_s != null) return point.brief.age_s + (performance.now() - point.briefAt) / 1000;
  return null;
}

function showAge(name, element = elementOf(name)) {
  const point = points.get(name);
  if (!element || !point) return;
  const age = ageOf(point);
  const followed = seen.has(name) && point.state;
  const stale = point.brief.quality === "stale" || (followed && age !== null && age > (point.state.stale_s ?? 10));
  const old = stale || !connected();
  element.classList.toggle("stale", stale);
  if (stale) remark(element.querySelector(".mark"), "stale");
  const text = stale && age !== null ? word("no_data_for", { span: span(age) }) : !connected() ? word("old_values") : "";
  say(element.querySelector("summary .age"), text);
  const told = element.querySelector(".inside .old");
  told.hidden = !old;
  if (old) say(told, word("old_from", { time: moment(point.state?.at), span: span(age ?? 0) }));
}

setInterval(() => { for (const name of points.keys()) showAge(name); }, 1000);

function showState(element, point) {
  showLine(element, point);
  if (!element.open || !point.state) return;
  fillNumbers(element.querySelector(".numbers"), point.state);
  say(element.querySelector(".told"), point.summary ?? point.state.summary ?? word("no_readings_yet"));
  const { readings, picture, summary } = point.state;
  const shown = JSON.stringify([readings, picture]);
  if (shown !== point.drawn) refresh(element, point, shown, `${language()} ${summary}`);
}

/** Fetch picture and words anew, at most once a second; the newest state is what counts. */
function refresh(element, point, shown, told) {
  if (point.busy) return;
  const pause = point.drawnAt + AGAIN_MS - performance.now();
  point.busy = true;
  setTimeout(async () => {
    point.drawnAt = performance.now();
    const address = `/api/points/${encodeURIComponent(point.brief.point)}`;
    try {
      await draw(element.querySelector(".picture"), `${address}/picture.svg?lang=${language()}`);
      point.drawn = shown;
      if (point.told !== told) showMeaning(element, point, await explained(address));
      point.told = told;
    } catch { /* the connection tells; it is tried again with the next state */ }
    point.busy = false;
  }, Math.max(0, pause));
}

async function explained(address) {
  const answer = await fetch(`${address}/explanation?lang=${language()}`);
  return answer.ok ? answer.json() : {};
}

function showMeaning(element, point, meaning) {
  point.summary = meaning.summary;
  if (meaning.summary) say(element.querySelector(".told"), meaning.summary);
  const lists = { causes: (meaning.causes ?? []).map(({ text }) => text), cannot: meaning.cannot_tell, next: meaning.next_steps };
  for (const [name, texts] of Object.entries(lists)) {
    items(element.querySelector(`.${name}`), texts ?? []);
    element.querySelector(`.${name}-title`).hidden = !texts?.length;
  }
}

function drawTrends(element, name) {
  const chosen = element.querySelector("[data-span][aria-pressed=true]").dataset.span;
  for (const kind of ["voltages", "shifts"]) {
    const query = `span=${chosen}&of=${kind}&lang=${language()}&ahead=${ahead()}`;
    draw(element.querySelector(`figure.${kind}`), `/api/points/${encodeURIComponent(name)}/trend.svg?${query}`).catch(() => {});
  }
}

setInterval(() => {
  if (!connected() || document.hidden) return;
  for (const name of seen) {
    const element = elementOf(name);
    if (element?.querySelector(".trends").open) drawTrends(element, name);
  }
}, 10000);
