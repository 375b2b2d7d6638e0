/** Shows the picture that was given, marks the sample it is, and keeps the page's address true. */

import { byId } from "./dom.js";
import { upright } from "./upright.js";

let latest = null; // a picture that loads slowly must not replace a later one

/** Calls `onSize` with the { width, height } of the picture, upright, when it is there, or null
where the browser cannot show it; not if another picture comes before. */
export async function preview(picture, onSize) {
  latest = picture;
  byId("picture-name").textContent = picture.name;
  markSample(picture.sample);
  const blob = await upright(picture.blob);
  if (picture !== latest) return;
  const known = (size) => {
    if (picture === latest) onSize(size);
  };
  const image = byId("picture");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(blob);
  image.alt = picture.name;
  image.hidden = false;
  image.classList.toggle("small", Boolean(picture.sample));
  image.onload = async () => known(await sizeOf(image, blob));
  image.onerror = () => {
    image.hidden = true; // no picture, or of a format only the API reads
    known(null);
  };
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

function markSample(sample) {
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.toggleAttribute("aria-current", false);
    if (button.dataset.sample === sample) button.setAttribute("aria-current", "true");
  }
  history.replaceState(null, "", sample ? `?sample=${sample}` : location.pathname);
}
