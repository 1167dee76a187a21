// How the daemon itself stands: its buses, the way to the broker, its clock and journal, its site file.

import { byId, make } from "./elements.js";
import { on } from "./live.js";
import { moment, number, word } from "./words.js";

let status = null;

on("hello", (whole) => { status = whole.status; show(); });
on("status", (told) => { status = told; show(); });

export function show() {
  if (!status) return;
  byId("site").textContent = status.site;
  const buses = Object.entries(status.buses).map(([name, bus]) => busRow(name, bus));
  byId("health").replaceChildren(
    make("div", { class: "wide" }, make("table", { class: "buses" },
      make("thead", {}, make("tr", {}, ...["bus", "load", "failing", "polls", "failed", "overruns"].map((key) =>
        make("th", { scope: "col" }, word(key))))),
      make("tbody", {}, ...buses))),
    make("dl", {}, ...facts().flatMap(([term, text, bad]) => [
      make("dt", {}, term), make("dd", bad ? { class: "problem" } : {}, bad ? "▲ " : "", text)])));
}

function busRow(name, bus) {
  const load = bus.load_percent === null ? "–" : `${number(bus.load_percent, 0)} %`;
  const failing = bus.failing.length ? `▲ ${bus.failing.join(", ")}` : word("none");
  return make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, load),
    make("td", bus.failing.length ? { class: "problem" } : {}, failing),
    ...[bus.polls, bus.failures, bus.overruns].map((count) => make("td", {}, String(count))));
}

function facts() {
  const { delivery, outbox, configuration } = status;
  const counts = { depth: outbox.depth, dropped: outbox.dropped, dead_letters: outbox.dead_letters };
  const lost = outbox.dropped + outbox.dead_letters > 0;
  const told = [
    [word("broker"), delivery?.connected ? word("connected", { url: delivery.url }) : word("not_connected"), !delivery?.connected],
    [word("outbox"), word("outbox_counts", counts), lost],
  ];
  if (outbox.last_error) told.push([word("last_error"), outbox.last_error, true]);
  if (outbox.held.length) told.push([word("held"), outbox.held.join(", "), true]);
  told.push([word("clock"), word(`clock_${status.clock}`), status.clock !== "sync"]);
  const good = status.storage === "good";
  told.push([word("storage"), good ? word("good") : status.storage, !good]);
  if (configuration?.refused) told.push([word("refused", { time: moment(configuration.refused_at) }), configuration.refused, true]);
  if (status.unserved) told.push([word("unserved"), status.unserved, true]);
  told.push([word("running_since"), moment(status.since), false], [word("version"), `phasewatch ${status.version}`, false]);
  return told;
}
