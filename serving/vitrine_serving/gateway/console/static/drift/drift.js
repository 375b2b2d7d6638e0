/** Drift panel: the gateway's report on each model, loaded when it is unfolded. */

import { get } from "../api.js";
import { byId, copyOf, element, setShare } from "../dom.js";
import { moment, percent, timesLimit } from "../words.js";
import { gauge } from "./gauge.js";

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
const FULL = 0.95; // of its size, a window is as full as it gets: it slides by a twentieth

export class Drift {
  constructor() {
    this.models = [];
    this.off = false; // whether the gateway does not watch, so that asking again is of no use
    this.opened = new Map(); // whether somebody opened or closed a version's details
    byId("drift-refresh").addEventListener("click", () => this.ask());
    byId("drift-more").addEventListener("toggle", () => this.refresh());
  }

  /** Watches these models from now on. */
  watch(models) {
    this.models = models;
    byId("drift").hidden = !models.length;
    this.refresh();
  }

  /** Asks, if somebody sees it and it is of use. */
  refresh() {
    if (byId("drift-more").open && !this.off) this.ask();
  }

  /** Asks for all models; a newer call replaces an older one. What fails is said in words. */
  async ask() {
    this.running?.abort();
    const { signal } = (this.running = new AbortController());
    byId("drift").setAttribute("aria-busy", "true");
    const asked = this.models.map((model) =>
      get(`v1/models/${encodeURIComponent(model)}/drift`, signal),
    );
    const settled = await Promise.allSettled(asked);
    if (signal.aborted) return;
    byId("drift").setAttribute("aria-busy", "false");
    this.show(settled);
  }

  show(settled) {
    const found = settled.filter((each) => each.value).map((each) => each.value);
    const errors = settled.filter((each) => each.reason).map((each) => each.reason);
    this.off = errors.length > 0 && errors.every((each) => each.status === 404) && !found.length;
    const watches = found.flatMap(({ model, versions }) =>
      versions.filter(isOfUse).map((version) => this.card(model, version)),
    );
    const texts = new Set(errors.map((error) => error.message));
    if (found.length && !watches.length) texts.add("No picture has been answered yet.");
    byId("drift-note").textContent = [...texts].join(" ");
    byId("drift-note").hidden = !texts.size;
    byId("watches").replaceChildren(...watches);
  }

  card(model, report) {
    const made = copyOf("watch");
    const [words, path, kind] = STATES[isEarly(report) ? "early" : report.drift] ?? STATES.unknown;
    made.classList.add(kind === "alarm" && !isFull(report) ? "playing" : kind, report.drift);
    made.querySelector("h3").textContent = model;
    made.querySelector(".chips").append(element("li", {}, `version ${report.version}`));
    made.querySelector(".state path").setAttribute("d", path);
    made.querySelector(".state b").textContent = words;
    made.querySelector(".from").textContent = from(report);
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

/** Whether there is something to say of a version: somebody asked it, or it cannot be watched. */
const isOfUse = ({ drift, images }) => images > 0 || drift === "unknown";

/** Whether there are too few images for any alarm: then there are no scores. */
function isEarly({ drift, scores }) {
  return drift === "none" && !Object.keys(scores).length;
}

const isFull = ({ images, window: size }) => images >= FULL * size;

/** Whose pictures a report is of: the gateway counts all that it answers. */
function from({ images, alarm, ...report }) {
  if (!images) return "";
  const pictures = `From ${images} ${images === 1 ? "picture" : "pictures"}`;
  if (isFull({ images, ...report })) return `${pictures}, tried here or sent by programs.`;
  const hint = alarm ? " With so few, some unusual ones are enough for this." : "";
  return `${pictures} so far, tried here or sent by programs.${hint}`;
}

function gauges({ images, window: size, gateways, since, scores, thresholds, alarm }) {
  const all = gateways > 1 ? ` in ${gateways} gateways` : "";
  const filled = `${images} of ${size} pictures${all}, since ${moment(since)}`;
  const tests = TESTS.filter(([test]) => test in scores && test in thresholds);
  return [
    gauge("Window", filled, images, size),
    ...tests.map(([test, words]) => {
      const [score, limit] = [scores[test], thresholds[test]];
      return gauge(words, timesLimit(score, limit), score, limit, { room: 1.5, alarm });
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
