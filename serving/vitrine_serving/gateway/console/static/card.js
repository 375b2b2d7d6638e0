/** The answer of one model, or of one of its versions: words, bars, a heat map and times. */

import { copyOf, element, setShare } from "./dom.js";
import { showNoWhy, showWhy } from "./heat_map.js";
import { showTiming } from "./timing.js";
import { percent, sureness } from "./words.js";

const HINT = "Press a class: pixels that speak for it turn orange, those against it blue.";
const NOTABLE = 0.05; // the least probability of a second guess that is worth naming

export class Card {
  /** `onWhy(card, classId)` is called when a class is pressed, with null when it is let go. */
  constructor(variant, onWhy) {
    this.variant = variant;
    this.id = JSON.stringify(variant);
    this.seen = null; // what it answered
    this.prediction = null;
    this.element = copyOf("card");
    this.why = this.element.querySelector(".why");
    this.onWhy = onWhy;
    this.rows = [];
    this.element.querySelector("h3").textContent = variant.model;
    this.showChips(variant.version, variant.labels);
  }

  /** Dims the answer before: another one is under way. */
  wait() {
    this.seen = null;
    this.element.setAttribute("aria-busy", "true");
  }

  /** Shows an answer of `:predict` to what was `seen`, with [label, probability] by class id and
  what took how long. */
  show({ predictions: [prediction], model_spec: { version } }, classes, { stages, tookMs }, seen) {
    this.seen = seen;
    this.instance = seen.instance; // stays while the next answer is under way
    this.prediction = prediction;
    const { labelled, labels } = this.variant;
    const also = Object.keys(labelled).filter((label) => labelled[label] === version);
    this.showChips(version, labels.length ? labels : also);
    this.showVerdict(prediction, classes);
    this.showClasses(prediction.class_id, classes);
    this.clearWhy();
    const decode = (seen.stages.decode ?? 0) + (stages.decode ?? 0); // of the picture, and the array
    showTiming(this.element.querySelector(".timing"), { ...stages, decode }, seen.tookMs + tookMs);
    this.element.classList.remove("failed");
    this.element.setAttribute("aria-busy", "false");
  }

  /** Says that there is no answer; why is said elsewhere. */
  fail() {
    this.element.classList.add("failed");
    this.element.setAttribute("aria-busy", "false");
    this.element.querySelector(".verdict").replaceChildren("No answer");
  }

  /** Marks a class as the one asked about, and that its heat map is under way. */
  beginWhy(classId) {
    this.press(classId);
    this.why.setAttribute("aria-busy", "true");
  }

  showWhy(explanation) {
    this.why.setAttribute("aria-busy", "false");
    showWhy(this.why, explanation, this.instance, this.variant.model);
  }

  clearWhy(text = HINT) {
    this.press(null);
    this.why.setAttribute("aria-busy", "false");
    showNoWhy(this.why, text, this.instance);
  }

  /** Marks one class as pressed; null marks none. */
  press(classId) {
    this.rows.forEach((row, id) => {
      row.querySelector("button").setAttribute("aria-pressed", String(id === classId));
    });
  }

  showChips(version, labels) {
    const texts = version ? [`version ${version}`, ...labels] : labels;
    const chips = texts.map((text) => element("li", {}, text));
    this.element.querySelector(".chips").replaceChildren(...chips);
  }

  showVerdict({ label, class_id: best, probability }, classes) {
    const [second] = classes
      .filter((_, classId) => classId !== best)
      .sort((one, other) => other[1] - one[1]);
    const verdict = this.element.querySelector(".verdict");
    verdict.replaceChildren(
      element("span", { class: "sureness" }, sureness(probability)),
      " ",
      element("strong", {}, label),
      " ",
      element("span", { class: "figure" }, percent(probability)),
    );
    if (second && second[1] >= NOTABLE) {
      const text = `or ${second[0]}, ${percent(second[1])}`;
      verdict.append(" ", element("span", { class: "second" }, text));
    }
  }

  /** Bars in the order of the classes, so that cards can be compared line by line. */
  showClasses(best, classes) {
    if (this.rows.length !== classes.length) {
      this.rows = classes.map((_, classId) => this.newRow(classId));
      this.element.querySelector(".classes").replaceChildren(...this.rows);
    }
    classes.forEach(([label, share], classId) => {
      const row = this.rows[classId];
      row.classList.toggle("best", classId === best);
      row.querySelector(".name").textContent = label;
      row.querySelector(".share").textContent = percent(share);
      setShare(row.querySelector(".bar"), share);
    });
  }

  newRow(classId) {
    const row = copyOf("class-row");
    row.querySelector("button").addEventListener("click", ({ currentTarget }) => {
      const pressed = currentTarget.getAttribute("aria-pressed") === "true";
      this.onWhy(this, pressed ? null : classId);
    });
    return row;
  }
}
