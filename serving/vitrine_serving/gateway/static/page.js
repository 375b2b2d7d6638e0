/** The try-it page: who tells whom of what. */

import { Answers } from "./answers.js";
import { ApiError, useKey } from "./api.js";
import { offerCamera } from "./camera.js";
import { Drift } from "./drift.js";
import { preview, takePictures } from "./pictures.js";
import { clearProblems, showProblems, takeKeys } from "./problems.js";
import { offerCopies, showProgram } from "./program.js";
import { loadVariants } from "./variants.js";

let picture = null; // the one that is shown
let running = null; // what ends all that was asked about the one before
let variants = null; // a promise of what can be asked; null where it has to be asked for

const drift = new Drift();
const answers = new Answers((errors) => showProblems(errors));

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
async function show(next) {
  running?.abort();
  const { signal } = (running = new AbortController());
  picture = next;
  clearProblems();
  preview(picture);
  try {
    const found = await known();
    signal.throwIfAborted();
    const errors = await answers.ask(picture, signal);
    showProgram(found, picture);
    if (errors.some((each) => each.status === 404)) variants = null; // labels move, models go
    if (errors.length) showProblems(errors, () => show(picture));
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof ApiError)) throw error;
    showProblems([error], () => show(picture));
  }
  if (!drift.off) await drift.refresh();
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
  if (picture) await show(picture);
});
start();
