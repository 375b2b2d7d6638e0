/** Answers of the chosen models about a picture, side by side, with the reasons class by class. */

import { ApiError, post } from "../api.js";
import { byId, element } from "../dom.js";
import { boxed, seenAlready, seenOf, SHARED } from "../picture/instance.js";
import { showSight, wipeSight } from "../picture/sight.js";
import { figureOf } from "../words.js";
import { Card } from "./card.js";
import { probabilitiesIn } from "./json_order.js";
import { forgetProfile } from "./profiles.js";
import { nameOf } from "./variants.js";

const EXPLAINED = 3; // cards whose answer is explained by itself: a row of a wide screen
const OURS = byId("subject").textContent; // what models see that Vitrine trained
const LACKING = [400, 404, 422]; // statuses of a model that has no heat maps

export class Answers {
  /** `onSeen({ box, warnings })` gets where the gateway found the item; `onErrors(errors)` gets what
  a heat map fails of, unless it is the model that has none. */
  constructor(onSeen, onErrors) {
    this.section = byId("answers");
    this.cards = [];
    this.seen = new Map(); // what the newest question is about, by where that was asked for
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
        kept.get(JSON.stringify(variant)) ??
        new Card(variant, (...which) => this.why(...which), this.onErrors),
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
    this.seen = new Map();
    this.pressed.clear();
    this.section.setAttribute("aria-busy", "true");
    const dated = ({ seen, sight }) => !seen || seen !== seenAlready(picture, sight);
    this.cards.filter(dated).forEach((card) => card.wait());
    await Promise.all(this.cards.map((card) => card.learn()));
    signal.throwIfAborted();
    const errors = await this.askAll(picture, signal, onShown);
    if (this.isEmpty) this.reveal(true);
    else this.blind().forEach((card) => card.fail(byId("empty").textContent));
    this.section.hidden = !this.isEmpty && this.cards.length > 0 && !this.answered().length;
    this.section.setAttribute("aria-busy", "false");
    const sentences = this.isEmpty ? [byId("empty").textContent] : this.answered().map(sentence);
    byId("announced").textContent = sentences.join(" ");
    if (this.isEmpty) onShown();
    return errors;
  }

  /** Whether there is nothing to see, for any of the models. */
  get isEmpty() {
    const seen = [...this.seen.values()];
    return seen.length > 0 && seen.every((each) => each.empty);
  }

  /** The cards that answered the newest question. */
  answered() {
    return this.cards.filter((card) => this.hasAnswered(card));
  }

  /** The cards of models that see nothing in the picture. */
  blind() {
    return this.cards.filter(({ sight }) => this.seen.get(sight)?.empty);
  }

  hasAnswered({ seen, sight }) {
    return seen !== null && seen === this.seen.get(sight);
  }

  /** What the first of them answered, in a word or two; empty where none did. */
  inShort() {
    if (this.isEmpty) return "Nothing";
    return this.answered()[0]?.prediction.label ?? "";
  }

  /** Asks all models at once, each as soon as it is known what it sees. Returns the errors of single
  models; throws what is one of all. */
  async askAll(picture, signal, onShown) {
    const sights = this.cards.map((card) => card.sight);
    const [first = SHARED] = sights;
    const main = sights.includes(SHARED) ? SHARED : first;
    byId("subject").textContent = main === SHARED ? OURS : "a picture of what it knows";
    const looks = new Map(
      [...new Set([main, ...sights])].map((sight) => [sight, this.look(picture, sight, main, signal)]),
    );
    const said = this.cards.map((card) => this.askModel(card, looks.get(card.sight), signal));
    const due = said.filter((_, at) => !this.cards[at].seen);
    if (due.length) due[0].then(onShown, () => {});
    const settled = await Promise.allSettled([...looks.values(), ...said]);
    signal.throwIfAborted();
    const failed = settled.filter((each) => each.reason).map((each) => each.reason);
    if (failed.length && (!this.seen.size || (main === SHARED && !this.seen.has(SHARED)))) {
      this.forget();
      throw failed[0];
    }
    if (!this.seen.has(main)) wipeSight();
    return failed;
  }

  /** Shows what models see: of the main ones beside the picture, of each other one on its card. */
  async look(picture, sight, main, signal) {
    const seen = await seenOf(picture, sight, signal);
    signal.throwIfAborted();
    this.seen.set(sight, seen);
    const cards = this.cards.filter((card) => card.sight === sight);
    cards.forEach((card) => card.showSight(sight === main ? null : seen, picture.name));
    if (sight !== main) return seen;
    this.onSeen(seen);
    showSight(seen, sight === SHARED ? "the models see" : `${cards[0].variant.model} sees`, picture.name);
    return seen;
  }

  /** Takes away what was said of a picture. */
  forget() {
    wipeSight();
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

  async askModel(card, look, signal) {
    try {
      if (card.reason) throw new ApiError(422, card.reason);
      const seen = await look;
      if (card.seen !== seen && !seen.empty) await this.predict(card, seen, signal);
    } catch (error) {
      if (signal.aborted) return;
      forgetProfile(card.variant);
      card.fail();
      throw error;
    }
  }

  async predict(card, seen, signal) {
    this.endWhy(card);
    const answer = await this.post(card, ":predict", seen, signal);
    signal.throwIfAborted();
    const [{ error }] = answer.body.predictions;
    if (error) throw new ApiError(400, error);
    this.reveal(false);
    card.show(answer.body, probabilitiesIn(answer.text), answer, seen);
    this.explain(card);
  }

  post({ variant }, method, { body, type, sentBox }, signal) {
    return post(boxed(`${variant.path}${method}`, sentBox), body, type, signal);
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
    if (!this.hasAnswered(card)) return void this.pressed.set(card, classId);
    if (classId === null) return;
    if (card.isMute) return void card.clearWhy(card.inWords(card.muteText));
    const controller = new AbortController();
    this.asked.set(card, controller);
    try {
      const method = `:explain?class_id=${classId}`;
      const { body } = await this.post(card, method, card.seen, controller.signal);
      controller.signal.throwIfAborted();
      card.showWhy(body.explanations[0]);
      if (isPressed) byId("announced").textContent = card.why.querySelector("canvas").ariaLabel;
    } catch (error) {
      if (controller.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      const lacking = LACKING.includes(error.status);
      if (error.status === 400) card.mute(error.message);
      card.clearWhy(lacking ? card.inWords(error.message) : "No heat map.");
      if (!lacking && isPressed) this.onErrors([error]);
    }
  }

  endWhy(card) {
    this.asked.get(card)?.abort();
    this.asked.delete(card);
  }
}

const sentence = ({ variant, prediction, kind }) =>
  `${nameOf(variant)}: ${prediction.label}, ${figureOf(kind, prediction.probability)}.`;
