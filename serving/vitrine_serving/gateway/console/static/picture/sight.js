/** Sight: the pixels that models see of the picture, beside it. */

import { byId, setCut } from "../dom.js";
import { dimensions } from "../words.js";
import { drawPixels, wipe } from "./pixels.js";

/** Shows what was `seen` of the picture of this name; `whose` is like "the models see". */
export function showSight({ pixels }, whose, name) {
  drawPixels(byId("instance"), pixels);
  byId("instance").setAttribute("aria-label", `What ${whose} of ${name}`);
  setCut(byId("sight-title"), `What ${whose}`);
  byId("sight-size").textContent = dimensions(pixels);
}

/** Takes it away. */
export function wipeSight() {
  wipe(byId("instance"));
  byId("instance").setAttribute("aria-label", "What the models see: nothing");
}
