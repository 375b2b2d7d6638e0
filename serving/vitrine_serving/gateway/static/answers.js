/** Asks every model about a picture, side by side, and why, class by class. */

import { ApiError, post } from "./api.js";
import { Card } from "./card.js";
import { byId, element } from "./dom.js";
import { drawInstance, wipe } from "./pixels.js";
import { nameOf } from "./variants.js";
import { percent } from "./words.js";

export class Answers {
  /** `onSeen({ box, warnings })` gets where the gateway found the item; `onErrors(errors)` gets what
  a heat map fails of, unless it is the model that has none. */
  constructor(onSeen, onErrors) {
    this.section = byId("answers");
    this.canvas = byId("instance");
    this.cards = [];
    this.onSeen = onSeen;
    this.onErrors = onErrors;
    this.asked = new Map(); // what each card's heat map is waited for with
  }

  /** Makes a card for each variant; those of one model stand side by side. */
  setVariants(variants) {
    this.cards = variants.map((variant) => new Card(variant, (...which) => this.why(...which)));
    const models = [...new Set(variants.map((variant) => variant.model))];
    const groups = models.map((model) => {
      const cards = this.cards.filter((card) => card.variant.model === model);
      const kind = cards.length > 1 ? "group several" : "group";
      return element("div", { class: kind }, ...cards.map((card) => card.element));
    });
    byId("cards").replaceChildren(...groups);
  }

  /** Asks for what the models see and what they say. Returns the errors, throws `AbortError`. */
  async ask(picture, signal) {
    this.picture = picture;
    this.asked.forEach((controller) => controller.abort());
    this.section.setAttribute("aria-busy", "true");
    const seen = this.see(signal);
    const said = this.cards.map((card) => this.predict(card, seen, signal));
    const settled = await Promise.allSettled([seen, ...said]);
    signal.throwIfAborted();
    this.section.setAttribute("aria-busy", "false");
    const errors = settled.filter((each) => each.reason).map((each) => each.reason);
    const sentences = settled.slice(1).map((each) => each.value).filter(Boolean);
    this.section.hidden = !sentences.length;
    byId("announced").textContent = [...new Set(sentences)].join(" ");
    return errors;
  }

  /** Shows the cards, or that the picture shows nothing. */
  reveal(empty) {
    this.section.hidden = false;
    byId("cards").hidden = byId("answers-note").hidden = empty;
    byId("empty").hidden = !empty;
  }

  /** Returns the instance. */
  async see(signal) {
    try {
      const { body } = await post("v1/instances", this.picture, signal);
      signal.throwIfAborted();
      const [instance] = body.instances;
      this.onSeen({ box: body.boxes?.[0] ?? null, warnings: body.warnings?.[0] ?? [] });
      drawInstance(this.canvas, instance);
      this.canvas.setAttribute("aria-label", `What the models see of ${this.picture.name}`);
      return instance;
    } catch (error) {
      if (!signal.aborted) {
        wipe(this.canvas);
        this.canvas.setAttribute("aria-label", "What the models see: nothing");
      }
      throw error;
    }
  }

  /** Returns the answer as a sentence. */
  async predict(card, seen, signal) {
    try {
      const answer = await post(`${card.variant.path}:predict`, this.picture, signal);
      const [prediction] = answer.body.predictions;
      const instance = await seen.catch(() => null);
      signal.throwIfAborted();
      this.reveal(Boolean(prediction.empty));
      if (prediction.empty) return byId("empty").textContent;
      card.show(prediction, answer.body.model_spec.version, answer, instance);
      return `${nameOf(card.variant)}: ${prediction.label}, ${percent(prediction.probability)}.`;
    } catch (error) {
      if (!signal.aborted) card.fail();
      throw error;
    }
  }

  /** Shows why this class, or nothing for null; a newer question replaces an older one. */
  async why(card, classId) {
    this.asked.get(card)?.abort();
    if (classId === null) return card.clearWhy();
    const controller = new AbortController();
    this.asked.set(card, controller);
    card.beginWhy(classId);
    try {
      const path = `${card.variant.path}:explain?class_id=${classId}`;
      const { body } = await post(path, this.picture, controller.signal);
      card.showWhy(body.explanations[0]);
      byId("announced").textContent = card.why.querySelector("canvas").ariaLabel;
    } catch (error) {
      if (controller.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      const lacking = error.status === 400 || error.status === 404;
      card.clearWhy(lacking ? error.message : "No heat map.");
      if (!lacking) this.onErrors([error]);
    }
  }
}
