/** Draws which pixels speak for a class (orange) and which against it (blue), over the instance. */

import { element, prose } from "./dom.js";
import { paint, wipe } from "./pixels.js";
import { percent, signed } from "./words.js";

// A pair that people with any colour vision tell apart, also by brightness against black.
const FOR = [255, 150, 30];
const AGAINST = [70, 140, 255];
const GAMMA = 0.6; // weak ones would hardly be seen, and most are weak
const DIMMED = 0.3; // of the instance, where nothing speaks

/** Shows an explanation of `:explain` in a card's `.why`. */
export function showWhy(why, explanation, instance, model) {
  const { label, probability, attributions } = explanation;
  const all = attributions.flat();
  const strongest = Math.max(...all.map(Math.abs)) || 1;
  const sums = [sum(all.filter((each) => each > 0)), sum(all.filter((each) => each < 0))];
  const canvas = why.querySelector("canvas");
  paint(canvas, (row, column) => {
    const value = attributions[row][column];
    const weight = (Math.abs(value) / strongest) ** GAMMA;
    const grey = dimmed(instance, row, column);
    return (value > 0 ? FOR : AGAINST).map((full) => grey + weight * (full - grey));
  });
  canvas.setAttribute(
    "aria-label",
    `Heat map: pixels for ${label} add up to ${signed(sums[0])}, those against it to ${signed(sums[1])}`,
  );
  why.querySelector(".why-text").replaceChildren(
    element("h4", {}, `Why ${label}, ${percent(probability)}?`),
    element("p", { class: "quiet" }, methodOf(model)),
    legend("for", "Orange: for it", sums[0]),
    legend("against", "Blue: against it", sums[1]),
  );
}

/** Shows no more than the instance, if there is one, in a card's `.why`, and says `text` there. */
export function showNoWhy(why, text, instance) {
  const canvas = why.querySelector("canvas");
  if (instance) paint(canvas, (row, column) => Array(3).fill(dimmed(instance, row, column)));
  else wipe(canvas);
  canvas.setAttribute("aria-label", "Heat map: nothing yet");
  why.querySelector(".why-text").replaceChildren(element("p", { class: "quiet" }, ...prose(text)));
}

const dimmed = (instance, row, column) => 255 * DIMMED * (instance ? instance[row][column] : 0);

/** How `:explain` gets its figures; for a linear model, the gradient is the weight. */
const methodOf = (model) => (/^softmax/.test(model) ? "weight × pixel" : "gradient × input");

const sum = (values) => values.reduce((total, each) => total + each, 0);

function legend(kind, words, value) {
  const swatch = element("i", { class: `swatch ${kind}`, "aria-hidden": "true" });
  return element("p", { class: "legend" }, swatch, `${words} `, element("b", {}, signed(value)));
}
