/** Where the time of a prediction went. */

import { element, setShare } from "./dom.js";
import { milliseconds } from "./words.js";

const STAGES = [
  ["decode", "Decode"],
  ["queue", "Queue"],
  ["rpc", "Model call"],
];

/** Shows the gateway's stages, and as the rest what the browser measured beyond them. */
export function showTiming(timing, stages, tookMs) {
  const parts = STAGES.map(([id, words]) => [id, words, stages[id] ?? 0]);
  const known = parts.reduce((total, [, , ms]) => total + ms, 0);
  const total = Math.max(tookMs, known); // clocks differ by a little
  parts.push(["rest", "Network and rest", total - known]);
  timing.querySelector(".stack").replaceChildren(...parts.map((part) => segment(part, total)));
  timing
    .querySelector("dl")
    .replaceChildren(...parts.map(entry), entry(["total", "In all", total]));
}

function segment([id, , ms], total) {
  const made = element("i", { class: id });
  setShare(made, ms / total);
  return made;
}

function entry([id, words, ms]) {
  const swatch = element("i", { class: `swatch ${id}`, "aria-hidden": "true" });
  const term = element("dt", {}, ...(id === "total" ? [words] : [swatch, words]));
  return element("div", { class: id }, term, element("dd", {}, milliseconds(ms)));
}
