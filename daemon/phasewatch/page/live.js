// The connection to the daemon. It comes back by itself; as long as it is not there, nothing passes for live.

import { byId, say } from "./elements.js";
import { moment, recall, remember, word } from "./words.js";

const SILENT_MS = 12000; // the daemon says something every 5 s
const LONGEST_MS = 30000;

const hearers = {};
let source = null;
let follows = [];
let watchdog = 0;
let retry = 0;
let failures = 0;
let lostAt = null;
let heard = null;

export const on = (kind, hear) => { (hearers[kind] ??= []).push(hear); };
export const connected = () => lostAt === null && heard !== null;
const tell = (kind, content) => { for (const hear of hearers[kind] ?? []) hear(content); };

/** Follow points: every state of theirs is told. */
export function follow(names) {
  const wanted = [...names].sort();
  if (wanted.join() === follows.join() && source) return;
  follows = wanted;
  open();
}

export function open() {
  close();
  const mine = new EventSource(`/api/stream?follow=${follows.map(encodeURIComponent).join(",")}`);
  source = mine;
  for (const kind of ["hello", "status", "points", "point", "alert"]) {
    mine.addEventListener(kind, (event) => {
      if (source !== mine) return;
      arrived();
      tell(kind, JSON.parse(event.data));
    });
  }
  mine.onerror = () => { if (source === mine) lost(); };
  watch();
}

function close() {
  source?.close();
  source = null;
  clearTimeout(watchdog);
  clearTimeout(retry);
}

function watch() {
  clearTimeout(watchdog);
  watchdog = setTimeout(lost, SILENT_MS);
}

function arrived() {
  watch();
  heard = new Date();
  failures = 0;
  if (lostAt !== null || !document.body.classList.contains("live")) {
    lostAt = null;
    show();
    tell("connection", true);
  }
}

function lost() {
  close();
  lostAt ??= new Date();
  // Not all pages at the same moment: the jitter spreads those that lost the same daemon.
  const pause = Math.min(LONGEST_MS, 1000 * 2 ** failures++) * (0.7 + 0.6 * Math.random());
  retry = setTimeout(open, pause);
  show();
  tell("connection", false);
}

export function show() {
  const live = connected();
  document.body.classList.toggle("live", live);
  document.body.classList.toggle("offline", lostAt !== null);
  say(byId("live"), live ? word("live") : lostAt === null ? word("connecting") : word("not_live"));
  byId("offline").hidden = lostAt === null;
  if (lostAt !== null)
    say(byId("offline"), heard ? word("offline", { since: moment(lostAt) }) : word("never_connected"));
}

addEventListener("online", () => { if (lostAt !== null) open(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden && lostAt !== null) open(); });

// Commands

export const known = () => ({ who: recall(localStorage, "who"), token: recall(sessionStorage, "token") });

/** Send a command; return its reply, with `ok` and `error`, and `refused` when it is the token that is wrong. */
export async function order(verb, body, token) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(`/api/alerts/${verb}`, { method: "POST", headers, body: JSON.stringify(body) });
  } catch {
    return { ok: false, error: word("not_reached") };
  }
  const reply = await answer.json().catch(() => ({}));
  const refused = answer.status === 401;
  remember(sessionStorage, "token", refused ? null : token || null);
  if (refused) return { ok: false, refused, error: word("wrong_token") };
  return { ok: answer.ok && reply.ok !== false, error: reply.error ?? `HTTP ${answer.status}` };
}
