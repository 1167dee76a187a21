// Elements made and kept: what is on the page is changed in place, so that focus and open details stay.

/** Make an element: attributes by name, `on...` as listeners, true as empty attributes; children as nodes or text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Set a text only when it is another one: a live region would say it again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Fill a list with entries kept by key: `update` gets the element, newly made or not, and its content. */
export function keep(list, entries, key, create, update) {
  const there = new Map([...list.children].map((element) => [element.dataset.key, element]));
  const focused = document.activeElement;
  let place = list.firstElementChild;
  for (const entry of entries) {
    const name = key(entry);
    let element = there.get(name);
    there.delete(name);
    if (!element) {
      element = create(entry);
      element.dataset.key = name;
    }
    if (element === place) place = place.nextElementSibling;
    else list.insertBefore(element, place);
    update(element, entry);
  }
  for (const gone of there.values()) gone.remove();
  if (focused && focused !== document.activeElement && document.contains(focused)) focused.focus({ preventScroll: true });
}

export function items(list, texts) {
  keep(list, texts.map((text, place) => [`${place} ${text}`, text]), ([name]) => name,
    ([, text]) => make("li", {}, text), () => {});
}

/** Show a drawing of the server in an element; scripts in it would not run, and none are there. */
export async function draw(element, address) {
  const answer = await fetch(address);
  if (!answer.ok) return false;
  const drawn = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
  if (drawn.nodeName !== "svg") return false;
  element.replaceChildren(document.importNode(drawn, true));
  return true;
}

const SHAPES = { critical: "◆", high: "▲", medium: "■", low: "●", good: "✓", none: "–", stale: "?" };

/** Return a mark of a severity: a shape, for the word stands beside it. */
export const mark = (severity) =>
  make("span", { class: `mark ${severity}`, "aria-hidden": "true" }, SHAPES[severity] ?? "");

export function remark(element, severity) {
  element.className = `mark ${severity}`;
  say(element, SHAPES[severity] ?? "");
}
