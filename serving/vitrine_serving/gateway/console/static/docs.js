/** The API reference: commands for the address it is served from, Copy, search, a mark in the outline. */

import { offerCopy } from "./copy.js";
import { byId, element } from "./dom.js";

const outline = document.querySelector(".outline");
const linkTo = new Map([...outline.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));

showAddress();
for (const sample of document.querySelectorAll(".sample")) offerCopyOf(sample);
byId("search").hidden = false;
byId("query").addEventListener("input", search);
document.addEventListener("click", (event) => uncover(event.target.closest('a[href^="#"]')?.hash));
addEventListener("hashchange", () => uncover(location.hash));
markPlace();

/** Has commands name the address of this page: a proxy may serve it below a path, and by HTTPS. */
function showAddress() {
  const served = document.body.dataset.address;
  const address = new URL(".", location.href).href.replace(/\/$/, "");
  // What a shell would take for more than a letter is escaped, as an address may be.
  const here = address.replace(/[^\w:/.~%[\]-]/g, (it) => `%${it.charCodeAt(0).toString(16).toUpperCase()}`);
  for (const code of document.querySelectorAll(".command")) {
    code.textContent = code.textContent.replaceAll(served, here);
  }
}

function offerCopyOf(sample) {
  const what = sample.closest("article").querySelector("h3").textContent;
  const attributes = { type: "button", class: "button copy", "aria-label": `Copy the command for ${what}` };
  const button = element("button", attributes, "Copy");
  offerCopy(button, sample.querySelector("code"));
  sample.append(button);
}

/** Shows what has all the words that were typed, and where it is in the outline. */
function search() {
  const words = byId("query").value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const one of document.querySelectorAll("[data-search]")) {
    const text = one.textContent.toLowerCase();
    one.hidden = !words.every((word) => text.includes(word));
    found += !one.hidden;
    const link = linkTo.get(one.id);
    if (link) link.parentElement.hidden = one.hidden;
  }
  for (const section of document.querySelectorAll("section")) {
    section.hidden = !section.querySelector("[data-search]:not([hidden])");
    const link = linkTo.get(section.id);
    if (link) link.closest(".group").hidden = section.hidden;
  }
  byId("found").textContent = words.length ? (found ? `${found} found` : "No matches") : "";
}

/** Ends the search where a link leads to what it hides. */
function uncover(hash) {
  const place = hash && byId(decodeURIComponent(hash.slice(1)));
  if (!place?.closest("[hidden]")) return;
  byId("query").value = "";
  search();
  place.scrollIntoView();
}

/** Marks in the outline what is at the top of the window. What is at the page's end never comes up
there: then it is what a link led to, or the last. */
function markPlace() {
  const places = [...linkTo.keys()].map(byId).filter((place) => place?.matches("article, section"));
  const end = element("div");
  byId("main").append(end);
  const top = observed(places, "-5% 0px -80%", update);
  const whole = observed([...places, end], "0px", update);
  addEventListener("hashchange", update);

  function update() {
    const led = byId(location.hash.slice(1));
    const seen = (set) => places.filter((place) => set.has(place));
    const articles = (all) => all.filter((place) => place.matches("article"));
    if (!whole.has(end)) {
      const all = seen(top);
      mark(articles(all)[0] ?? all[0]);
    } else mark(whole.has(led) ? led : articles(seen(whole)).at(-1));
  }
}

/** A set of the elements that are in view, kept so; `onChange` is called after each change. */
function observed(elements, rootMargin, onChange) {
  const inView = new Set();
  const note = (changes) => {
    for (const { target, isIntersecting } of changes) inView[isIntersecting ? "add" : "delete"](target);
    onChange();
  };
  const observer = new IntersectionObserver(note, { rootMargin });
  for (const each of elements) observer.observe(each);
  return inView;
}

function mark(place) {
  const link = place && linkTo.get(place.id);
  if (!link || link.hasAttribute("aria-current")) return;
  for (const other of outline.querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
  link.setAttribute("aria-current", "location");
  // Not scrollIntoView, which scrolls the page as well.
  const { top, bottom } = link.getBoundingClientRect();
  const frame = outline.getBoundingClientRect();
  if (top < frame.top || bottom > frame.bottom) outline.scrollTop += top - frame.top - 80;
}
