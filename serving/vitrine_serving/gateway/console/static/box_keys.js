/** Moves and resizes the box by keyboard. */

import { grown, moved, resized } from "./rectangle.js";

const STEP = 0.02; // of the picture's longer side, at least a pixel
const LARGE = 5; // steps at once, with Ctrl and by Page Up and Page Down
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const GROWTH = { PageUp: LARGE, PageDown: -LARGE, "+": 1, "-": -1 };

export class BoxKeys {
  constructor(box) {
    this.box = box;
    box.element.addEventListener("keydown", (event) => {
      if (!event.altKey && !event.metaKey && this.press(event)) event.preventDefault();
    });
  }

  /** Returns whether the key means something here. */
  press(event) {
    const { box } = this;
    if (event.key === "Escape") return this.escape();
    if (event.key === "Enter") {
      box.ask();
      return true;
    }
    const changed = this.changed(event);
    if (!changed) return false;
    box.pointer.end();
    box.put(changed);
    box.askSoon();
    return true;
  }

  /** The box as an arrow or a page key leaves it; null for other keys. */
  changed({ key, shiftKey, ctrlKey }) {
    const { rectangle, size } = this.box;
    const step = Math.max(1, Math.round(STEP * Math.max(size.width, size.height)));
    if (key in GROWTH) return grown(rectangle, GROWTH[key] * step, size);
    if (!(key in WAYS)) return null;
    const way = WAYS[key].map((each) => each * step * (ctrlKey ? LARGE : 1));
    return shiftKey ? resized(rectangle, "se", way, size) : moved(rectangle, way, size);
  }

  /** Ends a drag, or goes back to the box that was found. */
  escape() {
    const { box } = this;
    if (box.pointer.cancel()) return true;
    if (!box.byHand) return false;
    box.findAgain();
    return true;
  }
}
