/** Classes of an answer, each with a bar: all in their order, or of many the best, and more on demand. */

import { copyOf, setCut, setShare } from "../dom.js";
import { figureOf } from "../words.js";

const ALL = 20; // classes, of which none is left out
const FEW = 10; // best of more than that
const MORE = 50; // that a press of the button adds

export class Classes {
  /** `onPress(classId)` is called when a class is pressed, with null when it is let go. */
  constructor(list, button, onPress) {
    this.list = list;
    this.button = button;
    this.onPress = onPress;
    this.rows = [];
    this.pressed = null;
    this.shown = FEW;
    button.addEventListener("click", () => this.more());
  }

  /** Shows [label, figure] by class id: in the order of the classes, so that cards can be compared
  line by line, or best first where there are many. */
  show(best, classes, kind) {
    Object.assign(this, { best, kind, shown: FEW });
    this.classes = classes.map(([label, share], classId) => ({ label, share, classId }));
    this.isCut = classes.length > ALL;
    if (this.isCut) this.classes.sort((one, other) => other.share - one.share);
    this.draw();
  }

  /** Marks one class as pressed; null marks none. */
  press(classId) {
    this.pressed = classId;
    this.rows.forEach((row, at) => this.mark(row, this.classes[at]));
  }

  draw() {
    const count = this.isCut ? Math.min(this.shown, this.classes.length) : this.classes.length;
    while (this.rows.length < count) this.rows.push(this.newRow(this.rows.length));
    this.rows.length = count;
    this.list.replaceChildren(...this.rows);
    this.rows.forEach((row, at) => this.fill(row, this.classes[at]));
    const left = this.classes.length - count;
    this.button.hidden = !left;
    this.button.textContent = `Show ${Math.min(left, MORE)} more of ${this.classes.length} classes`;
  }

  fill(row, shown) {
    const { label, share, classId } = shown;
    row.classList.toggle("best", classId === this.best);
    setCut(row.querySelector(".name"), label);
    row.querySelector(".share").textContent = figureOf(this.kind, share);
    setShare(row.querySelector(".bar"), share);
    this.mark(row, shown);
  }

  mark(row, { classId }) {
    row.querySelector("button").setAttribute("aria-pressed", String(classId === this.pressed));
  }

  newRow(at) {
    const row = copyOf("class-row");
    row.querySelector("button").addEventListener("click", () => {
      const { classId } = this.classes[at];
      this.onPress(classId === this.pressed ? null : classId);
    });
    return row;
  }

  /** Adds the next best; the focus goes on to the first of them where the button goes. */
  more() {
    const before = this.rows.length;
    this.shown += MORE;
    this.draw();
    if (this.button.hidden) this.rows[before].querySelector("button").focus();
  }
}
