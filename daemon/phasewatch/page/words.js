// The words of the page, in the language that the reader chose; without a choice in that of the site.

let words = { language: "en", page: {}, report: {}, titles: {}, labels: {} };

export const language = () => words.language;
const locale = () => (words.language === "zh" ? "zh-CN" : navigator.language || "en");

/** Return a text, its {placeholders} filled. */
export function word(key, values = {}) {
  const text = words.page[key] ?? words.report[key] ?? words.labels[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export const title = (rule) => words.titles[rule] ?? (rule === "test" ? word("test_alert") : rule);
export const verdictName = (code) => (code ? word(`verdict_${code}`) : word("no_readings_yet"));

export async function chooseLanguage(chosen) {
  if (chosen) remember(localStorage, "language", chosen);
  const asked = chosen ?? recall(localStorage, "language");
  const answer = await fetch(`/api/words${asked ? `?lang=${asked}` : ""}`);
  if (!answer.ok) throw new Error(`words: ${answer.status}`);
  words = await answer.json();
  document.documentElement.lang = words.language === "zh" ? "zh-Hans" : words.language;
  for (const place of document.querySelectorAll("[data-word]")) place.textContent = word(place.dataset.word);
  for (const button of document.querySelectorAll("[data-language]"))
    button.setAttribute("aria-pressed", String(button.dataset.language === words.language));
}

// Browsers may forbid a page to keep anything; then it asks each time.
export function recall(store, key) {
  try { return store.getItem(`phasewatch.${key}`); } catch { return null; }
}

export function remember(store, key, value) {
  try {
    if (value === null) store.removeItem(`phasewatch.${key}`);
    else store.setItem(`phasewatch.${key}`, value);
  } catch { /* asked again next time */ }
}

// Numbers and times

export const number = (value, decimals = 1) =>
  typeof value === "number" ? value.toFixed(decimals) : "–";

export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 100) return word("seconds", { n: s });
  if (s < 6000) return word("minutes", { n: Math.round(s / 60) });
  if (s < 172800) return word("hours", { n: Math.round(s / 3600) });
  return word("days", { n: Math.round(s / 86400) });
}

/** Return a time of day, with the date if it is not today's. */
export function moment(stamp) {
  const at = new Date(stamp);
  if (!stamp || Number.isNaN(at.getTime())) return "–";
  const today = at.toDateString() === new Date().toDateString();
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
  return at.toLocaleString(locale(), today ? time : { month: "short", day: "numeric", ...time });
}

/** Minutes by which the reader's clock is ahead of UTC. */
export const ahead = () => -new Date().getTimezoneOffset();
