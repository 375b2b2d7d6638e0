/** Tray: several pictures that were given at once, as thumbnails to pick from. */

import { byId, element, markCurrent } from "../dom.js";

const MOST = 24; // that are kept in memory

export class Tray {
  /** `onPick(picture)` is called when a thumbnail is pressed. */
  constructor(onPick) {
    this.onPick = onPick;
    this.buttons = new Map(); // by picture
  }

  /** Lays pictures out, or puts the tray away for one. Returns the one to begin with. */
  lay(pictures) {
    for (const image of byId("tray-pictures").querySelectorAll("img")) URL.revokeObjectURL(image.src);
    const kept = pictures.slice(0, MOST);
    this.buttons = new Map(kept.map((picture) => [picture, this.thumbnail(picture)]));
    byId("tray").hidden = kept.length < 2;
    const items = [...this.buttons.values()].map((button) => element("li", {}, button));
    byId("tray-pictures").replaceChildren(...items);
    const count = kept.length < pictures.length ? `the first ${MOST} of ${pictures.length}` : kept.length;
    byId("tray-words").textContent = `You gave ${count} pictures. Press one to ask about it.`;
    return kept[0];
  }

  /** Marks the picture that is shown. */
  mark(picture) {
    this.buttons.forEach((button, each) => markCurrent(button, each === picture));
  }

  /** Notes below its thumbnail what a picture was answered. */
  note(picture, text) {
    const said = this.buttons.get(picture)?.querySelector(".said");
    if (said) said.textContent = text;
  }

  thumbnail(picture) {
    const image = element("img", { alt: picture.name, title: picture.name });
    const button = element("button", { type: "button" }, image, element("span", { class: "said" }));
    button.addEventListener("click", () => this.onPick(picture));
    this.fill(image, picture);
    return button;
  }

  async fill(image, picture) {
    const blob = await picture.content().catch(() => null); // asked about, it says why
    if (blob && this.buttons.has(picture)) image.src = URL.createObjectURL(blob);
  }
}
