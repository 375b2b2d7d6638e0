/** Figures and findings as people read them. */

const SPACE = "\u00a0"; // that no line breaks at

/** The API's warning of a picture without an item. */
export const NOTHING = "there is nothing to see in this picture";

/** 0.686 as "68.6 %". */
export function percent(share) {
  if (share > 0 && share < 0.0005) return `<0.1${SPACE}%`;
  if (share < 1 && share >= 0.9995) return `>99.9${SPACE}%`;
  return `${(100 * share).toFixed(1)}${SPACE}%`;
}

/** A figure of a class: a share of all, unless the model's are scores, which sum to anything. */
export function figureOf(kind, value) {
  if (!Number.isFinite(value)) return "–";
  if (kind !== "scores") return percent(value);
  return Math.abs(value) < 1000 ? value.toFixed(3) : value.toPrecision(4);
}

/** How sure a probability is, to put before a label. */
export function sureness(kind, probability) {
  if (kind === "scores") return "Highest score";
  if (probability >= 0.95) return "Almost certainly";
  if (probability >= 0.75) return "Very likely";
  return probability >= 0.5 ? "Probably" : "Perhaps";
}

/** Milliseconds with as many digits as mean something. */
export const milliseconds = (ms) => `${ms.toFixed(ms < 100 ? 1 : 0)}${SPACE}ms`;

/** A figure with its sign, a real minus included; of small ones the digits that count. */
export function signed(value) {
  const size = Math.abs(value);
  const text = size >= 0.01 || !size ? size.toFixed(2) : size.toPrecision(2);
  return `${value < 0 ? "−" : "+"}${text}`;
}

/** The size of what a model sees. */
export const dimensions = ({ width, height, colour }) =>
  `${width} × ${height} pixels${colour ? ", in colour" : ""}`;

/** A time of today as hours and minutes, of another day with its date. */
export function moment(rfc3339) {
  const then = new Date(rfc3339);
  const today = then.toDateString() === new Date().toDateString();
  return today
    ? then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    : then.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/** A score against its limit: "53 % of the limit", "1,193 times the limit". */
export function timesLimit(score, limit) {
  const times = score / limit;
  if (!Number.isFinite(times)) return "beyond any limit";
  if (times < 1) return `${Math.floor(100 * times)}${SPACE}% of the limit`;
  const digits = times < 10 ? 1 : 0;
  return `${times.toLocaleString("en", { maximumFractionDigits: digits })} times the limit`;
}
