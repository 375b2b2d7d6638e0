/** Copy buttons. */

import { byId } from "./dom.js";

const COPIED_MS = 2000;

/** Has a button copy the text of an element, and say so. */
export function offerCopy(button, code) {
  button.addEventListener("click", async () => {
    await copy(code);
    button.textContent = "Copied";
    byId("announced").textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), COPIED_MS);
  });
}

async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    // Pages that came without TLS have no clipboard, but may still copy what is selected.
    getSelection().selectAllChildren(code);
    document.execCommand("copy");
  }
}
