/** The box round the item: found by the gateway, put right by hand. */

import { BoxKeys } from "./box_keys.js";
import { BoxPointer } from "./box_pointer.js";
import { byId } from "./dom.js";
import { middle, rounded, same } from "./rectangle.js";

const PAUSE_MS = 700; // after the last key, until the models are asked

export class Box {
  /** `onDrawn(box)` is called when it looks different, `onChange(rectangle)` when models are to be
  asked: with one that was put by hand, or with null for the box that the gateway finds. */
  constructor(onDrawn, onChange) {
    this.sheet = byId("sheet"); // covers the picture
    this.element = byId("box");
    this.onDrawn = onDrawn;
    this.onChange = onChange;
    this.pointer = new BoxPointer(this);
    new BoxKeys(this);
    byId("box-again").addEventListener("click", () => this.findAgain());
    byId("box-draw").addEventListener("click", () => this.start());
    this.clear();
  }

  /** Forgets all: another picture comes. */
  clear() {
    this.pointer.end();
    clearTimeout(this.timer);
    this.size = undefined; // null where the browser cannot show the picture
    this.found = undefined; // by the gateway; null where it found nothing
    this.byHand = null;
    this.asked = null;
    this.draw();
  }

  /** The one in force; null or undefined where there is none. */
  get rectangle() {
    return this.byHand ?? this.found;
  }

  setSize(size) {
    this.size = size;
    this.draw();
  }

  setFound(rectangle) {
    this.found = rectangle;
    this.draw();
  }

  /** Puts it where somebody wants it, or back for null; nobody is asked yet. */
  put(rectangle) {
    this.byHand = rectangle && rounded(rectangle, this.size);
    this.draw();
  }

  /** Asks the models, unless that was the last they were asked. */
  ask() {
    clearTimeout(this.timer);
    if (same(this.byHand, this.asked)) return;
    this.asked = this.byHand;
    this.onChange(this.byHand);
  }

  /** Asks them if nothing more comes for a moment. */
  askSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), PAUSE_MS);
  }

  /** Goes back to the box that the gateway finds. */
  findAgain() {
    const had = [this.element, byId("box-again")].includes(document.activeElement);
    this.put(null);
    if (had) (this.rectangle ? this.element : byId("box-draw")).focus(); // the other one goes
    this.ask();
  }

  /** Gives a box to start from, where none was found. */
  start() {
    this.put(middle(this.size));
    this.element.focus();
    this.askSoon();
  }

  draw() {
    const { sheet, element, size, rectangle } = this;
    sheet.hidden = !size || rectangle === undefined;
    sheet.classList.toggle("none", !rectangle);
    element.hidden = !rectangle;
    if (size) sheet.style.setProperty("--ratio", size.width / size.height);
    if (size && rectangle) {
      const [x, y, width, height] = rectangle;
      const shares = [x / size.width, y / size.height, width / size.width, height / size.height];
      ["--x", "--y", "--w", "--h"].forEach((name, at) => sheet.style.setProperty(name, shares[at]));
    }
    this.onDrawn(this);
  }
}
