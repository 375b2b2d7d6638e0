/** The try-it page: who tells whom of what. */

import { Answers } from "./answers.js";
import { ApiError, useKey } from "./api.js";
import { Box } from "./box.js";
import { offerCamera } from "./camera.js";
import { Drift } from "./drift.js";
import { showBox, showWarnings } from "./findings.js";
import { takePictures } from "./pictures.js";
import { preview } from "./preview.js";
import { clearProblems, showProblems, takeKeys } from "./problems.js";
import { offerCopies, showProgram } from "./program.js";
import { loadVariants } from "./variants.js";

let picture = null; // the one that is shown
let running = null; // what ends all that was asked about the one before
let variants = null; // a promise of what can be asked; null where it has to be asked for

const drift = new Drift();
const answers = new Answers(showSeen, (errors) => showProblems(errors));
const box = new Box(showBox, (rectangle) => {
  picture = { ...picture, box: rectangle };
  ask();
});

/** Returns the variants, asked once, or again after a failure. Throws `ApiError`. */
function known() {
  variants ??= loadVariants().then((found) => {
    answers.setVariants(found);
    drift.models = [...new Set(found.map((variant) => variant.model))];
    return found;
  });
  variants.catch(() => (variants = null));
  return variants;
}

/** Shows a picture and what the models say of it; one that comes later takes its place. */
function show(next) {
  picture = next;
  box.clear();
  showWarnings([]);
  preview(picture, (size) => box.setSize(size));
  return ask();
}

/** Asks about the picture, or about what is in a box on it. */
async function ask() {
  running?.abort();
  const { signal } = (running = new AbortController());
  clearProblems();
  try {
    const found = await known();
    signal.throwIfAborted();
    const errors = await answers.ask(picture, signal);
    showProgram(found, picture);
    if (errors.some((each) => each.status === 404)) variants = null; // labels move, models go
    if (errors.length) showProblems(errors, ask);
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof ApiError)) throw error;
    showProblems([error], ask);
  }
  if (!drift.off) await drift.refresh();
}

/** Shows where the gateway found the item, and what it says of that. */
function showSeen(seen) {
  if (!picture.box) box.setFound(seen.box);
  showWarnings(seen.warnings);
}

/** Asks what is served and how it fares; all that can be known without a picture. */
async function start() {
  clearProblems();
  try {
    await known();
    await drift.refresh();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showProblems([error], () => start());
  }
}

const say = (text) => showProblems([new Error(text)]);

takePictures(show, say);
offerCamera(show, say);
offerCopies();
takeKeys(async (key) => {
  useKey(key);
  await start();
  if (picture) await ask();
});
start();
