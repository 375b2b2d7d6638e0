/** A value against a limit, as a bar with a mark. */

import { element, setShare } from "./dom.js";

/** `text` says the figures; the bar ends at `room` times the limit, which is marked if in it. */
export function gauge(words, text, value, limit, { room = 1, alarm = false } = {}) {
  const end = room * limit || 1;
  const track = element("div", {
    class: alarm && value > limit ? "track over" : "track",
    role: "meter",
    "aria-label": words,
    "aria-valuemin": "0",
    "aria-valuemax": String(end),
    "aria-valuenow": String(Math.min(value, end)),
    "aria-valuetext": text,
  });
  const fill = element("i", { class: "fill" });
  setShare(fill, value / end);
  track.append(fill);
  if (room > 1) {
    const mark = element("i", { class: "mark" });
    setShare(mark, 1 / room);
    track.append(mark);
  }
  const title = element("p", {}, element("span", {}, words), element("span", { class: "share" }, text));
  title.setAttribute("aria-hidden", "true"); // the meter says the same
  return element("div", { class: "gauge" }, title, track);
}
