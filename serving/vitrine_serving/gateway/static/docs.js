/** The API reference: commands for the address it is served from, Copy, search, a mark in the outline. */

import { offerCopy } from "./copy.js";
import { byId, element } from "./dom.js";

const outline = document.querySelector(".outline");
const linkTo = new Map([...outline.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));

showAddress();
for (const sample of document.querySelectorAll(".sample")) offerCopyOf(sample);
byId("search").hidden = false;
byId("query").addEventListener("input", search);
markPlace();

/** Has commands name the address of this page: a proxy may serve it below a path, and by HTTPS. */
function showAddress() {
  const served = document.body.dataset.address;
  const here = new URL(".", location.href).href.replace(/\/$/, "");
  for (const code of document.querySelectorAll(".command")) {
    code.textContent = code.textContent.replaceAll(served, here);
  }
}

function offerCopyOf(sample) {
  const attributes = { type: "button", class: "button copy", "aria-label": "Copy the command" };
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
  byId("found").textContent = words.length ? (found ? `${found} found` : "Nothing has these words") : "";
}

/** Marks in the outline what is at the top of the window. */
function markPlace() {
  const places = [...linkTo.keys()].map(byId).filter((place) => place?.matches("article, section"));
  const seen = new Set();
  const note = (changes) => {
    for (const { target, isIntersecting } of changes) {
      if (isIntersecting) seen.add(target);
      else seen.delete(target);
    }
    const inView = places.filter((place) => seen.has(place));
    mark(inView.find((place) => place.matches("article")) ?? inView[0]);
  };
  const observer = new IntersectionObserver(note, { rootMargin: "-5% 0px -80%" });
  for (const place of places) observer.observe(place);
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
