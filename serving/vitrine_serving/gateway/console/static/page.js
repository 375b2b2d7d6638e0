/** Try-it page: connects its parts. */

import { Answers } from "./answers/answers.js";
import { Choice } from "./answers/choice.js";
import { watchScrolling } from "./answers/in_view.js";
import { Newest } from "./answers/newest.js";
import { loadVariants } from "./answers/variants.js";
import { ApiError, useKey } from "./api.js";
import { Box } from "./box/box.js";
import { hideProgram, offerCopies, showProgram } from "./commands/program.js";
import { byId } from "./dom.js";
import { Drift } from "./drift/drift.js";
import { offerCamera } from "./picture/camera.js";
import { showBox, showWarnings } from "./picture/findings.js";
import { PictureError } from "./picture/picture.js";
import { firstSample, linkedSample, takePictures } from "./picture/pictures.js";
import { keepAddress, preview } from "./picture/preview.js";
import { Tray } from "./picture/tray.js";
import { clearProblems, sayWaiting, showProblems, takeKeys } from "./problems.js";

let picture = null; // the one that is shown
let variants = null; // a promise of what can be asked; null where it has to be asked for

const newest = new Newest();
const drift = new Drift();
const answers = new Answers(showSeen, (errors) => showProblems(errors));
const tray = new Tray(give);
const choice = new Choice(() => {
  useChoice();
  if (picture) ask();
});
const box = new Box(showBox, (rectangle) => {
  picture.box = rectangle;
  ask();
});

/** Returns the variants, asked once, or again after a failure. Throws `ApiError`. */
function known() {
  if (variants) return variants;
  const asked = loadVariants().then((found) => {
    if (asked !== variants) return; // those who entered another key ask anew
    choice.offer(found.variants);
    choice.leaveOut(found.others);
    useChoice();
  });
  asked.catch(() => {
    if (asked === variants) variants = null;
  });
  variants = asked;
  return asked;
}

function useChoice() {
  answers.setVariants(choice.chosen);
  drift.watch([...new Set(choice.chosen.map((variant) => variant.model))]);
}

/** Takes what somebody gave, and has its answer come into view. */
function give(next) {
  const bring = watchScrolling();
  keepAddress(next);
  show(next, () => {
    const first = document.querySelector("#answers :is(.verdict, #empty:not([hidden]))");
    bring(first, byId("answers"));
  });
}

/** Shows a picture and what the models say of it; one that comes later takes its place. */
function show(next, onShown) {
  place(next);
  return ask(onShown);
}

function place(next) {
  picture = next;
  picture.box = null;
  box.clear();
  showWarnings([]);
  tray.mark(picture);
  preview(picture, (size) => box.setSize(size));
}

/** Asks about the picture, or about what is in a box on it. */
function ask(onShown) {
  clearProblems();
  return answer(newest.begin(), onShown);
}

async function answer(signal, onShown = () => {}) {
  const asked = picture;
  try {
    await known();
    signal.throwIfAborted();
    const errors = await answers.ask(asked, signal, onShown);
    tray.note(asked, answers.inShort());
    await showProgram(answers.isEmpty ? [] : choice.chosen, asked, signal);
    signal.throwIfAborted();
    if (errors.some((each) => each.status === 404)) variants = null; // labels move, models go
    if (errors.length) showProblems(errors, () => ask());
  } catch (error) {
    if (signal.aborted) return;
    fail(error, () => ask());
  }
  drift.refresh();
}

/** Shows where the gateway found the item, and what it says of that. */
function showSeen(seen) {
  if (!picture.box) box.setFound(seen.box);
  showWarnings(seen.warnings);
}

/** Asks what is served, and begins with a sample, unless somebody gives a picture before. */
async function start() {
  const signal = newest.begin();
  clearProblems();
  try {
    await known();
    signal.throwIfAborted();
  } catch (error) {
    if (!signal.aborted) fail(error, start);
    return;
  }
  place(firstSample());
  await answer(signal);
}

/** Says what went wrong, and has nothing on the page that would be of something else. */
function fail(error, onRetry) {
  if (!(error instanceof ApiError || error instanceof PictureError)) throw error;
  answers.forget();
  hideProgram();
  showProblems([error], onRetry);
}

const say = (text) => showProblems([new PictureError(text)]);

takePictures(([first, ...rest]) => give(first.sample ? first : tray.lay([first, ...rest])), say);
offerCamera((photo) => give(tray.lay([photo])), say);
offerCopies();
sayWaiting();
takeKeys((key) => {
  useKey(key);
  variants = null;
  return picture ? ask() : start();
});

const linked = linkedSample();
if (linked) show(linked);
else start();
