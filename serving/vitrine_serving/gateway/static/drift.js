/** What the gateway's watch for drift says of each model. */

import { get } from "./api.js";
import { byId, copyOf, element, setShare } from "./dom.js";
import { gauge } from "./gauge.js";
import { moment, percent } from "./words.js";

const CHECK = "M5 12.5l4.5 4.5L19 7.5";
const WARNING = "M12 4L2.8 20h18.4zM12 10v4.5M12 17v.5";
const CLOCK = "M12 3a9 9 0 1 0 .01 0M12 7.5V12l3 2";
const STATES = {
  none: ["No drift", CHECK, "fine"],
  covariate: ["The pictures look different", WARNING, "alarm"],
  label: ["The mix of classes has changed", WARNING, "alarm"],
  early: ["Too early to say", CLOCK, "waiting"],
  unknown: ["Not watched", CLOCK, "waiting"],
};
const TESTS = [
  ["covariate", "How the pictures look"],
  ["label", "How often each class comes"],
];

export class Drift {
  constructor() {
    this.models = [];
    this.off = false; // whether the gateway does not watch, so that asking again is of no use
    this.opened = new Map(); // whether somebody opened or closed a model's details
    byId("drift-refresh").addEventListener("click", () => this.refresh());
  }

  /** Asks for all models; a newer call replaces an older one. What fails is said in words. */
  async refresh() {
    if (!this.models.length) return;
    this.running?.abort();
    const { signal } = (this.running = new AbortController());
    byId("drift").setAttribute("aria-busy", "true");
    const asked = this.models.map((model) =>
      get(`v1/models/${encodeURIComponent(model)}/drift`, signal),
    );
    const settled = await Promise.allSettled(asked);
    if (signal.aborted) return;
    byId("drift").setAttribute("aria-busy", "false");
    byId("drift").hidden = false;
    this.show(settled);
  }

  show(settled) {
    const found = settled.filter((each) => each.value).map((each) => each.value);
    const errors = settled.filter((each) => each.reason).map((each) => each.reason);
    this.off = errors.length === settled.length && errors.every((each) => each.status === 404);
    const note = byId("drift-note");
    note.textContent = [...new Set(errors.map((error) => error.message))].join(" ");
    note.hidden = !errors.length;
    const watches = found.flatMap((report) =>
      report.versions.map((version) => this.watch(report.model, version)),
    );
    byId("watches").replaceChildren(...watches);
  }

  watch(model, report) {
    const made = copyOf("watch");
    const [words, path, kind] = STATES[isEarly(report) ? "early" : report.drift] ?? STATES.unknown;
    made.classList.add(kind, report.drift);
    made.querySelector("h3").textContent = model;
    made.querySelector(".chips").append(element("li", {}, `version ${report.version}`));
    made.querySelector(".state path").setAttribute("d", path);
    made.querySelector(".state b").textContent = words;
    made.querySelector(".reason").textContent = report.reason;
    if (report.drift !== "unknown") made.querySelector(".gauges").append(...gauges(report));
    if (report.images && report.classes.length) this.showClasses(made, model, report);
    return made;
  }

  showClasses(made, model, { version, drift, classes }) {
    const details = made.querySelector("details");
    const id = `${model}/${version}`;
    details.hidden = false;
    details.open = this.opened.get(id) ?? drift === "label";
    details.querySelector("summary").addEventListener("click", () => {
      this.opened.set(id, !details.open);
    });
    const shares = classes.flatMap((each) => [each.validation, each.estimated ?? 0]);
    const most = Math.max(...shares, 0.001);
    details.querySelector("tbody").append(...classes.map((each) => classRow(each, most)));
  }
}

/** Whether there are too few images for any alarm: then there are no scores. */
function isEarly({ drift, scores }) {
  return drift === "none" && !Object.keys(scores).length;
}

function gauges({ images, window: size, since, scores, thresholds, alarm }) {
  const filled = since ? `${images} of ${size} images, since ${moment(since)}` : "no image yet";
  const tests = TESTS.filter(([test]) => test in scores && test in thresholds);
  return [
    gauge("Window", filled, images, size),
    ...tests.map(([test, words]) => {
      const [score, limit] = [scores[test], thresholds[test]];
      return gauge(words, `${score.toFixed(2)}, limit ${limit.toFixed(2)}`, score, limit, { room: 1.5, alarm });
    }),
  ];
}

function classRow({ label, validation, estimated }, most) {
  const cells = [
    [validation, "validation"],
    [estimated, "estimated"],
  ].map(([share, kind]) => {
    const bar = element("span", { class: `bar ${kind}`, "aria-hidden": "true" });
    setShare(bar, (share ?? 0) / most);
    const text = share === null ? "–" : percent(share);
    return element("td", {}, bar, element("span", { class: "share" }, text));
  });
  return element("tr", {}, element("th", { scope: "row" }, label), ...cells);
}
