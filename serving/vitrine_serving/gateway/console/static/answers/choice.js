/** Choice of models: which of those that are served the page asks. */

import { byId, element, setCut, setSentence } from "../dom.js";
import { nameOf } from "./variants.js";

const MOST = 6; // that are asked unless somebody chooses others
const NAMED = 6; // of those that cannot be asked

export class Choice {
  /** `onChange()` is called when somebody chooses. */
  constructor(onChange) {
    this.onChange = onChange;
    this.variants = [];
    this.wanted = new Map(); // by name, what somebody chose
  }

  /** Offers variants; what was chosen before stays so. */
  offer(variants) {
    this.variants = variants;
    byId("choice").hidden = variants.length < 2;
    byId("choice-list").replaceChildren(...variants.map((variant, at) => this.item(variant, at)));
    this.count();
  }

  /** The variants to ask, in their order. */
  get chosen() {
    return this.variants.filter((variant, at) => this.isChosen(variant, at));
  }

  isChosen(variant, at) {
    const answers = variant.answers || !this.variants.some((each) => each.answers);
    return this.wanted.get(nameOf(variant)) ?? (answers && at < MOST);
  }

  item(variant, at) {
    const name = nameOf(variant);
    const box = element("input", { type: "checkbox" });
    box.checked = this.isChosen(variant, at);
    box.addEventListener("change", () => {
      this.wanted.set(name, box.checked);
      this.count();
      this.onChange();
    });
    return element("li", {}, element("label", {}, box, setCut(element("span"), name)));
  }

  /** Names the models that nobody can ask about a picture, with the reason where there is one. */
  leaveOut(models) {
    const told = models.slice(0, NAMED).flatMap(({ name, reason }, at) => [
      at ? ", " : "Not asked: ",
      setCut(element("bdi"), name),
      ...(reason ? [" (", setSentence(element("bdi"), reason), ")"] : []),
    ]);
    if (models.length > NAMED) told.push(` and ${models.length - NAMED} more`);
    byId("not-asked").replaceChildren(...told);
    byId("not-asked").hidden = !models.length;
  }

  count() {
    byId("choice-words").textContent = `${this.chosen.length} of ${this.variants.length}`;
  }
}
