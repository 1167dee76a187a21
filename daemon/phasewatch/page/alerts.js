// The alerts that stand, and what an operator does about them.

import { byId, keep, make, remark, say } from "./elements.js";
import { known, on, order } from "./live.js";
import { moment, number, recall, remember, span, title, word } from "./words.js";

const RANK = { critical: 0, high: 1, medium: 2, low: 3 };
const alerts = new Map();
let siteName = "phasewatch";

// One occurrence follows the other under the same name.
const keyOf = (alert) => alert.alert_id.replace(/-\d+$/, "");
const standing = (alert) => alert.state !== "cleared";
const shelved = (alert) => Boolean(alert.shelved_until) && new Date(alert.shelved_until) > new Date();
// A lost meter explains that there is no data, not the fault that stood before: that one stays in view.
const setAside = (alert) => shelved(alert) || (Boolean(alert.suppressed_by) && alert.state !== "unknown");

on("hello", (whole) => {
  siteName = whole.status.site;
  alerts.clear();
  for (const alert of whole.alerts) alerts.set(keyOf(alert), alert);
  show();
});

on("alert", (alert) => {
  const before = alerts.get(keyOf(alert));
  if (before && before.rev > alert.rev) return;
  if (standing(alert) || shelved(alert)) alerts.set(keyOf(alert), alert);
  else alerts.delete(keyOf(alert));
  const news = ["raised", "severity_changed", "unshelved", "unsuppressed"].includes(alert.transition);
  if (news && alert.severity === "critical" && standing(alert) && !setAside(alert))
    say(byId("news"), word("new_critical", { what: what(alert), summary: alert.summary }));
  show();
});

export const what = (alert) => [title(alert.rule), alert.phase, alert.subject].filter(Boolean).join(" · ");

export function show() {
  const order = (a, b) => (a.acknowledged - b.acknowledged) || (RANK[a.severity] - RANK[b.severity])
    || String(b.since).localeCompare(String(a.since)) || keyOf(a).localeCompare(keyOf(b));
  const all = [...alerts.values()].sort(order);
  const open = all.filter((alert) => standing(alert) && !setAside(alert));
  const aside = all.filter(setAside);
  keep(byId("alert-list"), open, keyOf, create, update);
  keep(byId("aside-list"), aside, keyOf, create, update);
  byId("no-alerts").hidden = open.length > 0;
  byId("aside").hidden = aside.length === 0;
  say(byId("alert-count"), open.length ? `(${open.length})` : "");
  say(byId("aside-count"), `(${aside.length})`);
  const waiting = open.filter((alert) => !alert.acknowledged).length;
  document.title = `${waiting ? `(${waiting}) ` : ""}${siteName} – phasewatch`;
}

function create() {
  const card = make("li", { class: "alert" },
    make("h3", {}, make("span", { class: "mark", "aria-hidden": "true" }), " ",
      make("span", { class: "severity" }), " ", make("span", { class: "what" })),
    make("p", { class: "value" }), make("p", { class: "summary" }), make("p", { class: "source" }),
    make("p", { class: "since" }), make("p", { class: "notes" }),
    make("p", { class: "buttons" },
      make("button", { type: "button", class: "acknowledge" }),
      make("button", { type: "button", class: "shelve" }),
      make("button", { type: "button", class: "unshelve" })));
  for (const verb of ["acknowledge", "shelve", "unshelve"])
    card.querySelector(`.${verb}`).addEventListener("click", () => ask(verb, alerts.get(card.dataset.key)));
  return card;
}

function update(card, alert) {
  const part = (name) => card.querySelector(`.${name}`);
  card.className = `alert ${alert.severity}${alert.acknowledged ? " seen" : ""}`;
  remark(part("mark"), alert.severity);
  say(part("severity"), word(`severity_${alert.severity}`));
  say(part("what"), what(alert));
  const limit = alert.limit == null ? "" : word("limit", { limit: `${number(alert.limit, 2)} ${alert.unit ?? ""}` });
  say(part("value"), alert.value == null ? "" : `${number(alert.value, 2)} ${alert.unit ?? ""} ${limit}`.trim());
  say(part("summary"), alert.summary ?? "");
  say(part("source"), alert.source ? word("by_clause", { source: alert.source }) : "");
  part("since").dataset.since = alert.since ?? "";
  age(part("since"));
  say(part("notes"), notes(alert).join(" · "));
  for (const name of ["value", "summary", "source", "notes"]) part(name).hidden = !part(name).textContent;
  button(part("acknowledge"), "acknowledge", standing(alert) && !alert.acknowledged, alert);
  button(part("shelve"), "shelve", !shelved(alert), alert);
  button(part("unshelve"), "unshelve", shelved(alert), alert);
}

function button(element, verb, useful, alert) {
  if (!useful && document.activeElement === element) byId("alerts").focus({ preventScroll: true });
  element.hidden = !useful;
  say(element, word(verb));
  element.setAttribute("aria-label", `${word(verb)}: ${what(alert)}`);
}

function age(element) {
  const since = element.dataset.since;
  const seconds = (Date.now() - new Date(since)) / 1000;
  say(element, since ? word("since_ago", { time: moment(since), span: span(seconds) }) : "");
}

setInterval(() => { for (const element of document.querySelectorAll(".alert .since")) age(element); }, 1000);

function notes(alert) {
  return [
    alert.state === "unknown" && word("state_unknown"),
    alert.acknowledged && word("state_acknowledged"),
    shelved(alert) && word("state_shelved", { time: moment(alert.shelved_until) }),
    alert.suppressed_by && word("state_suppressed", { alert: alert.suppressed_by }),
    alert.chattering && word("chattering"),
    alert.first_out && word("first_out"),
  ].filter(Boolean);
}

// Commands

let asked = null;

function ask(verb, alert) {
  if (!alert) return;
  asked = { verb, alert };
  const { who, token } = known();
  say(byId("dialog-title"), word(verb));
  say(byId("dialog-what"), what(alert));
  byId("who").value = who ?? "";
  byId("token").value = token ?? "";
  byId("who-row").hidden = Boolean(who);
  byId("token-row").hidden = Boolean(token) || recall(sessionStorage, "tokenless") === "1";
  byId("ends").hidden = verb !== "shelve";
  byId("reason").value = "";
  byId("refused").hidden = true;
  say(byId("do"), word(verb));
  byId("dialog").showModal();
  (byId("who-row").hidden ? (byId("token-row").hidden ? byId("do") : byId("token")) : byId("who")).focus();
}

async function send(event) {
  event.preventDefault();
  const { verb, alert } = asked;
  const token = byId("token").value.trim();
  const by = byId("who").value.trim();
  const body = { alert_id: alert.alert_id, by, reason: byId("reason").value.trim() || null };
  if (verb === "shelve") {
    const hours = Number(new FormData(byId("order")).get("hours"));
    body.until = new Date(Date.now() + hours * 3600000).toISOString();
  }
  byId("do").disabled = true;
  const reply = await order(verb, body, token);
  byId("do").disabled = false;
  if (reply.ok) {
    remember(localStorage, "who", by);
    remember(sessionStorage, "tokenless", token ? null : "1");
    byId("dialog").close();
    return;
  }
  byId("token-row").hidden = byId("token-row").hidden && !reply.refused;
  byId("who-row").hidden = false;
  byId("refused").hidden = false;
  say(byId("refused"), reply.error);
  if (reply.refused) byId("token").focus();
}

byId("order").addEventListener("submit", send);
byId("cancel").addEventListener("click", () => byId("dialog").close());
