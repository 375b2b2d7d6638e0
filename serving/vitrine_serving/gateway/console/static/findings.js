/** Says beside the picture what was found in it, in words: the box, and the API's warnings. */

import { byId, element, prose } from "./dom.js";
import { NOTHING } from "./words.js";

const HINTS = {
  wrong: "Not right? Drag the box or its edges, or draw another one.",
  nothing: "Is there something after all? Draw a box round it.",
  unseen: "Your browser cannot show this picture, so you cannot draw a box on it.",
};

/** Shows where the box is, and what can be done about it. */
export function showBox({ rectangle, byHand, size }) {
  const known = rectangle !== undefined;
  setText("box-words", known ? inWords(rectangle, byHand) : "");
  const hint = size ? (rectangle ? "wrong" : "nothing") : size === null ? "unseen" : null;
  setText("box-hint", (known && HINTS[hint]) || "");
  byId("box-keys").hidden = !size || !rectangle;
  byId("box-again").hidden = !byHand;
  byId("box-draw").hidden = !known || !size || Boolean(rectangle);
  byId("no-picture").textContent = known && size === null ? "No preview" : "No picture";
}

/** Shows what was left out or is doubtful; of nothing, the answers' place speaks. */
export function showWarnings(warnings) {
  const texts = warnings.filter((text) => text !== NOTHING);
  const items = texts.map((text) => element("li", {}, ...prose(text)));
  byId("warnings").replaceChildren(...(items.length ? [element("ul", {}, ...items)] : []));
}

function inWords(rectangle, byHand) {
  if (!rectangle) return "No item was found.";
  const [x, y, width, height] = rectangle;
  const where = `${width} × ${height} pixels, ${x} from the left, ${y} from the top`;
  return `${byHand ? "Your box" : "Found"}: ${where}.`;
}

/** A live region speaks when it is set, even to what it said. */
function setText(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}
