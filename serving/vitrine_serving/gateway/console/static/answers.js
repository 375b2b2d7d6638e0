/** Asks the chosen models about a picture, side by side, and why, class by class. */

import { ApiError, post } from "./api.js";
import { Card } from "./card.js";
import { byId, element } from "./dom.js";
import { ARRAY, seenAlready, seenOf } from "./instance.js";
import { probabilitiesIn } from "./json_order.js";
import { drawInstance, wipe } from "./pixels.js";
import { nameOf } from "./variants.js";
import { percent } from "./words.js";

const EXPLAINED = 3; // cards whose answer is explained by itself: a row of a wide screen

export class Answers {
  /** `onSeen({ box, warnings })` gets where the gateway found the item; `onErrors(errors)` gets what
  a heat map fails of, unless it is the model that has none. */
  constructor(onSeen, onErrors) {
    this.section = byId("answers");
    this.canvas = byId("instance");
    this.cards = [];
    this.seen = null; // what the newest question is about
    this.onSeen = onSeen;
    this.onErrors = onErrors;
    this.asked = new Map(); // what each card's heat map is waited for with
    this.pressed = new Map(); // classes of cards whose answer is under way
  }

  /** Makes a card for each variant, or keeps its card; those of one model stand side by side. */
  setVariants(variants) {
    const kept = new Map(this.cards.map((card) => [card.id, card]));
    this.cards = variants.map(
      (variant) =>
        kept.get(JSON.stringify(variant)) ?? new Card(variant, (...which) => this.why(...which)),
    );
    const models = [...new Set(variants.map((variant) => variant.model))];
    const groups = models.map((model) => {
      const cards = this.cards.filter((card) => card.variant.model === model);
      const kind = cards.length > 1 ? "group several" : "group";
      return element("div", { class: kind }, ...cards.map((card) => card.element));
    });
    byId("cards").replaceChildren(...groups);
  }

  /** Asks for what the models see, and those that have not answered that yet for what they say.
  Calls `onShown` when the first card, or that there is nothing, is there. Returns the errors of
  models; throws `ApiError`, `PictureError`, `AbortError`. */
  async ask(picture, signal, onShown) {
    this.seen = null;
    this.pressed.clear();
    this.section.setAttribute("aria-busy", "true");
    const known = seenAlready(picture);
    this.cards.filter((card) => !known || card.seen !== known).forEach((card) => card.wait());
    const seen = await this.see(picture, signal);
    const errors = seen.empty ? [] : await this.askModels(seen, signal, onShown);
    if (seen.empty) this.reveal(true);
    this.section.hidden = !seen.empty && this.cards.length > 0 && !this.answered().length;
    this.section.setAttribute("aria-busy", "false");
    const sentences = seen.empty ? [byId("empty").textContent] : this.answered().map(sentence);
    byId("announced").textContent = sentences.join(" ");
    if (seen.empty) onShown();
    return errors;
  }

  /** The cards that answered the newest question. */
  answered() {
    return this.cards.filter((card) => card.seen && card.seen === this.seen);
  }

  /** What the first of them answered, in a word or two; empty where none did. */
  inShort() {
    if (this.seen?.empty) return "Nothing";
    return this.answered()[0]?.prediction.label ?? "";
  }

  /** Shows what the models see. */
  async see(picture, signal) {
    try {
      const seen = await seenOf(picture, signal);
      signal.throwIfAborted();
      this.seen = seen;
      this.onSeen(seen);
      drawInstance(this.canvas, seen.instance);
      this.canvas.setAttribute("aria-label", `What the models see of ${picture.name}`);
      return seen;
    } catch (error) {
      if (!signal.aborted) this.forget();
      throw error;
    }
  }

  /** Takes away what was said of a picture. */
  forget() {
    wipe(this.canvas);
    this.canvas.setAttribute("aria-label", "What the models see: nothing");
    this.cards.forEach((card) => this.endWhy(card));
    this.section.hidden = true;
    this.section.setAttribute("aria-busy", "false");
    byId("announced").textContent = "";
  }

  /** Shows the cards, or that the picture shows nothing. */
  reveal(empty) {
    this.section.hidden = false;
    byId("cards").hidden = byId("answers-note").hidden = empty;
    byId("empty").hidden = !empty;
  }

  async askModels(seen, signal, onShown) {
    const due = this.cards.filter((card) => card.seen !== seen);
    const said = due.map((card) => this.predict(card, seen, signal));
    if (said.length) said[0].then(onShown, () => {});
    const settled = await Promise.allSettled(said);
    signal.throwIfAborted();
    return settled.filter((each) => each.reason).map((each) => each.reason);
  }

  async predict(card, seen, signal) {
    this.endWhy(card);
    try {
      const answer = await post(`${card.variant.path}:predict`, seen.array, ARRAY, signal);
      signal.throwIfAborted();
      this.reveal(false);
      card.show(answer.body, probabilitiesIn(answer.text), answer, seen);
      this.explain(card);
    } catch (error) {
      if (!signal.aborted) card.fail();
      throw error;
    }
  }

  /** Explains the class that was pressed meanwhile, or, of the first cards, the answered one. */
  explain(card) {
    const explained = this.cards.indexOf(card) < EXPLAINED ? card.prediction.class_id : null;
    const isPressed = this.pressed.has(card);
    const classId = isPressed ? this.pressed.get(card) : explained;
    if (classId !== null) this.why(card, classId, isPressed);
  }

  /** Shows why this class, or nothing for null; a newer question replaces an older one. What nobody
  pressed is not announced, and no alarm where it fails. */
  async why(card, classId, isPressed = true) {
    this.endWhy(card);
    if (classId === null) card.clearWhy();
    else card.beginWhy(classId);
    if (!this.seen || card.seen !== this.seen) return void this.pressed.set(card, classId);
    if (classId === null) return;
    const controller = new AbortController();
    this.asked.set(card, controller);
    try {
      const path = `${card.variant.path}:explain?class_id=${classId}`;
      const { body } = await post(path, card.seen.array, ARRAY, controller.signal);
      controller.signal.throwIfAborted();
      card.showWhy(body.explanations[0]);
      if (isPressed) byId("announced").textContent = card.why.querySelector("canvas").ariaLabel;
    } catch (error) {
      if (controller.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      const lacking = error.status === 400 || error.status === 404;
      card.clearWhy(lacking ? error.message : "No heat map.");
      if (!lacking && isPressed) this.onErrors([error]);
    }
  }

  endWhy(card) {
    this.asked.get(card)?.abort();
    this.asked.delete(card);
  }
}

const sentence = ({ variant, prediction }) =>
  `${nameOf(variant)}: ${prediction.label}, ${percent(prediction.probability)}.`;
