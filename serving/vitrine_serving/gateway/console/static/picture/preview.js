/** Preview of the picture: shows it, marks the sample it is, and keeps the page's address true. */

import { byId, markCurrent } from "../dom.js";
import { upright } from "./upright.js";

let latest = null; // a picture that loads slowly must not replace a later one

/** Calls `onSize` with the { width, height } of the picture, upright, when it is there, or null
where the browser cannot show it; not if another picture comes before. */
export async function preview(picture, onSize) {
  latest = picture;
  const known = (size) => {
    if (picture === latest) onSize(size);
  };
  byId("picture-name").textContent = picture.name;
  for (const button of document.querySelectorAll("[data-sample]")) {
    markCurrent(button, button.dataset.sample === picture.sample);
  }
  const image = byId("picture");
  const content = await picture.content().catch(() => null); // those who ask models say why
  const blob = content && (await upright(content));
  if (picture !== latest) return;
  URL.revokeObjectURL(image.src);
  image.hidden = !blob;
  if (!blob) return known(null);
  image.src = URL.createObjectURL(blob);
  image.alt = picture.name;
  image.classList.toggle("small", Boolean(picture.sample));
  image.onload = async () => known(await sizeOf(image, blob));
  image.onerror = () => {
    image.hidden = true; // no picture, or of a format only the API reads
    known(null);
  };
}

/** Makes the page's address a link to a sample, or to none; the way back stays what it was. */
export function keepAddress({ sample }) {
  history.replaceState(history.state, "", sample ? `?sample=${sample}` : location.pathname);
}

/** In pixels of the file: `naturalWidth` is smaller where EXIF has more of them to an inch. */
async function sizeOf(image, blob) {
  try {
    const bitmap = await createImageBitmap(blob);
    const { width, height } = bitmap;
    bitmap.close(); // a photo is 48 MB
    return { width, height };
  } catch {
    return { width: image.naturalWidth, height: image.naturalHeight }; // cut off, but shown
  }
}
