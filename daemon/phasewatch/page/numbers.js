// The readings of a point as a table: what belongs to the phases side by side, the rest below.

import { make } from "./elements.js";
import { number, word } from "./words.js";

const PHASED = [
  ["L–N", "V", 1, ["voltage_l1_n", "voltage_l2_n", "voltage_l3_n"]],
  ["L–PE", "V", 1, ["voltage_l1_pe", "voltage_l2_pe", "voltage_l3_pe"]],
  ["L–L (12, 23, 31)", "V", 1, ["voltage_l1_l2", "voltage_l2_l3", "voltage_l3_l1"]],
  ["I", "A", 2, ["current_l1", "current_l2", "current_l3"]],
  ["P", "W", 0, ["active_power_l1", "active_power_l2", "active_power_l3"]],
  ["THD", "%", 1, ["thd_voltage_l1", "thd_voltage_l2", "thd_voltage_l3"]],
];
const SINGLE = [
  ["N–PE", "V", 1, "voltage_n_pe"],
  ["I N", "A", 2, "current_n"],
  ["I Δ", "A", 3, "residual_current"],
  ["P Σ", "W", 0, "active_power_total"],
  ["f", "Hz", 2, "frequency"],
];
const SHIFTS = [["neutral_shift", "neutral_shift"], ["earth_shift", "earth_shift"], ["neutral_earth", "neutral_earth"]];

export function fill(place, { readings = {}, missing = {}, picture = {} }) {
  const has = (name) => name in readings || name in missing;
  const value = (name, decimals) => number(readings[name], decimals);
  const phased = PHASED.filter(([, , , names]) => names.some(has)).map(([label, unit, decimals, names]) =>
    row(`${label}`, unit, names.map((name) => value(name, decimals))));
  const single = SINGLE.filter(([, , , name]) => has(name)).map(([label, unit, decimals, name]) =>
    row(label, unit, [value(name, decimals)]));
  const shifts = SHIFTS.map(([name, label]) => row(word(label), "V", [at(picture, name)]));
  const u2 = picture.u2_percent == null ? [] : [row("u2", "%", [number(picture.u2_percent, 2)])];
  const head = make("tr", {}, make("td"), ...["L1", "L2", "L3"].map((name) => make("th", { scope: "col" }, name)));
  const reasons = Object.entries(missing).map(([name, reason]) => make("li", {}, word("missing", { name, reason })));
  place.replaceChildren(
    make("table", {}, make("caption", { class: "unseen" }, word("readings")),
      make("tbody", {}, ...(phased.length ? [head] : []), ...phased, ...single, ...shifts, ...u2)),
    ...(reasons.length ? [make("ul", { class: "missing" }, ...reasons)] : []));
}

function row(label, unit, values) {
  const cells = values.map((text) => make("td", values.length === 1 ? { colspan: 3 } : {}, text));
  return make("tr", {}, make("th", { scope: "row" }, label, " ", make("small", {}, unit)), ...cells);
}

function at(picture, name) {
  const volts = picture[`${name}_v`];
  const degrees = picture[`${name}_deg`];
  if (volts == null) return word("not_measured");
  return degrees == null ? number(volts) : `${number(volts)} ${word("at_degrees", { degrees: degrees.toFixed(0) })}`;
}
