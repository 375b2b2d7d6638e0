/** Heat map: pixels that speak for a class (orange) and against it (blue), over the instance. */

import { element, prose, setCut } from "../dom.js";
import { SHARED } from "../picture/instance.js";
import { paint, wipe } from "../picture/pixels.js";
import { figureOf, signed } from "../words.js";

// A pair that people with any colour vision tell apart, also by brightness against black.
const FOR = [255, 150, 30];
const AGAINST = [70, 140, 255];
const GAMMA = 0.6; // weak ones would hardly be seen, and most are weak
const DIMMED = 0.3; // of the instance, where nothing speaks
const THEIRS = "as its signature explain says"; // of a model that Vitrine did not train

/** Shows an explanation of `:explain`, with attributions [h][w] of any size, in a card's `.why`, over
the `pixels` of the instance. */
export function showWhy(why, explanation, pixels, { variant, sight, kind }) {
  const { label, probability, attributions } = explanation;
  const { strongest, speaking, against } = summed(attributions);
  const canvas = why.querySelector("canvas");
  const [down, across] = [attributions.length / pixels.rows, attributions[0].length / pixels.columns];
  paint(canvas, pixels, (row, column, rgb) => {
    const value = attributions[Math.floor(down * row)][Math.floor(across * column)];
    const weight = (Math.abs(value) / strongest) ** GAMMA;
    const full = value > 0 ? FOR : AGAINST;
    return dimmed(rgb).map((level, channel) => level + weight * (full[channel] - level));
  });
  canvas.setAttribute(
    "aria-label",
    `Heat map: pixels for ${label} add up to ${signed(speaking)}, those against it to ${signed(against)}`,
  );
  why.querySelector(".why-text").replaceChildren(
    setCut(element("h4"), `Why ${label}, ${figureOf(kind, probability)}?`),
    element("p", { class: "quiet" }, sight === SHARED ? methodOf(variant.model) : THEIRS),
    legend("for", "Orange: for it", speaking),
    legend("against", "Blue: against it", against),
  );
}

/** Shows no more than the instance, if there is one, in a card's `.why`, and says `text` there. */
export function showNoWhy(why, text, pixels) {
  const canvas = why.querySelector("canvas");
  if (pixels) paint(canvas, pixels, (row, column, rgb) => dimmed(rgb));
  else wipe(canvas);
  canvas.setAttribute("aria-label", "Heat map: nothing yet");
  why.querySelector(".why-text").replaceChildren(element("p", { class: "quiet" }, ...prose(text)));
}

const dimmed = (rgb) => Array.from(rgb, (level) => DIMMED * level);

/** How `:explain` of our models gets its figures; for a linear one, the gradient is the weight. */
const methodOf = (model) => (/^softmax/.test(model) ? "weight × pixel" : "gradient × input");

/** Not by spreading them: a picture has more pixels than a call may have arguments. */
function summed(attributions) {
  let [strongest, speaking, against] = [0, 0, 0];
  for (const value of attributions.flat()) {
    strongest = Math.max(strongest, Math.abs(value));
    if (value > 0) speaking += value;
    else against += value;
  }
  return { strongest: strongest || 1, speaking, against };
}

function legend(kind, words, value) {
  const swatch = element("i", { class: `swatch ${kind}`, "aria-hidden": "true" });
  return element("p", { class: "legend" }, swatch, `${words} `, element("b", {}, signed(value)));
}
