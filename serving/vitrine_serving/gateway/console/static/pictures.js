/** All ways to give the page pictures but the camera: choose, drop, paste, take a sample. */

import { ApiError, silence } from "./api.js";
import { byId } from "./dom.js";
import { Picture, pictureOf } from "./picture.js";

const NO_PICTURE = "That is no picture. Save it as a file, and choose or drop the file.";
const FOLDER = "That is a folder. Open it, and choose or drop the pictures in it.";

/** Calls `onPictures([Picture, …])` with what somebody gives at once. */
export function takePictures(onPictures, onProblem) {
  for (const input of [byId("file"), byId("capture")]) {
    input.addEventListener("change", () => {
      const pictures = [...input.files].map((file) => pictureOf(file));
      input.value = ""; // so that the same file can be chosen again
      if (pictures.length) onPictures(pictures);
    });
  }
  takeDrops(onPictures, onProblem);
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (!files.length) return; // text, for a field
    event.preventDefault();
    onPictures(files.map((file) => pictureOf(file, { unsaved: true })));
  });
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", () => onPictures([sampleOf(button.dataset.sample)]));
  }
}

/** The sample that the page's address names, or null. */
export function linkedSample() {
  const wanted = new URLSearchParams(location.search).get("sample");
  const names = [...document.querySelectorAll("[data-sample]")].map((each) => each.dataset.sample);
  return names.includes(wanted) ? sampleOf(wanted) : null;
}

/** The sample that the page begins with. */
export const firstSample = () => sampleOf("ankle-boot");

function takeDrops(onPictures, onProblem) {
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
    const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
    const files = items.filter((item) => !isFolder(item)).map((item) => item.getAsFile());
    if (files.length) onPictures(files.map((file) => pictureOf(file)));
    else onProblem(items.length ? FOLDER : NO_PICTURE);
  });
}

const isFolder = (item) => Boolean(item.webkitGetAsEntry?.()?.isDirectory);

function sampleOf(sample) {
  const name = `${sample}.png`;
  return new Picture({ name, path: `samples/${name}`, sample, read: () => loaded(name) });
}

async function loaded(name) {
  const answer = await fetch(`static/samples/${name}`).catch(() => null);
  if (!answer) throw new ApiError(0, `The sample did not load. ${silence()}`);
  if (!answer.ok) throw new ApiError(answer.status, "The sample is not there. Load this page again.");
  return answer.blob();
}
