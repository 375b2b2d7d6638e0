/** Flag of a wrong answer: people say what the picture shows, and the gateway notes it. */

import { ApiError, post } from "../api.js";
import { element, prose, setCut } from "../dom.js";

export class Flag {
  /** `form` is that of a card, null where the gateway takes no feedback; `onErrors(errors)` gets what
  the page has to act on, such as that a key is wanted. */
  constructor(form, variant, onErrors) {
    Object.assign(this, { form, variant, onErrors });
    this.requestId = null; // of the answer that is shown
    this.isSending = false;
    this.labels = [];
    if (!form) return;
    this.select = form.querySelector("select");
    this.said = form.querySelector("[role=status]");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.isSending) this.send(this.select.value);
    });
  }

  /** Offers the labels for an answer to `requestId`, all but the one that was answered. */
  offer(requestId, answered, labels) {
    if (!this.form) return;
    this.requestId = requestId;
    this.form.hidden = !requestId; // as of a proxy that drops it
    this.said.replaceChildren();
    this.fill(labels);
    this.select.value = "";
    [...this.select.options].forEach((option, at) => (option.disabled = at - 1 === answered));
  }

  fill(labels) {
    if (labels.length === this.labels.length && labels.every((label, at) => label === this.labels[at])) return;
    this.labels = labels;
    const options = labels.map((label) => setCut(element("option", { value: label }), label));
    this.select.replaceChildren(element("option", { value: "" }, "choose"), ...options);
  }

  async send(label) {
    const { requestId } = this;
    this.isSending = true;
    this.say("Sending");
    let said;
    try {
      const bytes = JSON.stringify({ request_id: requestId, label });
      const { body } = await post(`${this.variant.path}/feedback`, bytes, "application/json");
      said = body.again ? "This was noted before. Thank you" : "Noted. Thank you";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      said = error.message;
      if (error.status === 401) this.onErrors([error]);
    } finally {
      this.isSending = false;
    }
    if (requestId === this.requestId) this.say(said);
  }

  say(text) {
    this.said.replaceChildren(...prose(`${text}.`.replace(/\.\.$/, ".")));
  }
}
