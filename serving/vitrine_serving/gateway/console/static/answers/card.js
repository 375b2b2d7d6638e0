/** The answer of one model, or of one of its versions: words, bars, a heat map and times. */

import { copyOf, element, setCut, setSentence } from "../dom.js";
import { SHARED } from "../picture/instance.js";
import { drawPixels } from "../picture/pixels.js";
import { dimensions, figureOf, sureness } from "../words.js";
import { Classes } from "./classes.js";
import { Flag } from "./flag.js";
import { showNoWhy, showWhy } from "./heat_map.js";
import { profileOf } from "./profiles.js";
import { showTiming } from "./timing.js";

const HINT = "Press a class: pixels that speak for it turn orange, those against it blue.";
const NOTABLE = 0.05; // the least probability of a second guess that is worth naming
const MOST = 20; // lines on a profile, whose members are fewer

export class Card {
  /** `onWhy(card, classId)` is called when a class is pressed, with null when it is let go, and
  `onErrors(errors)` with what flagging fails of. */
  constructor(variant, onWhy, onErrors) {
    this.variant = variant;
    this.id = JSON.stringify(variant);
    this.sight = null; // where what it sees is asked for
    this.kind = null; // of its figures
    this.reason = ""; // why no picture can be sent to it
    this.seen = null; // what it answered
    this.prediction = null;
    this.muteText = null; // why it cannot explain
    this.element = copyOf("card");
    this.why = this.part(".why");
    const press = (classId) => onWhy(this, classId);
    this.classes = new Classes(this.part(".classes"), this.part(".more"), press);
    this.flag = new Flag(this.part(".flag"), variant, onErrors);
    setCut(this.part("h3"), variant.model);
    this.showChips(variant.version, variant.labels);
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  /** Gets to know what the model sees and what its figures are; asked for once. */
  async learn() {
    const { sight, kind, assumptions, sources, reason } = await profileOf(this.variant);
    Object.assign(this, { sight, kind, reason });
    this.showAssumptions(assumptions, sources);
  }

  /** Dims the answer before: another one is under way. */
  wait() {
    this.seen = null;
    this.element.setAttribute("aria-busy", "true");
  }

  /** Shows what this model sees, and no other on the page; null for what is shown of all. */
  showSight(seen, name) {
    const figure = this.part(".sight");
    figure.hidden = !seen;
    if (!seen) return;
    const canvas = figure.querySelector("canvas");
    drawPixels(canvas, seen.pixels);
    canvas.setAttribute("aria-label", `What ${this.variant.model} sees of ${name}`);
    const words = element("p", {}, element("b", {}, "What it sees"), ` ${dimensions(seen.pixels)}`);
    const warnings = seen.warnings.map((text) => setSentence(element("p"), text));
    figure.querySelector("figcaption").replaceChildren(words, ...warnings);
  }

  /** Shows an answer of `:predict` to what was `seen`, with [label, probability] by class id and
  what took how long. */
  show({ predictions: [prediction], model_spec: { version } }, classes, { requestId, stages, tookMs }, seen) {
    this.seen = seen;
    this.pixels = seen.pixels; // stay while the next answer is under way
    this.prediction = prediction;
    if (version !== this.version) this.muteText = null;
    this.version = version;
    const { labelled, labels } = this.variant;
    const also = Object.keys(labelled).filter((label) => labelled[label] === version);
    this.showChips(version, labels.length ? labels : also);
    this.showVerdict(prediction, classes);
    this.classes.show(prediction.class_id, classes, this.kind);
    this.flag.offer(requestId, prediction.class_id, classes.map(([label]) => label));
    this.clearWhy();
    const decode = (seen.stages.decode ?? 0) + (stages.decode ?? 0); // of the picture, and the array
    showTiming(this.part(".timing"), { ...stages, decode }, seen.tookMs + tookMs);
    this.element.classList.remove("failed");
    this.element.setAttribute("aria-busy", "false");
  }

  /** Says that there is no answer; why is said elsewhere, or in these words. */
  fail(text = "No answer") {
    this.element.classList.add("failed");
    this.element.setAttribute("aria-busy", "false");
    this.part(".verdict").replaceChildren(text);
  }

  /** Marks a class as the one asked about, and that its heat map is under way. */
  beginWhy(classId) {
    this.classes.press(classId);
    this.why.setAttribute("aria-busy", "true");
  }

  /** Notes why this version cannot explain, so that it is not asked again. */
  mute(text) {
    this.muteText = text;
  }

  get isMute() {
    return this.muteText !== null;
  }

  /** What to say where the API says that a model has no heat maps. */
  inWords(said) {
    return this.sight === SHARED ? said : `This model does not explain its answers. ${said}`;
  }

  showWhy(explanation) {
    this.why.setAttribute("aria-busy", "false");
    showWhy(this.why, explanation, this.pixels, this);
  }

  clearWhy(text = HINT) {
    this.classes.press(null);
    this.why.setAttribute("aria-busy", "false");
    showNoWhy(this.why, text, this.pixels);
  }

  showChips(version, labels) {
    const texts = version ? [`version ${version}`, ...labels] : labels;
    this.part(".chips").replaceChildren(...texts.map((text) => setCut(element("li"), text)));
  }

  showVerdict({ label, class_id: best, probability }, classes) {
    const [name, second] = classes
      .filter((_, classId) => classId !== best)
      .reduce((one, other) => (other[1] > one[1] ? other : one), ["", 0]);
    const verdict = this.part(".verdict");
    verdict.replaceChildren(
      element("span", { class: "sureness" }, sureness(this.kind, probability)),
      " ",
      setCut(element("strong"), label),
      " ",
      element("span", { class: "figure" }, figureOf(this.kind, probability)),
    );
    if (second < NOTABLE) return;
    const also = element("span", { class: "second" });
    verdict.append(" ", setCut(also, `or ${name}, ${figureOf(this.kind, second)}`));
  }

  /** Says what of the model's pictures and answers is a guess, and how to put it right. */
  showAssumptions(sentences, sources) {
    const details = this.part(".assumed");
    details.hidden = !sentences.length;
    const told = Object.entries(sources).filter(([, source]) => source !== "assumed");
    const known = [...Map.groupBy(told, ([, source]) => source)].map(
      ([source, members]) => `From ${source}: ${members.map(([name]) => name).join(", ")}`,
    );
    const items = [...sentences, ...known].slice(0, MOST).map((text) => setSentence(element("li"), text));
    details.querySelector("ul").replaceChildren(...items);
    const words = sentences.length === 1 ? "1 assumption" : `${sentences.length} assumptions`;
    details.querySelector("summary").textContent = `${words} about this model`;
  }
}
