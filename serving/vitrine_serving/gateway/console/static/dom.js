/** Elements of the page: made, and found. */

const MOST_NAME = 100; // letters that are shown
const MOST_SENTENCE = 250;
const MOST_TITLE = 2000;

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/** A new element; `attributes` whose value is null are left out, children may be text. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Sets a name that somebody else gave; of a long one the beginning, and all in the title. Returns
the element. */
export function setCut(target, text, most = MOST_NAME) {
  const letters = [...text];
  const isLong = letters.length > most;
  target.textContent = isLong ? `${letters.slice(0, most).join("").trimEnd()}…` : text;
  if (isLong) target.title = letters.slice(0, MOST_TITLE).join("");
  else target.removeAttribute("title");
  return target;
}

/** The same of a sentence of the API's, in which code is marked. */
export function setSentence(target, text) {
  setCut(target, text, MOST_SENTENCE);
  target.replaceChildren(...prose(target.textContent));
  return target;
}

/** What the API says, as nodes: what it has in backticks is code. */
export const prose = (text) =>
  text.split("`").map((piece, index) => (index % 2 ? element("code", {}, piece) : piece));

/** A copy of what is in the page's <template> with this id. */
export const copyOf = (id) => byId(id).content.firstElementChild.cloneNode(true);

/** Marks the one of several that is shown, or takes the mark away. */
export function markCurrent(target, isCurrent) {
  if (isCurrent) target.setAttribute("aria-current", "true");
  else target.removeAttribute("aria-current");
}

/** Sets a custom property; the page's policy forbids style attributes, but not this. */
export const setShare = (target, share) =>
  target.style.setProperty("--share", String(Math.min(Math.max(share, 0), 1)));
