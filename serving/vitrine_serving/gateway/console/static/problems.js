/** Problems, in the API's own words, and the field for a key where one is needed. */

import { tellWaiting } from "./api.js";
import { byId, element, prose } from "./dom.js";
import { PictureError } from "./picture/picture.js";

const IN_VAIN = new Set([400, 401, 413, 415, 422]); // the same would fail again

/** Shows errors (`ApiError`, `PictureError`, or other with `message`), each text once. */
export function showProblems(errors, onRetry) {
  const texts = [...new Set(errors.map((error) => error.message))];
  const list = element("ul", {}, ...texts.map((text) => element("li", {}, ...prose(text))));
  const box = element("div", { class: "problem" }, list);
  if (errors.some(mayPass) && onRetry) {
    const again = element("button", { class: "button", type: "button" }, "Try again");
    again.addEventListener("click", onRetry);
    box.append(again);
  }
  byId("problem").replaceChildren(box);
  if (errors.some((error) => error.status === 401)) byId("key-form").hidden = false;
  box.scrollIntoView({ block: "nearest" });
}

const mayPass = (error) => !(error instanceof PictureError) && !IN_VAIN.has(error.status);

/** Says while requests wait for the gateway's rate limit. */
export function sayWaiting() {
  tellWaiting((seconds) => {
    const text = `This gateway takes only so many requests a second. Going on in ${seconds} s.`;
    byId("waiting").textContent = seconds ? text : "";
  });
}

/** Takes away what was said. */
export function clearProblems() {
  byId("problem").replaceChildren();
  byId("key-form").hidden = true;
}

/** Calls `onKey(key)` when somebody gives one. */
export function takeKeys(onKey) {
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    onKey(byId("key").value.trim());
  });
}
