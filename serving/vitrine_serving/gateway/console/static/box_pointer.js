/** Moves, resizes and draws the box with a mouse, a finger or a pen. */

import { between, moved, resized } from "./rectangle.js";

const LEAST_PX = 4; // on the screen: a shorter way is a tap

export class BoxPointer {
  constructor(box) {
    this.box = box;
    this.drag = null;
    const { sheet } = box;
    sheet.addEventListener("pointerdown", (event) => this.begin(event));
    sheet.addEventListener("pointermove", (event) => this.move(event));
    sheet.addEventListener("pointerup", (event) => this.finish(event));
    for (const lost of ["pointercancel", "lostpointercapture"]) {
      sheet.addEventListener(lost, () => this.cancel());
    }
  }

  begin(event) {
    if (this.drag || !event.isPrimary || event.button !== 0) return;
    event.preventDefault(); // no text is selected
    const { box } = this;
    const inside = box.element.contains(event.target);
    this.drag = {
      edges: event.target.dataset.edges ?? "",
      inside,
      client: [event.clientX, event.clientY],
      from: this.at(event),
      rectangle: box.rectangle,
      byHand: box.byHand,
      moved: false,
    };
    box.sheet.setPointerCapture(event.pointerId);
    if (inside) box.element.focus({ preventScroll: true });
  }

  move(event) {
    const { box, drag } = this;
    if (!drag) return;
    const [x, y] = drag.client;
    drag.moved ||= Math.hypot(event.clientX - x, event.clientY - y) >= LEAST_PX;
    if (drag.moved) box.put(this.dragged(this.at(event)));
  }

  /** The rectangle, now that the pointer is at `to`. */
  dragged(to) {
    const { from, inside, edges, rectangle } = this.drag;
    const { size } = this.box;
    if (!inside) return between(from, to, size);
    const way = [to[0] - from[0], to[1] - from[1]];
    return edges ? resized(rectangle, edges, way, size) : moved(rectangle, way, size);
  }

  finish(event) {
    if (!this.drag) return;
    this.move(event);
    const { moved: changed } = this.drag;
    this.drag = null;
    if (!changed) return;
    this.box.element.focus({ preventScroll: true });
    this.box.ask();
  }

  /** Puts back what is being dragged. Returns whether anything was. */
  cancel() {
    const { drag } = this;
    this.drag = null;
    if (drag) this.box.put(drag.byHand);
    return Boolean(drag);
  }

  /** Lets go of what is being dragged. */
  end() {
    this.drag = null;
  }

  /** Where a pointer is, [x, y] in pixels of the picture. */
  at({ clientX, clientY }) {
    const { left, top, width, height } = this.box.sheet.getBoundingClientRect();
    const { size } = this.box;
    return [((clientX - left) * size.width) / width, ((clientY - top) * size.height) / height];
  }
}
