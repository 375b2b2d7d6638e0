/** All ways to give the page a picture but the camera: choose, drop, paste, take a sample. */

import { byId } from "./dom.js";

const NO_PICTURE = "That is no picture. Save it as a file, and choose or drop the file.";

/** Calls `onPicture({ name, path, blob })`; `path` is how a shell in a clone would name it. */
export function takePictures(onPicture, onProblem) {
  const take = (file) => onPicture({ name: file.name, path: file.name, blob: file });
  for (const input of [byId("file"), byId("capture")]) {
    input.addEventListener("change", () => {
      if (input.files.length) take(input.files[0]);
      input.value = ""; // so that the same file can be chosen again
    });
  }
  takeDrops(take, onProblem);
  takePastes(take);
  takeSamples(onPicture, onProblem);
}

function takeDrops(take, onProblem) {
  let depth = 0; // of elements entered and not left: the window tells of each
  const dragged = (change) => {
    depth = change;
    document.body.classList.toggle("dragged", depth > 0);
  };
  document.addEventListener("dragenter", () => dragged(depth + 1));
  document.addEventListener("dragleave", () => dragged(depth - 1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    dragged(0);
    const [file] = event.dataTransfer.files;
    if (file) take(file);
    else onProblem(NO_PICTURE);
  });
}

function takePastes(take) {
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (!file) return; // text, for a field
    event.preventDefault();
    take(file);
  });
}

function takeSamples(onPicture, onProblem) {
  const samples = document.querySelectorAll("[data-sample]");
  const wanted = new URLSearchParams(location.search).get("sample");
  let latest = 0; // a sample that loads slowly must not replace a later one
  const take = async (button) => {
    const mine = ++latest;
    const name = `${button.dataset.sample}.png`;
    try {
      const answer = await fetch(`static/samples/${name}`);
      if (!answer.ok) throw new Error(`${answer.status}`);
      const blob = await answer.blob();
      if (mine !== latest) return;
      onPicture({ name, path: `samples/${name}`, blob, sample: button.dataset.sample });
    } catch {
      onProblem("The sample did not load. Is the gateway running, and are you online?");
    }
  };
  for (const button of samples) {
    button.addEventListener("click", () => take(button));
    if (button.dataset.sample === wanted) take(button);
  }
}
